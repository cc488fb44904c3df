// Sums over the threads of a block in a fixed order.
#pragma once

#include "cuda/device.h"

namespace fastconv::cuda {

// Adds what threads whose numbers agree modulo `width` give; the first `width` threads get the
// sums. `kThreads` and `width` are powers of two; `room` holds kThreads values and is free again
// after the next barrier.
template <int kThreads, class A>
__device__ A block_sum(A value, int width, A* room) {
  const int thread = static_cast<int>(threadIdx.x);
  room[thread] = value;
  __syncthreads();
  for (int half = kThreads / 2; half >= width; half /= 2) {
    if (thread < half) room[thread] += room[thread + half];
    __syncthreads();
  }
  return room[thread];
}

}  // namespace fastconv::cuda
