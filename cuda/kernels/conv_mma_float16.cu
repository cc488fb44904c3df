#include "cuda/kernels/conv_mma_launch.cuh"

namespace fastconv::cuda {

Status launch_conv_mma_float16(const ConvMma& p, bool large, Stream stream) {
  return launch_conv_mma<HalfArithmetic>(p, large, stream);
}

}  // namespace fastconv::cuda
