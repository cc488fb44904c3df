// The kernels of a weight gradient, one entry each, as registry.h has those of a convolution.
#pragma once

#include "cuda/fastconv_cuda.h"

namespace fastconv::cuda {

struct WeightEntry {
  WeightKernel kernel;
  const char* name;
  const char* verified;  // "chip, driver, date" of the hardware run that it passed, or null
  // Problems are as weight_gradient_problem() gives them, never transposed.
  const char* (*declines)(const ConvProblem&, const DeviceTraits&);
  const char* (*wanted)(const ConvProblem&, const DeviceTraits&);
  void (*schedule)(const ConvProblem&, const PlanOptions&, const DeviceTraits&, WeightPlan&);
  Status (*run)(const ConvProblem&, const WeightPlan&, const WeightArrays&, void* workspace,
                Stream);
};

struct WeightEntries {
  const WeightEntry* const* first;
  int count;
  const WeightEntry* const* begin() const { return first; }
  const WeightEntry* const* end() const { return first + count; }
};
// Most specialised first, `direct`, which takes everything, last.
WeightEntries weight_entries();

inline Index weight_count(const ConvProblem& p) {
  return p.out_channels * p.group_in() * p.kernel.product();
}

// Of the matrix product: pure functions, in schedule_weights.cpp.
const char* weights_gemm_declines(const ConvProblem& problem);
void schedule_weights_gemm(const ConvProblem& problem, const PlanOptions& options,
                           const DeviceTraits& traits, WeightPlan& plan);

}  // namespace fastconv::cuda
