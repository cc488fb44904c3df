// The neon unit: the generic kernels over its vector type.
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
namespace neon {
#include "kernels/generic/all.inl"
}  // namespace neon

extern const Unit kNeonUnit;
constinit const Unit kNeonUnit = {Isa::neon,
                                  "neon",
                                  {neon::generic_table<float>(), neon::generic_table<double>(),
                                   neon::narrow_table<Half>(), neon::narrow_table<BFloat16>()}};

}  // namespace fastconv
