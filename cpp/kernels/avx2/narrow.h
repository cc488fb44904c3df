// AVX2 with F16C: 8 elements of 16 bits, widened to floats as they are loaded and rounded as they
// are stored. There are no masked loads of 16 bits: partial ones go in pieces of 4, 2 and 1.
#pragma once

#include "core/half.h"
#include "vec.h"

namespace fastconv::avx2 {

template <class T>
static inline __m128i load_8(const T* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(p));
}

template <class T>
static inline __m128i load_first_8(const T* p, int n) {
  if (n >= 8) return load_8(p);
  alignas(16) T lanes[8] = {};
  int at = 0;
  for (int piece = 4; piece > 0; piece /= 2) {
    if ((n & piece) == 0) continue;
    for (int i = 0; i < piece; ++i) lanes[at + i] = p[at + i];
    at += piece;
  }
  return load_8(lanes);
}

// Elements 0, step, 2*step, ... of those among 8*step that the masks of each 8 name.
template <class T, int step>
static inline __m128i load_masked_8(const T* p, const __m256i (&masks)[step]) {
  alignas(16) T lanes[8] = {};
  for (int part = 0; part < step; ++part) {
    const int bits = _mm256_movemask_ps(_mm256_castsi256_ps(masks[part]));
    for (int i = 0; i < 8; i += step) {
      if ((bits >> i & 1) != 0) lanes[(part * 8 + i) / step] = p[part * 8 + i];
    }
  }
  return load_8(lanes);
}

template <class T>
static inline void store_8(T* p, __m128i a) {
  _mm_storeu_si128(reinterpret_cast<__m128i_u*>(p), a);
}

template <class T>
static inline void store_range_8(T* p, __m128i a, int lo, int hi) {
  if (lo <= 0 && hi >= 8) return store_8(p, a);
  alignas(16) T lanes[8];
  store_8(lanes, a);
  for (int i = lo; i < hi; ++i) p[i] = lanes[i];
}

// p[0], p[2], ... p[14], of which nothing past the last is touched, as words of 32 bits.
template <class T>
static inline __m256i even_of_15(const T* p) {
  const __m128i low = _mm_and_si128(load_8(p), _mm_set1_epi32(0xffff));
  return _mm256_set_m128i(_mm_srli_epi32(load_8(p + 7), 16), low);
}

static inline __m128i low_halves(__m256i words) {
  return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

template <>
struct Vec<Half> : Vec<float> {
  static Reg widened(__m128i a) { return _mm256_cvtph_ps(a); }
  static __m128i narrowed(Reg a) { return _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT); }
  static Reg load(const Half* p) { return widened(load_8(p)); }
  static Reg load_first(const Half* p, int n) { return widened(load_first_8(p, n)); }
  static Reg load_masked(const Half* p, Mask m) { return widened(load_masked_8<Half, 1>(p, {m})); }
  static Reg load_step2_masked(const Half* p, Mask low, Mask high) {
    return widened(load_masked_8<Half, 2>(p, {low, high}));
  }
  static Reg load_step2(const Half* p) { return widened(low_halves(even_of_15(p))); }
  static void store(Half* p, Reg a) { store_8(p, narrowed(a)); }
  static void store_first(Half* p, Reg a, int n) { store_range_8(p, narrowed(a), 0, n); }
  static void store_range(Half* p, Reg a, int lo, int hi) { store_range_8(p, narrowed(a), lo, hi); }
};

template <>
struct Vec<BFloat16> : Vec<float> {
  static Reg widened(__m128i a) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16));
  }
  static __m128i narrowed(Reg a) {
    const __m256i bits = _mm256_castps_si256(a), high = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    return low_halves(_mm256_blendv_epi8(rounded, quiet, nan));
  }
  static Reg load(const BFloat16* p) { return widened(load_8(p)); }
  static Reg load_first(const BFloat16* p, int n) { return widened(load_first_8(p, n)); }
  static Reg load_masked(const BFloat16* p, Mask m) {
    return widened(load_masked_8<BFloat16, 1>(p, {m}));
  }
  static Reg load_step2_masked(const BFloat16* p, Mask low, Mask high) {
    return widened(load_masked_8<BFloat16, 2>(p, {low, high}));
  }
  static Reg load_step2(const BFloat16* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(even_of_15(p), 16));
  }
  static void store(BFloat16* p, Reg a) { store_8(p, narrowed(a)); }
  static void store_first(BFloat16* p, Reg a, int n) { store_range_8(p, narrowed(a), 0, n); }
  static void store_range(BFloat16* p, Reg a, int lo, int hi) {
    store_range_8(p, narrowed(a), lo, hi);
  }
};

}  // namespace fastconv::avx2
