// How gradients of weights are cut into tasks, and what Winograd's algorithm costs there.
#pragma once

#include "core/weight_gradient.h"

namespace fastconv {

// Cuts the sums over pixels into at most `most` parts; a part has `others` tasks.
void cut_parts(const ConvProblem& p, Index others, Index most, Index element, WeightPlan& plan);

// Whether Winograd's algorithm applies.
bool takes_winograd(const ConvProblem& p, Index width);

// Where it does: multiply-adds of full vectors per output pixel of a group, or what takes as long.
double winograd_weight_cost(const ConvProblem& p, Index width);

void plan_weights_winograd(const ConvProblem& p, Index width, WeightPlan& plan);

}  // namespace fastconv
