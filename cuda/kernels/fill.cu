// Zeros at every element of a tensor of any layout, one thread per element: the gradient of an
// input on which no output depends.
#include <type_traits>

#include "cuda/launch/launch.h"

namespace fastconv::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void fill_zero_kernel(Index count, Index channels, const Axes size,
                                 const Strides to_step, T* to) {
  const Index step = static_cast<Index>(gridDim.x) * kThreads;
  for (Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += step) {
    Index rest = i, at = 0;
    for (int a = kAxes - 1; a >= 0; --a) {
      at += rest % size[a] * to_step.spatial[a];
      rest /= size[a];
    }
    at += rest % channels * to_step.channel + rest / channels * to_step.batch;
    to[at] = from_acc<T>(Acc<T>(0));
  }
}

}  // namespace

Status fill_zero(DType dtype, Index batch, Index channels, const Axes& size, const Strides& strides,
                 void* to, Stream stream) {
  const Index count = batch * channels * size.product();
  if (count == 0) return {};
  const Launch how{grid_blocks(count, kThreads), kThreads, 0, stream, "fill_zero"};
  return with_element(dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    return launch(fill_zero_kernel<T>, how, count, channels, size, strides, static_cast<T*>(to));
  });
}

}  // namespace fastconv::cuda
