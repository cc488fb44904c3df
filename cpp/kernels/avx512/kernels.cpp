// The avx512 unit: the generic kernels over its vector type.
#include "narrow.h"
#include "vec.h"

#include "core/grid.h"
#include "core/pixel_layout.h"
#include "core/pool_gradient.h"
#include "core/pool_layout.h"
#include "core/subpixel.h"
#include "core/unit.h"
#include "core/winograd.h"

namespace fastconv {
namespace avx512 {
#include "kernels/generic/all.inl"
}  // namespace avx512

extern const Unit kAvx512Unit;
constinit const Unit kAvx512Unit = {
    Isa::avx512,
    "avx512",
    {avx512::generic_table<float>(), avx512::generic_table<double>(), avx512::narrow_table<Half>(),
     avx512::narrow_table<BFloat16>()}};

}  // namespace fastconv
