// The one header through which kernel text sees the CUDA language: CUDA itself under nvcc, and in
// tests without a GPU the shim, which runs blocks one after another and threads as fibres.
//
// Elements are the types of core/half.h, so that host and device share one set: float, double, Half
// and BFloat16. Sums are kept in Acc<T>.
#pragma once

#if defined(FASTCONV_CUDA_SHIM)
#include "shim.h"
#define FASTCONV_NOINLINE [[gnu::noinline]]
#else
#include <cuda_runtime.h>
#define FASTCONV_NOINLINE __noinline__
#endif

#include <fastconv/problem.h>

#include "core/boundary.h"
#include "core/grid.h"
#include "core/half.h"

namespace fastconv::cuda {

// Element to accumulator, exactly.
template <class T>
__device__ __forceinline__ Acc<T> to_acc(T value) {
  return widen(value);
}
// Accumulator to element, to nearest even.
template <class T>
__device__ __forceinline__ T from_acc(Acc<T> value) {
  return Narrowed<T>::of(value);
}

#if defined(__CUDA_ARCH__)
// One instruction each, where the portable conversions take a dozen.
template <>
__device__ __forceinline__ float to_acc<Half>(Half value) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
}
template <>
__device__ __forceinline__ Half from_acc<Half>(float value) {
  Half narrow;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(value));
  return narrow;
}
#if __CUDA_ARCH__ >= 800
template <>
__device__ __forceinline__ BFloat16 from_acc<BFloat16>(float value) {
  BFloat16 narrow;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(value));
  return narrow;
}
#endif
#endif

// The block's dynamic shared memory, aligned for 16-byte accesses; its size is that of the launch.
template <class T>
__device__ __forceinline__ T* shared_memory() {
#if defined(FASTCONV_CUDA_SHIM)
  return static_cast<T*>(shim::shared_bytes());
#else
  extern __shared__ __align__(128) unsigned char fastconv_shared_bytes[];
  return reinterpret_cast<T*>(fastconv_shared_bytes);
#endif
}

// Index of this thread in its warp, and of its warp in a one-dimensional block.
__device__ __forceinline__ int lane_index() {
  return static_cast<int>(threadIdx.x % 32u);
}
__device__ __forceinline__ int warp_index() {
  return static_cast<int>(threadIdx.x / 32u);
}

}  // namespace fastconv::cuda
