// Activations of one sum, applied by kernels just before the store. NaN stays NaN; gelu, silu and
// hardswish of minus infinity are NaN, as in torch.
//
// The smooth ones go through exp(-|x|) and the normal distribution, so that both tails keep their
// digits. Library functions of the CUDA headers, without fast-math.
#pragma once

#include "cuda/device.h"

namespace fastconv::cuda {

__device__ __forceinline__ float exponential(float x) {
  return expf(x);
}
__device__ __forceinline__ double exponential(double x) {
  return exp(x);
}
__device__ __forceinline__ float hyperbolic_tangent(float x) {
  return tanhf(x);
}
__device__ __forceinline__ double hyperbolic_tangent(double x) {
  return tanh(x);
}
__device__ __forceinline__ float normal_cumulative(float x) {
  return normcdff(x);
}
__device__ __forceinline__ double normal_cumulative(double x) {
  return normcdf(x);
}

template <class A>
__device__ __forceinline__ A sigmoid(A x) {
  const A e = exponential(x < A(0) ? x : -x);
  return (x < A(0) ? e : A(1)) / (A(1) + e);
}

// A is an accumulator: float or double.
template <class A>
__device__ __forceinline__ A activate(A x, Activation activation) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < A(0) ? A(0) : x;
    case Activation::relu6:
      return x < A(0) ? A(0) : x > A(6) ? A(6) : x;
    case Activation::leaky_relu:
      return x < A(0) ? x * A(0.01) : x;
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::tanh:
      return hyperbolic_tangent(x);
    case Activation::silu:
      return x * sigmoid(x);
    case Activation::gelu:
      return x * normal_cumulative(x);
    case Activation::hardswish: {
      const A ramp = x + A(3);
      return x * ((ramp < A(0) ? A(0) : ramp > A(6) ? A(6) : ramp) / A(6));
    }
  }
  return x;
}

}  // namespace fastconv::cuda
