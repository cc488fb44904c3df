// Grouped convolutions of 16-bit planes that no kernel takes as they are: each thread widens a few
// groups of one image into memory of its own, computes them by the float32 plan and rounds them.
#pragma once

#include <fastconv/fastconv.h>

namespace fastconv {

// Where this suits the problem, sets plan.task_groups and the plan of one block of groups of one
// image; else leaves the plan as it is.
Status plan_widened_groups(const ConvProblem& problem, const PlanOptions& options, ConvPlan& plan);

// With float32 weights and bias. `saw_nan`: as in ConvJob.
Status run_widened_groups(const ConvProblem& problem, const ConvPlan& plan, const void* x,
                          const float* w, const float* bias, void* y, unsigned char* saw_nan);

}  // namespace fastconv
