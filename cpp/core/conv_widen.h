// Convolutions of 16-bit arrays that no kernel takes as they are: weights and a few images at a
// time become float32, the float32 plan runs on them, and the result is rounded once.
#pragma once

#include <fastconv/fastconv.h>

namespace fastconv {

// The float32 problem of `images` images that a block of a 16-bit problem becomes; no gaps in
// memory, in the layouts of the arrays.
ConvProblem widened(const ConvProblem& problem, Index images);

// plan.images and the plan of the float32 problem.
Status plan_widened(const ConvProblem& problem, const PlanOptions& options, ConvPlan& plan);

Status run_widened(const ConvProblem& problem, const ConvPlan& plan, const ConvArrays& arrays);

// Float32 weights, then the bias: contiguous, each from a cache line on.
std::size_t widened_weight_bytes(const ConvProblem& problem);
void widen_weights(const ConvProblem& problem, const ConvPlan& plan, const void* w,
                   const void* bias, std::byte* space);
// Plans with task_groups.
Status run_widened_blocks(const ConvProblem& problem, const ConvPlan& plan, const void* x,
                          const std::byte* weights, void* y);

// Other plans: float32 weights and bias, packed for many calls.
Status prepare_widened(const ConvProblem& problem, const ConvPlan& plan, const PlanOptions& options,
                       const void* w, const void* bias, std::unique_ptr<PreparedConv>& made);
Status run_prepared_widened(const ConvProblem& problem, const ConvPlan& plan,
                            const PreparedConv& wide, const void* x, void* y);

}  // namespace fastconv
