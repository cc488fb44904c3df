// Conversions to what tensor cores multiply, one instruction each from sm_80 on (PTX ISA, cvt).
#pragma once

#include "cuda/device.h"

namespace fastconv::cuda {

// Two numbers rounded to bfloat16, to nearest even; `low` in the lower half of the word.
__device__ __forceinline__ unsigned round_to_bfloat16(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  unsigned pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return static_cast<unsigned>(Narrowed<BFloat16>::of(low).bits) |
         static_cast<unsigned>(Narrowed<BFloat16>::of(high).bits) << 16;
#endif
}

// A float rounded to the 11 significant bits of tf32, ties away from zero.
__device__ __forceinline__ unsigned round_to_tf32(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  unsigned word;
  asm("cvt.rna.tf32.f32 %0, %1;\n" : "=r"(word) : "f"(value));
  return word;
#else
  const unsigned word = __builtin_bit_cast(unsigned, value);
  const bool finite = (word & 0x7f800000u) != 0x7f800000u;
  return finite ? (word + 0x1000u) & 0xffffe000u : word;
#endif
}

}  // namespace fastconv::cuda
