// What the dense families of NCHW arrays cost: the estimate behind their choice.
#pragma once

#include "core/unit.h"

namespace fastconv {

// Relative to multiply-adds alone.
struct DenseCost {
  double direct, im2col;
  double pixels;  // kUnsuited where the family does not suit
};
inline constexpr double kUnsuited = 100.0;

DenseCost dense_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights);

}  // namespace fastconv
