// Max unpooling, its gradient, and the check of its indices.
//
// Of equal indices the last value has to win, every time. So a warp takes a plane, sets it to zero,
// and puts the values back 32 at a time in their order: of lanes with the same index the last one
// stores. Nothing is stored twice at once, and warps share no element. It loses where planes are
// few and large, since only as many warps work as there are planes.
//
// The gradient is a gather, a thread per value.
//
// Not yet run on hardware.
#pragma once

#include "core/fold.h"
#include "cuda/kernels/elements.cuh"

namespace fastconv::cuda {

inline constexpr int kUnpoolThreads = 128;

struct UnpoolTask {
  Elements values;
  Index planes, channels, value_count, plane_size;
  Divider rows, cols;  // of a plane of values
  Strides x, indices;
};

inline UnpoolTask unpool_task(const UnpoolProblem& p) {
  return {Elements(p.batch, p.channels, p.in, channels_are_dense(p.channels, p.x)),
          p.batch * p.channels,
          p.channels,
          p.in.product(),
          p.out.product(),
          Divider(larger(1, p.in[1])),
          Divider(larger(1, p.in[2])),
          p.x,
          p.indices};
}

// Whether a later lane has the same number. All lanes of the warp call it.
__device__ __forceinline__ bool comes_again(Index number, int lane) {
#if defined(__CUDA_ARCH__)
  const unsigned same = __match_any_sync(0xffffffffu, static_cast<long long>(number));
  return lane < 31 && same >> (lane + 1) != 0;
#else
  bool again = false;
  for (int by = 1; by < 32; ++by) {
    const Index other = __shfl_down_sync(0xffffffffu, number, static_cast<unsigned>(by));
    again = again || (lane + by < 32 && other == number);
  }
  return again;
#endif
}

template <class T>
__global__ void __launch_bounds__(kUnpoolThreads)
    unpool_planes(const UnpoolTask t, const T* __restrict__ x, const Index* __restrict__ indices,
                  T* __restrict__ y) {
  const int lane = lane_index();
  const Index plane = static_cast<Index>(blockIdx.x) * (kUnpoolThreads / 32) + warp_index();
  if (plane >= t.planes) return;
  T* to = y + plane * t.plane_size;
  for (Index i = lane; i < t.plane_size; i += 32) to[i] = T(0);
  __syncwarp();
  Place v{plane / t.channels, plane % t.channels, {0, 0, 0}};
  for (Index first = 0; first < t.value_count; first += 32) {
    const Index number = first + lane;
    // Lanes past the end have indices of their own, which store nothing.
    Index index = -1 - lane;
    T value = T(0);
    if (number < t.value_count) {
      const Quotient col = t.cols.divide(number);
      const Quotient row = t.rows.divide(col.quotient);
      v.at[0] = row.quotient;
      v.at[1] = row.remainder;
      v.at[2] = col.remainder;
      index = indices[offset_of(t.indices, v)];
      value = x[offset_of(t.x, v)];
    }
    const bool again = comes_again(index, lane);
    if (!again && index >= 0 && index < t.plane_size) to[index] = value;
    __syncwarp();
  }
}

// `size`: axes 1 and 2 of a plane of the gradient.
template <class T>
__global__ void __launch_bounds__(kUnpoolThreads)
    unpool_gather(const UnpoolTask t, const Divider rows, const Divider cols, const Strides step,
                  const T* __restrict__ grad, const Index* __restrict__ indices,
                  T* __restrict__ to) {
  const Index thread = static_cast<Index>(blockIdx.x) * kUnpoolThreads + threadIdx.x;
  if (thread >= t.values.count()) return;
  Place v = t.values.place(thread);
  const Index index = indices[offset_of(t.indices, v)], at = offset_of(t.x, v);
  T value = T(0);
  if (index >= 0 && index < t.plane_size) {
    const Quotient col = cols.divide(index);
    const Quotient row = rows.divide(col.quotient);
    v.at[0] = row.quotient;
    v.at[1] = row.remainder;
    v.at[2] = col.remainder;
    value = grad[offset_of(step, v)];
  }
  to[at] = value;
}

[[maybe_unused]] static __global__ void __launch_bounds__(kUnpoolThreads)
    unpool_check_indices(const UnpoolTask t, const Index* __restrict__ indices, int* wrong) {
  const Index thread = static_cast<Index>(blockIdx.x) * kUnpoolThreads + threadIdx.x;
  if (thread >= t.values.count()) return;
  const Index index = indices[offset_of(t.indices, t.values.place(thread))];
  if (index < 0 || index >= t.plane_size) *wrong = 1;
}

}  // namespace fastconv::cuda
