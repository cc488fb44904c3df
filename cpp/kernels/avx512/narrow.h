// AVX-512: 16 elements of 16 bits, widened to floats as they are loaded and rounded as they are
// stored. The bfloat16 instructions of some processors take subnormal numbers for zero, so they
// are not used.
#pragma once

#include "core/half.h"
#include "vec.h"

namespace fastconv::avx512 {

static inline __m256i first_of_16(const void* p, int n) {
  return _mm256_maskz_loadu_epi16(Vec<float>::first(n), p);
}

// p[0], p[2], ... p[30], of which nothing past the last is touched, as words of 32 bits.
static inline __m512i even_of_31(const void* p) {
  return _mm512_and_si512(_mm512_maskz_loadu_epi16(0x7fffffffu, p), _mm512_set1_epi32(0xffff));
}

// The same of those among 32 that the masks of the first and the last 16 name.
static inline __m512i even_of_32(const void* p, __mmask16 low, __mmask16 high) {
  const __mmask32 mask = _mm512_kunpackw(high, low);
  return _mm512_and_si512(_mm512_maskz_loadu_epi16(mask, p), _mm512_set1_epi32(0xffff));
}

template <>
struct Vec<Half> : Vec<float> {
  static Reg widened(__m256i a) { return _mm512_cvtph_ps(a); }
  static __m256i narrowed(Reg a) {
    return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Reg load(const Half* p) {
    return widened(_mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(p)));
  }
  static Reg load_first(const Half* p, int n) { return widened(first_of_16(p, n)); }
  static Reg load_masked(const Half* p, Mask m) { return widened(_mm256_maskz_loadu_epi16(m, p)); }
  static Reg load_step2_masked(const Half* p, Mask low, Mask high) {
    return widened(_mm512_cvtepi32_epi16(even_of_32(p, low, high)));
  }
  static Reg load_step2(const Half* p) { return widened(_mm512_cvtepi32_epi16(even_of_31(p))); }
  static void store(Half* p, Reg a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(p), narrowed(a));
  }
  static void store_first(Half* p, Reg a, int n) {
    _mm256_mask_storeu_epi16(p, first(n), narrowed(a));
  }
  static void store_range(Half* p, Reg a, int lo, int hi) {
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>(first(hi) & ~first(lo)), narrowed(a));
  }
};

template <>
struct Vec<BFloat16> : Vec<float> {
  static Reg widened(__m256i a) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16));
  }
  static __m256i narrowed(Reg a) {
    const __m512i bits = _mm512_castps_si512(a), high = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40)));
  }
  static Reg load(const BFloat16* p) {
    return widened(_mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(p)));
  }
  static Reg load_first(const BFloat16* p, int n) { return widened(first_of_16(p, n)); }
  static Reg load_masked(const BFloat16* p, Mask m) {
    return widened(_mm256_maskz_loadu_epi16(m, p));
  }
  static Reg load_step2_masked(const BFloat16* p, Mask low, Mask high) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(even_of_32(p, low, high), 16));
  }
  static Reg load_step2(const BFloat16* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(even_of_31(p), 16));
  }
  static void store(BFloat16* p, Reg a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(p), narrowed(a));
  }
  static void store_first(BFloat16* p, Reg a, int n) {
    _mm256_mask_storeu_epi16(p, first(n), narrowed(a));
  }
  static void store_range(BFloat16* p, Reg a, int lo, int hi) {
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>(first(hi) & ~first(lo)), narrowed(a));
  }
};

}  // namespace fastconv::avx512
