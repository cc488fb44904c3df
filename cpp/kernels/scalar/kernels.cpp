// The scalar unit: the generic kernels over its vector type.
#include "vec.h"

#include "core/grid.h"
#include "core/pool_layout.h"
#include "core/unit.h"

namespace fastconv {
namespace scalar {
#include "kernels/generic/all.inl"
}  // namespace scalar

extern const Unit kScalarUnit;
constinit const Unit kScalarUnit = {
    Isa::scalar, "scalar", {scalar::generic_table<float>(), scalar::generic_table<double>()}};

}  // namespace fastconv
