// How a weight gradient is cut for tensor cores: pure functions of problem, options and device.
#pragma once

#include "cuda/fastconv_cuda.h"
#include "cuda/kernels/weights_mma_problem.h"
#include "cuda/launch/conv_mma_plan.h"

namespace fastconv::cuda {

const char* weights_mma_declines(const ConvProblem& problem, const DeviceTraits& traits);
const char* weights_mma_wanted(const ConvProblem& problem, const DeviceTraits& traits);
// plan.variant is 1 for tiles of 128 x 128, 0 for 64 x 64.
void weights_mma_schedule(const ConvProblem& problem, const PlanOptions& options,
                          const DeviceTraits& traits, WeightPlan& plan);
WeightsMma weights_mma_problem(const ConvProblem& problem, const WeightPlan& plan,
                               const WeightArrays& arrays, void* workspace);

inline Index weights_mma_tiles(const WeightsMma& p) {
  return p.problem.groups * p.taps * p.row_tiles * p.column_tiles;
}

}  // namespace fastconv::cuda
