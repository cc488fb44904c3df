// The registry's entry of convolution on tensor cores.
#include "cuda/launch/conv_mma_plan.h"
#include "cuda/launch/registry.h"

namespace fastconv::cuda {
namespace {

Status run(const ConvProblem& problem, const ConvPlan& plan, const ConvArrays& arrays,
           void* workspace, Stream stream) {
  const ConvMma p = conv_mma_problem(problem, plan, arrays, workspace);
  const bool large = plan.variant == 1;
  const MmaFormat format = mma_format(problem);
  if (format == MmaFormat::float16) return launch_conv_mma_float16(p, large, stream);
  if (format == MmaFormat::bfloat16) return launch_conv_mma_bfloat16(p, large, stream);
  return launch_conv_mma_float32(p, format, large, stream);
}

}  // namespace

extern const ConvEntry kConvMma;
const ConvEntry kConvMma{ConvKernel::mma,   "tensor cores",  Algorithm::direct, nullptr,
                         conv_mma_declines, conv_mma_wanted, conv_mma_schedule, run};

}  // namespace fastconv::cuda
