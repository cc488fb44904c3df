// What the depthwise kernels share: convolutions, transposed or not, with one input channel in each
// group, so that every output channel reads one plane through one kernel.
#pragma once

#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/axis_walk.cuh"
#include "cuda/kernels/elements.cuh"

namespace fastconv::cuda {

inline constexpr int kDepthwiseThreads = 256;
// Kernel elements of all channels of a block, in shared memory as accumulators.
inline constexpr Index kDepthwiseShared = Index{40} << 10;

struct DepthwiseTask {
  ConvProblem p;
  WalkAxis axis[kAxes];
  Divider multiplier, channels;  // output channels per group and in all
  Index taps;
};

inline DepthwiseTask depthwise_task(const ConvProblem& p) {
  return {p,
          {WalkAxis(p, 0), WalkAxis(p, 1), WalkAxis(p, 2)},
          Divider(larger(1, p.group_out())),
          Divider(larger(1, p.out_channels)),
          p.kernel.product()};
}

// Element `tap` of the kernel of an output channel.
template <class T>
__device__ __forceinline__ Acc<T> depthwise_weight(const DepthwiseTask& t, const T* w,
                                                   Index channel, Index tap) {
  const ConvProblem& p = t.p;
  const Quotient group = t.multiplier.divide(channel);
  const Index col = tap % p.kernel[2], line = tap / p.kernel[2];
  return to_acc(w[weight_origin(p, group.quotient) + group.remainder * weight_out_stride(p) +
                  line / p.kernel[1] * p.w.spatial[0] + line % p.kernel[1] * p.w.spatial[1] +
                  col * p.w.spatial[2]]);
}

// Kernels here store many sums each. Their code would be mostly copies of the smooth activations,
// far more than instruction caches hold, so there is one, which is called.
template <class A>
__device__ __attribute__((noinline)) A activate_smooth(A x, Activation activation) {
  return activate(x, activation);
}

template <class T>
__device__ __forceinline__ T depthwise_result(const DepthwiseTask& t, const T* bias, Index channel,
                                              Acc<T> sum) {
  using A = Acc<T>;
  if (bias != nullptr) sum += to_acc(bias[channel]);
  const Activation activation = t.p.activation;
  if (activation == Activation::relu || activation == Activation::relu6) {
    sum = sum < A(0) ? A(0) : sum;
    if (activation == Activation::relu6) sum = sum > A(6) ? A(6) : sum;
  } else if (activation != Activation::none) {
    sum = activate_smooth(sum, activation);
  }
  return from_acc<T>(sum);
}

}  // namespace fastconv::cuda
