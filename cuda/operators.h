// The CUDA backend beside convolution: poolings, unfold and fold, max unpooling, activations, and
// the gradients of all. Included by fastconv_cuda.h, whose rules hold here: device pointers, the
// caller's workspace and stream, no allocation, no synchronisation, nothing thrown. Problems are
// valid: validate(), infer_pool_output() and infer_positions() of the core have seen them.
#pragma once

#include <fastconv/problem.h>
#include <fastconv/status.h>

#include <cstddef>

#include "core/fold.h"

namespace fastconv::cuda {

using Stream = void*;  // a cudaStream_t
struct DeviceTraits;

// The kernels of a pooling; pool_kernel_name gives their names.
enum class PoolKernel : int {
  outputs,          // a thread per output, or per 16 bytes of channels
  windows,          // a warp or a block per output, lanes along the window
  window_channels,  // a block per output, lanes along channels, warps along the window
};
inline constexpr int kPoolKernels = 3;
const char* pool_kernel_name(PoolKernel kernel);

struct PoolPlan {
  PoolKernel kernel = PoolKernel::outputs;
  int vector = 1;     // elements of a thread's load, where pointers are aligned to 16 bytes
  int rows = 1;       // output rows of a thread (outputs)
  int warps = 1;      // warps of a window (windows)
  bool flat = false;  // windows are whole planes that adjoin in memory: one row
  const char* verified = nullptr;  // "chip, driver, date" of the hardware run that it passed
  const char* reason = "";
};

// Validates, then decides; `kernel` is a PoolKernel to use whatever would be chosen, or -1.
Status plan_pool(const PoolProblem& problem, int kernel, const DeviceTraits& traits,
                 PoolPlan& plan);
// `indices` is null unless the problem asks for them.
Status run_pool(const PoolProblem& problem, const PoolPlan& plan, const void* x, void* y,
                Index* indices, Stream stream);

// The gradient of a pooling with respect to its input. `problem.y` are the strides of the gradient
// of the output; `problem.indices` those of the winners' positions, where the caller has kept them.
struct PoolGradientPlan {
  Index images = 0;  // computed at a time, where a workspace bounds them
  std::size_t workspace_bytes = 0;
  const char* verified = nullptr;
  const char* reason = "";
};
Status plan_pool_gradient(const PoolProblem& problem, bool has_indices, std::size_t workspace_limit,
                          PoolGradientPlan& plan);
// `result` are the strides of `to`. Averages read neither x nor indices, norms read x, max and min
// read the indices or, where these are null, x. Indices must lie in the windows of their outputs,
// as those of pooling do: check_pool_indices tells. Others count for nothing.
Status run_pool_gradient(const PoolProblem& problem, const PoolGradientPlan& plan,
                         const Strides& result, const void* grad, const void* x,
                         const Index* indices, void* to, void* workspace,
                         const DeviceTraits& traits, Stream stream);
// Sets *wrong to 1 where an index lies outside the window of its output; leaves it alone otherwise.
Status check_pool_indices(const PoolProblem& problem, const Index* indices, int* wrong,
                          Stream stream);

Status run_unfold(const FoldProblem& problem, const void* image, void* columns, Stream stream);
Status run_fold(const FoldProblem& problem, const void* columns, void* image, Stream stream);

// Of equal indices the last wins. An index outside the output plane writes nothing.
Status run_unpool(const UnpoolProblem& problem, const void* x, const Index* indices, void* y,
                  Stream stream);
// `problem.x` are the strides of the result, `grad_strides` those of the gradient, whose planes are
// `problem.out`. An index outside the plane gives 0.
Status run_unpool_gradient(const UnpoolProblem& problem, const Strides& grad_strides,
                           const void* grad, const Index* indices, void* to, Stream stream);
// Sets *wrong to 1 where an index lies outside the output plane; leaves it alone otherwise.
Status check_unpool_indices(const UnpoolProblem& problem, const Index* indices, int* wrong,
                            Stream stream);

// to[i] = f(x[i]), or grad[i] f'(x[i]) where `grad` is not null; arrays without gaps.
Status run_activation(DType dtype, Activation activation, Index count, const void* x,
                      const void* grad, void* to, Stream stream);

}  // namespace fastconv::cuda
