// Direct convolution, one thread per output: takes every problem, boundary and memory layout.
//
// Loop order: outputs in steps of the whole grid; then input channels, then the kernel elements
// that meet the input. One accumulator in a register, nothing in shared memory: neighbouring
// threads read neighbouring inputs and the same weight, which the caches merge. Neighbours lie
// along the axis that is dense in the output: rows, or channels where these lie side by side. It
// loses everywhere else, by an order of magnitude, since nothing is reused from registers.
#pragma once

#include "cuda/kernels/conv_sum.cuh"

namespace fastconv::cuda {

inline constexpr int kDirectThreads = 128;

// The output that is number `i` of all.
__device__ inline OutputIndex direct_output(const ConvProblem& p, bool channels_last, Index i) {
  OutputIndex o{};
  if (channels_last) {
    o.channel = i % p.out_channels;
    i /= p.out_channels;
  }
  for (int a = kAxes - 1; a >= 0; --a) {
    o.at[a] = i % p.out[a];
    i /= p.out[a];
  }
  if (!channels_last) {
    o.channel = i % p.out_channels;
    i /= p.out_channels;
  }
  o.batch = i;
  return o;
}

template <class T>
__global__ void __launch_bounds__(kDirectThreads)
    conv_direct(const __grid_constant__ ConvProblem p, bool channels_last, const T* __restrict__ x,
                const T* __restrict__ w, const T* __restrict__ bias, T* __restrict__ y) {
  const Index count = p.batch * p.out_channels * p.out.product();
  const Index step = static_cast<Index>(gridDim.x) * kDirectThreads;
  for (Index i = static_cast<Index>(blockIdx.x) * kDirectThreads + threadIdx.x; i < count;
       i += step) {
    const OutputIndex o = direct_output(p, channels_last, i);
    const Acc<T> sum = conv_sum(p, x, w, o) + bias_of(bias, o.channel);
    y[output_offset(p, o)] = from_acc<T>(activate(sum, p.activation));
  }
}

}  // namespace fastconv::cuda
