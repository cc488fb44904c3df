// How gradients of weights are computed and cut into tasks, and what Winograd's algorithm costs
// there.
#pragma once

#include "core/unit.h"
#include "core/weight_gradient.h"

namespace fastconv {

// Cuts the sums over pixels into at most `most` parts; a part has `others` tasks.
void cut_parts(const ConvProblem& p, Index others, Index most, Index element, WeightPlan& plan);

// Whether a family can compute the gradient, and which takes the least time by estimate.
bool takes_weights(const ConvProblem& p, WeightFamily family, Index width);
WeightFamily choose_weights(const ConvProblem& p, const DTypeTable& table);

// Tasks that a problem is cut into where it is large enough: enough for the threads of a machine to
// finish together, and the same for every number of threads.
inline constexpr Index kWeightTasks = 32;
// Pixels that a part of the sums has at least, and a block of them at best.
inline constexpr Index kLeastPartPixels = 256, kBlockPixels = 256;

// Whether Winograd's algorithm applies.
bool takes_winograd(const ConvProblem& p, Index width);

// Where it does: multiply-adds of full vectors per output pixel of a group, or what takes as long.
double winograd_weight_cost(const ConvProblem& p, Index width);

void plan_weights_winograd(const ConvProblem& p, Index width, WeightPlan& plan);

}  // namespace fastconv
