// Copies of 16 bytes from global to shared memory that run while the thread goes on (PTX ISA,
// cp.async). A thread's copies since its last commit form a group; groups end in order.
#pragma once

#include "cuda/device.h"

#if defined(FASTCONV_CUDA_SHIM)
#include "cp_async.h"
#endif

namespace fastconv::cuda {

// Writes 16 bytes at `to`: those at `from`, or zeros where `wanted` is false; then nothing is read.
// Both addresses are multiples of 16. Past the first level of cache, which keeps other data.
__device__ __forceinline__ void copy_async(void* to, const void* from, bool wanted) {
#if defined(FASTCONV_CUDA_SHIM)
  shim::copy_async(to, from, wanted);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(to))),
               "l"(from), "r"(wanted ? 16 : 0)
               : "memory");
#else
  *static_cast<uint4*>(to) = wanted ? *static_cast<const uint4*>(from) : uint4{0, 0, 0, 0};
#endif
}

__device__ __forceinline__ void commit_copies() {
#if defined(FASTCONV_CUDA_SHIM)
  shim::commit_copies();
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}

// Waits until at most `Pending` of this thread's groups are under way. Other threads see the copies
// after the next barrier.
template <int Pending>
__device__ __forceinline__ void wait_for_copies() {
#if defined(FASTCONV_CUDA_SHIM)
  shim::wait_for_copies(Pending);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;\n" ::"n"(Pending) : "memory");
#endif
}

}  // namespace fastconv::cuda
