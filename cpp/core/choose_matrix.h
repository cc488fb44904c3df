// Whether the matrix unit, and which of its families, takes less time than vectors.
#pragma once

#include "core/unit.h"

namespace fastconv {

// Sets `family` and `why` and returns true where a family of the matrix unit is estimated to be
// fastest among those that `algorithm` allows. `keeps_weights` says that packing them costs
// nothing.
bool pick_matrix(const ConvProblem& problem, Algorithm algorithm, const DTypeTable& table,
                 bool keeps_weights, Family& family, const char*& why);

}  // namespace fastconv
