// The CUDA backend for C++ programs: plan a problem for a device, run it on a stream.
//
// Pointers are device pointers of the current device; the workspace of a plan comes from the caller
// and may be used again as soon as the stream has passed. Nothing here allocates, synchronises or
// throws, so every run_* can be captured in a CUDA graph. Problems are validated when they are
// planned; run_* checks only that launches succeed. Planning is a pure function of its arguments
// and needs no GPU.
#pragma once

#include <fastconv/fastconv.h>

#include <cstddef>
#include <string>

#include "core/unit.h"

namespace fastconv::cuda {

using Stream = void*;  // a cudaStream_t

// What choosing needs to know of a device.
struct DeviceTraits {
  int major = 8, minor = 0;  // compute capability
  int multiprocessors = 108;
  std::size_t shared_per_block = std::size_t{99} << 10;  // dynamic shared memory, at most
  std::size_t l2 = std::size_t{40} << 20;
  // Architecture that this build's code for the device was written for, 10 * major + minor: older
  // than the device where the driver translated it; 0 where nobody asked.
  int code = 0;

  int capability() const { return 10 * major + minor; }
};

// Of device `device`, or of the current one where it is negative. Fails with `unavailable` where
// there is no device, no driver, or a device that this build has no code for.
Status device_traits(int device, DeviceTraits& traits);

// The kernels of a convolution; conv_kernel_name gives their names.
enum class ConvKernel : int {
  direct,              // one thread per output, any problem, boundary and memory layout
  implicit_gemm,       // tiles of output channels x pixels in registers, any layout
  mma,                 // the same on tensor cores
  depthwise_planar,    // one input channel per group, NCHW and any other strides
  depthwise_channels,  // one channel in and out per group, NHWC
  filter,              // one input channel per group, boundaries that continue the input
  im2col,  // the product over an unfolded copy of the input, NCHW weights; only if forced
};
inline constexpr int kConvKernels = 7;
const char* conv_kernel_name(ConvKernel kernel);

struct PlanOptions {
  Algorithm algorithm = Algorithm::automatic;
  int kernel = -1;  // a ConvKernel to use whatever would be chosen: for tests and measurements
  std::size_t workspace_limit = std::size_t{256} << 20;  // bytes that a plan may ask for
};

// How a convolution is computed. Which of the numbers mean something depends on the kernel.
struct ConvPlan {
  ConvKernel kernel = ConvKernel::direct;
  Index tile_m = 1, tile_n = 1, tile_k = 1;  // output channels x pixels x terms of a block
  int variant = 0;                           // of several forms of one kernel
  Index parts = 1;                           // shares of the sums that become one in a second step
  Index images = 0;                          // images at a time, where the workspace bounds them
  std::size_t workspace_bytes = 0;
  const char* verified = nullptr;  // "chip, driver, date" of the hardware run that it passed
  const char* reason = "";
};

Status plan_conv(const ConvProblem& problem, const PlanOptions& options, const DeviceTraits& traits,
                 ConvPlan& plan);
Status run_conv(const ConvProblem& problem, const ConvPlan& plan, const ConvArrays& arrays,
                void* workspace, Stream stream);
std::string explain(const ConvProblem& problem, const ConvPlan& plan, const DeviceTraits& traits);

// Gradients. That of the input is the convolution that core/gradient.h's input_gradient() gives;
// where it says `zero`, fill_zero writes the result. That of the weight takes a problem as
// weight_gradient_problem() gives it: `y` are the strides of the gradient, `w` those of the result.

// The kernels of a weight gradient.
enum class WeightKernel : int {
  direct,         // a block per weight, any problem and layout
  implicit_gemm,  // tiles of output channels x columns in registers, pixels in parts
  depthwise,      // one input channel per group, tiles of kernel elements, pixels in parts
  mma,            // implicit_gemm on tensor cores, one kernel element at a time
};
inline constexpr int kWeightKernels = 4;
const char* weight_kernel_name(WeightKernel kernel);

struct WeightPlan {
  WeightKernel kernel = WeightKernel::direct;
  Index tile_m = 1, tile_n = 1, tile_k = 1;  // output channels x columns x pixels of a block
  int variant = 0;
  Index parts = 1;  // shares of the pixels, which a second kernel adds in order
  std::size_t workspace_bytes = 0;
  const char* verified = nullptr;
  const char* reason = "";
};
struct WeightArrays {
  const void* x;
  const void* grad;
  void* w;
};

// The convolution itself has been validated. options.kernel is a WeightKernel here; the algorithm
// is not looked at.
Status plan_weight_gradient(const ConvProblem& problem, const PlanOptions& options,
                            const DeviceTraits& traits, WeightPlan& plan);
Status run_weight_gradient(const ConvProblem& problem, const WeightPlan& plan,
                           const WeightArrays& arrays, void* workspace, Stream stream);
std::string explain(const ConvProblem& problem, const WeightPlan& plan);

// Sums over images and pixels of each channel: the gradient of a bias.
std::size_t channel_sums_workspace(const ChannelSums& sums);
Status run_channel_sums(const ChannelSums& sums, void* workspace, Stream stream);

// Zeros at every element of a tensor of any layout.
Status fill_zero(DType dtype, Index batch, Index channels, const Axes& size, const Strides& strides,
                 void* to, Stream stream);

}  // namespace fastconv::cuda

#include "cuda/operators.h"
