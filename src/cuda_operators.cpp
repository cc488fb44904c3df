// The operators beside convolution on the GPU.
#include "backend.h"
#include "cuda/fastconv_cuda.h"
#include "cuda_call.h"
#include "cuda_gradients.h"

namespace fastconv::bind::backend {
namespace {

constexpr std::size_t kWorkspaceLimit = std::size_t{256} << 20;

}  // namespace

Status pool(const PoolProblem& problem, const void* x, void* y, Index* indices) {
  const CudaCall& call = current_call();
  cuda::PoolPlan plan;
  Status status = cuda::plan_pool(problem, -1, *call.traits, plan);
  if (!status.ok()) return status;
  return launched(cuda::run_pool(problem, plan, x, y, indices, call.stream));
}

Status pool_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                     const void* x, const Index* indices, void* to) {
  const CudaCall& call = current_call();
  cuda::PoolGradientPlan plan;
  Status status = cuda::plan_pool_gradient(problem, indices != nullptr, kWorkspaceLimit, plan);
  if (!status.ok()) return status;
  const Workspace workspace(plan.workspace_bytes);
  return launched(cuda::run_pool_gradient(problem, plan, result, grad, x, indices, to,
                                          workspace.data(), *call.traits, call.stream));
}

Status average_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                        void* to) {
  return pool_gradient(problem, result, grad, nullptr, nullptr, to);
}

Status winner_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                       const void* x, const Index* indices, void* to) {
  return pool_gradient(problem, result, grad, x, indices, to);
}

Status unfold(const FoldProblem& problem, const void* image, void* columns) {
  return launched(cuda::run_unfold(problem, image, columns, current_call().stream));
}

Status fold(const FoldProblem& problem, const void* columns, void* image) {
  return launched(cuda::run_fold(problem, columns, image, current_call().stream));
}

Status unpool(const UnpoolProblem& problem, const void* x, const Index* indices, void* y) {
  return launched(cuda::run_unpool(problem, x, indices, y, current_call().stream));
}

Status unpool_gradient(const UnpoolProblem& problem, const Strides& grad_strides, const void* grad,
                       const Index* indices, void* to) {
  return launched(
      cuda::run_unpool_gradient(problem, grad_strides, grad, indices, to, current_call().stream));
}

Status activation(DType dtype, Activation kind, Index count, const ActivationArrays& arrays) {
  if (arrays.addend != nullptr) {
    return Status::error(StatusCode::unsupported,
                         "addend is added by the CPU's kernels alone; add it to x before");
  }
  return launched(cuda::run_activation(dtype, kind, count, arrays.x, arrays.grad, arrays.to,
                                       current_call().stream));
}

}  // namespace fastconv::bind::backend
