// Measures the ways through the kernels that can compute one problem.
#pragma once

#include <vector>

#include "core/tuned.h"

namespace fastconv {

struct Measured {
  TunedChoice choice;
  ConvPlan plan;
  double seconds = 0.0;  // shortest of several calls
  bool by_rule = false;  // what choose_conv chose
};

// What plan_conv is asked for a problem: by a call, or by a plan that keeps its weights.
ConvProblem planned_problem(const ConvProblem& problem, const PlanOptions& options);

// Runs each candidate on these arrays (the output is overwritten) for `seconds` in all, fastest
// first. What the rules chose stays first unless another is at least 3 % faster. Options as for
// plan_conv; with keeps_weights packing is not timed.
Status tune_conv(const ConvProblem& problem, const PlanOptions& options, const ConvArrays& arrays,
                 double seconds, std::vector<Measured>& ranked);

}  // namespace fastconv
