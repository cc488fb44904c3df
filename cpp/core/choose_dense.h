// What the dense families of NCHW arrays cost: the estimate behind their choice.
#pragma once

#include "core/unit.h"

namespace fastconv {

// Cycles of one core for the whole problem, apart from what all families share.
struct DenseCost {
  double direct, im2col;
  double pixels;  // kUnsuited where the family does not suit
};
inline constexpr double kUnsuited = 1e300;

DenseCost dense_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights);

// Whether input and output are both channels-last.
inline bool channels_last(const ConvProblem& p) {
  return p.x.channel == 1 && p.y.channel == 1 && p.in_channels > 1;
}

// The same for such arrays.
struct ChannelsLastCost {
  double direct, pixels;
};
ChannelsLastCost channels_last_cost(const ConvProblem& p, const DTypeTable& table,
                                    bool keeps_weights);

// The same for the kernels that know nothing but strided transposed convolution.
struct TransposedCost {
  double planar, pixels;
};
TransposedCost transposed_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights);

}  // namespace fastconv
