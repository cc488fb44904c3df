#include "cuda/kernels/conv_mma_launch.cuh"

namespace fastconv::cuda {

Status launch_conv_mma_float32(const ConvMma& p, MmaFormat format, bool large, Stream stream) {
  switch (format) {
    case MmaFormat::tf32:
      return launch_conv_mma<Tf32Arithmetic>(p, large, stream);
    case MmaFormat::bfloat16_x2:
      return launch_conv_mma<HighArithmetic>(p, large, stream);
    default:
      return launch_conv_mma<HighestArithmetic>(p, large, stream);
  }
}

}  // namespace fastconv::cuda
