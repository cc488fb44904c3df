// Launches of activations over whole arrays.
#include "cuda/kernels/activations.cuh"

#include <type_traits>

#include "cuda/launch/launch.h"

namespace fastconv::cuda {
namespace {

template <class T, int kVector>
Status run(Activation activation, Index count, const T* x, const T* grad, T* to, Stream stream) {
  const dim3 grid(static_cast<unsigned>(ceil_div(count, Index{kActivationThreads} * kVector)));
  return launch(activate_array<T, kVector>,
                Launch{grid, kActivationThreads, 0, stream, "activate_array"}, activation, count, x,
                grad, to);
}

}  // namespace

Status run_activation(DType dtype, Activation activation, Index count, const void* x,
                      const void* grad, void* to, Stream stream) {
  if (count == 0) return {};
  return with_element(dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    constexpr int kVector = kPackBytes / static_cast<int>(sizeof(T));
    const bool aligned = is_pack_aligned(x) && is_pack_aligned(grad) && is_pack_aligned(to);
    return (aligned ? run<T, kVector> : run<T, 1>)(activation, count, static_cast<const T*>(x),
                                                   static_cast<const T*>(grad), static_cast<T*>(to),
                                                   stream);
  });
}

}  // namespace fastconv::cuda
