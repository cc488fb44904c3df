#include "cuda/kernels/conv_mma_launch.cuh"

namespace fastconv::cuda {

Status launch_conv_mma_bfloat16(const ConvMma& p, bool large, Stream stream) {
  return launch_conv_mma<BFloat16Arithmetic>(p, large, stream);
}

}  // namespace fastconv::cuda
