// Planning and launching the implicit matrix product, for all that is computed by it.
#pragma once

#include "cuda/fastconv_cuda.h"

namespace fastconv::cuda {

// Why the product cannot take a problem; null when it can.
const char* gemm_declines(const ConvProblem& problem);
// Tile, parts and workspace.
void schedule_gemm(const ConvProblem& problem, const DeviceTraits& traits, std::size_t workspace,
                   ConvPlan& plan);

// `problem` says what is stored where; `origin`, the convolution that is computed, and `origin_x`,
// its input, differ from it where the input was unfolded first.
struct GemmArrays {
  const void* x;
  const ConvProblem& origin;
  const void* origin_x;
};
Status run_gemm(const ConvProblem& problem, const ConvPlan& plan, const GemmArrays& input,
                const ConvArrays& arrays, void* partial, Stream stream);

}  // namespace fastconv::cuda
