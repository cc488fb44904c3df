// Weight gradient, one block per element: takes every problem and memory layout.
//
// The threads of a block share the outputs that meet the input through the element, each every
// so-many-th, then add up in a tree. Both arrays are read once per element, mostly from the caches.
// It serves groups of few channels, where a tile of the matrix product stays empty, and problems
// whose offsets exceed 32 bits; with more channels it loses by its lack of reuse. Not yet run on
// hardware.
#pragma once

#include "cuda/kernels/reduce.cuh"
#include "cuda/kernels/weight_sum.cuh"

namespace fastconv::cuda {

inline constexpr int kWeightThreads = 128;

// Element number i of all weights.
__device__ inline WeightIndex weight_index(const ConvProblem& p, Index i) {
  WeightIndex at{};
  for (int a = kAxes - 1; a >= 0; --a) {
    at.tap[a] = i % p.kernel[a];
    i /= p.kernel[a];
  }
  at.channel = i % p.group_in();
  at.out_channel = i / p.group_in();
  return at;
}

template <class T>
__global__ void __launch_bounds__(kWeightThreads, 6)
    weights_direct(const __grid_constant__ ConvProblem p, const T* __restrict__ x,
                   const T* __restrict__ grad, T* __restrict__ w) {
  __shared__ Acc<T> room[kWeightThreads];
  const WeightIndex at = weight_index(p, blockIdx.x);
  Acc<T> sum = weight_sum(p, at, static_cast<Index>(threadIdx.x), kWeightThreads, x, grad);
  sum = block_sum<kWeightThreads>(sum, 1, room);
  if (threadIdx.x == 0) w[weight_offset(p, at)] = from_acc<T>(sum);
}

}  // namespace fastconv::cuda
