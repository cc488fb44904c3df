// Launches of max unpooling and its gradient.
#include "cuda/kernels/unpool.cuh"

#include "cuda/launch/launch.h"

namespace fastconv::cuda {
namespace {

Launch launch_of(const char* name, Index threads, Stream stream) {
  const dim3 grid(static_cast<unsigned>(ceil_div(threads, kUnpoolThreads)));
  return {grid, kUnpoolThreads, 0, stream, name};
}

// Calls visit with a null pointer to an unsigned integer of the element's size: values are moved,
// whatever their bits mean.
template <class Visit>
Status with_bits(DType dtype, const Visit& visit) {
  switch (element_size(dtype)) {
    case 2:
      return visit(static_cast<std::uint16_t*>(nullptr));
    case 4:
      return visit(static_cast<std::uint32_t*>(nullptr));
    default:
      return visit(static_cast<std::uint64_t*>(nullptr));
  }
}

}  // namespace

Status run_unpool(const UnpoolProblem& p, const void* x, const Index* indices, void* y,
                  Stream stream) {
  const UnpoolTask task = unpool_task(p);
  if (task.planes * task.plane_size == 0) return {};
  return with_bits(p.dtype, [&](auto* bits) {
    using T = std::remove_pointer_t<decltype(bits)>;
    return launch(unpool_planes<T>, launch_of("unpool_planes", task.planes * 32, stream), task,
                  static_cast<const T*>(x), indices, static_cast<T*>(y));
  });
}

Status run_unpool_gradient(const UnpoolProblem& p, const Strides& grad_strides, const void* grad,
                           const Index* indices, void* to, Stream stream) {
  const UnpoolTask task = unpool_task(p);
  if (task.values.count() == 0) return {};
  return with_bits(p.dtype, [&](auto* bits) {
    using T = std::remove_pointer_t<decltype(bits)>;
    return launch(unpool_gather<T>, launch_of("unpool_gather", task.values.count(), stream), task,
                  Divider(larger(1, p.out[1])), Divider(larger(1, p.out[2])), grad_strides,
                  static_cast<const T*>(grad), indices, static_cast<T*>(to));
  });
}

Status check_unpool_indices(const UnpoolProblem& p, const Index* indices, int* wrong,
                            Stream stream) {
  const UnpoolTask task = unpool_task(p);
  if (task.values.count() == 0) return {};
  return launch(unpool_check_indices,
                launch_of("unpool_check_indices", task.values.count(), stream), task, indices,
                wrong);
}

}  // namespace fastconv::cuda
