// Activations of whole arrays without gaps, and their gradients: a thread for 16 bytes, from one
// load to one store, so that only the memory sets the pace. Derivatives that are products like
// s(1-s) are computed from exp(-|x|), so both tails keep their digits, which 1-s would lose.
//
// Not yet run on hardware.
#pragma once

#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/pack.cuh"

namespace fastconv::cuda {

inline constexpr int kActivationThreads = 256;

// s(1-s) of the sigmoid s at x.
template <class A>
__device__ __forceinline__ A sigmoid_slope(A x) {
  const A e = exponential(x < A(0) ? x : -x), sum = A(1) + e;
  return e / sum / sum;
}

// The derivative at x, times the gradient g. At the corners of relu and its relatives it is that of
// the flat side, as in torch; of NaN it is g where the function is piecewise linear (leaky_relu:
// the lower slope). Nothing passes a flat side, not even an infinite gradient.
template <class A>
__device__ __forceinline__ A activation_slope(A g, A x, Activation activation) {
  switch (activation) {
    case Activation::none:
      return g;
    case Activation::relu:
      return x <= A(0) ? A(0) : g;
    case Activation::relu6:
      return x <= A(0) || x >= A(6) ? A(0) : g;
    case Activation::leaky_relu:
      return x > A(0) ? g : g * A(0.01);
    case Activation::hardswish:
      return x <= A(-3) ? A(0) : x < A(3) ? g * (x / A(3) + A(0.5)) : g;
    case Activation::sigmoid:
      return g * sigmoid_slope(x);
    case Activation::tanh:  // tanh'(x) = 4 s(1-s) at 2x
      return g * (A(4) * sigmoid_slope(x + x));
    case Activation::silu:
      return g * (sigmoid(x) + x * sigmoid_slope(x));
    case Activation::gelu: {
      const A density = exponential(A(-0.5) * x * x) * A(0.39894228040143267794);
      return g * (normal_cumulative(x) + x * density);
    }
  }
  return g;
}

// `grad` is null for the activation itself. Arrays may start anywhere where kVector is 1.
template <class T, int kVector>
__global__ void __launch_bounds__(kActivationThreads)
    activate_array(Activation activation, Index count, const T* __restrict__ x,
                   const T* __restrict__ grad, T* __restrict__ to) {
  const Index thread = static_cast<Index>(blockIdx.x) * kActivationThreads + threadIdx.x;
  const Index first = thread * kVector;
  if (first >= count) return;
  const auto compute = [&](T value, T g) {
    const Acc<T> a = to_acc(value);
    return from_acc<T>(grad == nullptr ? activate(a, activation)
                                       : activation_slope(to_acc(g), a, activation));
  };
  if (first + kVector > count) {
    for (Index i = first; i < count; ++i) to[i] = compute(x[i], grad == nullptr ? x[i] : grad[i]);
    return;
  }
  const Pack<T, kVector> values = load_pack<kVector>(x + first);
  const Pack<T, kVector> gradients = grad == nullptr ? values : load_pack<kVector>(grad + first);
  Pack<T, kVector> out;
#pragma unroll
  for (int v = 0; v < kVector; ++v) out.v[v] = compute(values.v[v], gradients.v[v]);
  store_pack<kVector>(to + first, out);
}

}  // namespace fastconv::cuda
