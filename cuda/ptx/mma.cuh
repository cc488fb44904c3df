// Products of a 16 x K and a K x 8 matrix on the tensor cores of one warp, added to 16 x 8 float32
// sums (PTX ISA, mma.sync). Operands take 32 bytes per row: K is 16 numbers of 16 bits or 8 of
// tf32, so fragments have one layout. With g = lane / 4 and t = lane % 4, in words of 32 bits:
//
//   a[0], a[1]: word t of rows g and g + 8      b[0]: word t of column g
//   a[2], a[3]: word t + 4 of the same rows     b[1]: word t + 4 of column g
//   sums[0], sums[1]: columns 2t and 2t + 1 of row g; sums[2], sums[3]: of row g + 8
//
// Products are exact. How the hardware adds them is not documented; measured, it aligns them and
// the sum to the largest and cuts off, it does not round to nearest (Fasi, Higham, Mikaitis and
// Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ Comput. Sci., 2021). The shim adds in
// this way.
#pragma once

#include "cuda/device.h"

#if defined(FASTCONV_CUDA_SHIM)
#include "tensor_core.h"
#endif

namespace fastconv::cuda {

struct HalfProduct {
  static constexpr int kLeastArch = 750;
  static __device__ __forceinline__ void add(float (&sums)[4], const unsigned (&a)[4],
                                             const unsigned (&b)[2]) {
#if defined(FASTCONV_CUDA_SHIM)
    shim::multiply_add(sums, a, b, shim::Operand::float16);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};\n"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    for (int half = 0; half < 2; ++half) {
      asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
          "{%0, %1, %2, %3};\n"
          : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
          : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
    }
#endif
  }
};

// The two below exist from sm_80 on. On older chips kernels that use them are compiled to nothing
// and never chosen.
struct BFloat16Product {
  static constexpr int kLeastArch = 800;
  static __device__ __forceinline__ void add(float (&sums)[4], const unsigned (&a)[4],
                                             const unsigned (&b)[2]) {
#if defined(FASTCONV_CUDA_SHIM)
    shim::multiply_add(sums, a, b, shim::Operand::bfloat16);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};\n"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
  }
};

struct Tf32Product {
  static constexpr int kLeastArch = 800;
  static __device__ __forceinline__ void add(float (&sums)[4], const unsigned (&a)[4],
                                             const unsigned (&b)[2]) {
#if defined(FASTCONV_CUDA_SHIM)
    shim::multiply_add(sums, a, b, shim::Operand::tf32);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};\n"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
  }
};

// Whether the code being compiled can run products of this kind.
template <class Product>
__device__ __forceinline__ constexpr bool has_product() {
#if defined(FASTCONV_CUDA_SHIM) || !defined(__CUDA_ARCH__)
  return true;
#else
  return __CUDA_ARCH__ >= Product::kLeastArch;
#endif
}

}  // namespace fastconv::cuda
