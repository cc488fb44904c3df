// The CUDA language as far as the kernels use it, for the host compiler: tests run kernel text with
// it on machines without a GPU. It proves what a kernel computes, not how fast.
//
// Blocks run one after another, threads as fibres (fibres.h). Dynamic shared memory starts every
// block without numbers in it; static shared memory keeps what the last block left.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "fibres.h"
#include "vector_types.h"

#define __global__
#define __device__
#define __host__
#define __constant__ const
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

inline void __syncthreads() {
  fastconv::cuda::shim::block_barrier();
}
inline void __syncwarp(unsigned mask = ~0u) {
  fastconv::cuda::shim::warp_barrier(mask);
}
inline void __threadfence_block() {}

namespace fastconv::cuda::shim {

// Every lane of the mask shows `mine` to the others; `use(lane)` sees what that lane showed, as
// long as it runs.
template <class T, class Use>
inline auto exchange(unsigned mask, const T& mine, const Use& use) {
  publish(&mine);
  warp_barrier(mask);
  const auto result =
      use([](int lane) -> const T& { return *static_cast<const T*>(published(lane)); });
  warp_barrier(mask);
  return result;
}

// The lane `from` of those that the mask names; its own value otherwise.
template <class T>
inline T shuffle(unsigned mask, T value, int from) {
  return exchange(mask, value, [&](const auto& of) { return of(from); });
}

inline unsigned gather_bits(unsigned mask, bool mine) {
  return exchange(mask, mine, [&](const auto& of) {
    unsigned bits = 0;
    for (int lane = 0; lane < warpSize; ++lane) {
      if ((mask >> lane & 1u) != 0 && of(lane)) bits |= 1u << lane;
    }
    return bits;
  });
}

}  // namespace fastconv::cuda::shim

template <class T>
inline T __shfl_sync(unsigned mask, T value, int from, int width = warpSize) {
  const int lane = fastconv::cuda::shim::current_lane();
  return fastconv::cuda::shim::shuffle(mask, value, (lane & ~(width - 1)) | (from & (width - 1)));
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = warpSize) {
  const int lane = fastconv::cuda::shim::current_lane();
  const int from = lane ^ bits;
  const bool inside = from < (lane & ~(width - 1)) + width;
  return fastconv::cuda::shim::shuffle(mask, value, inside ? from : lane);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = warpSize) {
  const int lane = fastconv::cuda::shim::current_lane();
  const int from = lane - static_cast<int>(by);
  return fastconv::cuda::shim::shuffle(mask, value, from >= (lane & ~(width - 1)) ? from : lane);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = warpSize) {
  const int lane = fastconv::cuda::shim::current_lane();
  const int from = lane + static_cast<int>(by);
  const bool inside = from < (lane & ~(width - 1)) + width;
  return fastconv::cuda::shim::shuffle(mask, value, inside ? from : lane);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return fastconv::cuda::shim::gather_bits(mask, predicate != 0);
}
inline int __any_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) == mask;
}

template <class T>
inline T __ldg(const T* from) {
  return *from;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * b) >> 32);
}
inline int __popc(unsigned bits) {
  return std::popcount(bits);
}
inline int __ffs(int bits) {
  return bits == 0 ? 0 : std::countr_zero(static_cast<unsigned>(bits)) + 1;
}
inline int __clz(int bits) {
  return std::countl_zero(static_cast<unsigned>(bits));
}
inline unsigned __float_as_uint(float a) {
  return std::bit_cast<unsigned>(a);
}
inline float __uint_as_float(unsigned a) {
  return std::bit_cast<float>(a);
}
// The normal distribution, to the last digits also where it is small.
inline float normcdff(float x) {
  return static_cast<float>(0.5 * std::erfc(-static_cast<double>(x) * 0.70710678118654752));
}
inline double normcdf(double x) {
  return static_cast<double>(0.5L *
                             std::erfc(-static_cast<long double>(x) * 0.70710678118654752440L));
}
