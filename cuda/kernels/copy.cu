// Elements from one memory layout to another, one thread per element in the order of the target's
// shape: neighbouring threads write neighbouring elements where the target's last axis is dense. A
// plan whose arrays lie in another layout than it was made for, and activations of arrays with
// gaps, pay for it. Measured: not yet run on hardware.
#include "cuda/launch/launch.h"
#include "cuda/launch/runtime.h"

namespace fastconv::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMostAxes = 8;

struct CopyLayout {
  int axes;
  Index shape[kMostAxes], from[kMostAxes], to[kMostAxes];
};

template <class T>
__global__ void copy_kernel(Index count, const CopyLayout layout, const T* from, T* to) {
  const Index step = static_cast<Index>(gridDim.x) * kThreads;
  for (Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += step) {
    Index rest = i, source = 0, target = 0;
    for (int a = layout.axes - 1; a >= 0; --a) {
      const Index at = rest % layout.shape[a];
      rest /= layout.shape[a];
      source += at * layout.from[a];
      target += at * layout.to[a];
    }
    to[target] = from[source];
  }
}

template <class T>
Status copy(Index count, const CopyLayout& layout, const void* from, void* to, Stream stream) {
  const Launch how{grid_blocks(count, kThreads), kThreads, 0, stream, "copy_strided"};
  return launch(copy_kernel<T>, how, count, layout, static_cast<const T*>(from),
                static_cast<T*>(to));
}

}  // namespace

Status copy_strided(std::size_t size, int axes, const Index* shape, const Index* from_strides,
                    const void* from, const Index* to_strides, void* to, Stream stream) {
  CopyLayout layout{};
  layout.axes = axes;
  Index count = 1;
  for (int a = 0; a < axes; ++a) {
    layout.shape[a] = shape[a];
    layout.from[a] = from_strides[a];
    layout.to[a] = to_strides[a];
    count *= shape[a];
  }
  if (count == 0) return {};
  switch (size) {
    case 2:
      return copy<std::uint16_t>(count, layout, from, to, stream);
    case 4:
      return copy<std::uint32_t>(count, layout, from, to, stream);
    default:
      return copy<std::uint64_t>(count, layout, from, to, stream);
  }
}

}  // namespace fastconv::cuda
