// The avx2 unit: the generic kernels over its vector type.
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
namespace avx2 {
#include "kernels/generic/all.inl"
}  // namespace avx2

extern const Unit kAvx2Unit;
constinit const Unit kAvx2Unit = {Isa::avx2,
                                  "avx2",
                                  {avx2::generic_table<float>(), avx2::generic_table<double>(),
                                   avx2::narrow_table<Half>(), avx2::narrow_table<BFloat16>()}};

}  // namespace fastconv
