// The scalar unit: the generic kernels over its vector type.
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
namespace scalar {
#include "kernels/generic/all.inl"
}  // namespace scalar

extern const Unit kScalarUnit;
constinit const Unit kScalarUnit = {
    Isa::scalar,
    "scalar",
    {scalar::generic_table<float>(), scalar::generic_table<double>(), scalar::narrow_table<Half>(),
     scalar::narrow_table<BFloat16>()}};

}  // namespace fastconv
