// AVX2 with FMA3: 8 floats or 4 doubles. See generic/README.md for the contract of Vec.
#pragma once

#include <immintrin.h>

namespace fastconv::avx2 {

// A window of 8 words that starts at kMaskTable + 8 - n has its first n words set.
alignas(64) static constexpr int kMaskTable[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                   0,  0,  0,  0,  0,  0,  0,  0};

static inline __m256i first_words(int n) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMaskTable + 8 - n));
}

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Reg = __m256;
  using Mask = __m256i;
  static constexpr int width = 8;
  static constexpr int registers = 16;

  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg set(float a) { return _mm256_set1_ps(a); }
  static Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg load_first(const float* p, int n) { return _mm256_maskload_ps(p, first_words(n)); }
  static Mask range(int lo, int hi) {
    return _mm256_andnot_si256(first_words(lo), first_words(hi));
  }
  static Reg load_masked(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
  static void store(float* p, Reg a) { _mm256_storeu_ps(p, a); }
  static void store_first(float* p, Reg a, int n) { _mm256_maskstore_ps(p, first_words(n), a); }
  static void store_range(float* p, Reg a, int lo, int hi) {
    _mm256_maskstore_ps(p, _mm256_andnot_si256(first_words(lo), first_words(hi)), a);
  }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  static Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  static Reg min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  static Reg abs(Reg a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static Reg sqrt(Reg a) { return _mm256_sqrt_ps(a); }
  static Reg round(Reg a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Reg scale(Reg a, Reg exponent) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)));
  }
  // The instructions give the second operand if either is NaN, so only a NaN in `a` is left to do.
  static Reg max_nan(Reg a, Reg b) { return nan_select(a, a, _mm256_max_ps(a, b)); }
  static Reg min_nan(Reg a, Reg b) { return nan_select(a, a, _mm256_min_ps(a, b)); }
  static Reg less_select(Reg a, Reg b, Reg yes, Reg no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static Reg nan_select(Reg a, Reg yes, Reg no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  }
  static bool any_nan(Reg a) { return _mm256_movemask_ps(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)) != 0; }
  static float sum(Reg a) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  [[gnu::always_inline]] static inline void transpose(Reg* r) {
    Reg t[8];
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      const __m256d ab = _mm256_castps_pd(_mm256_unpacklo_ps(r[i], r[i + 1]));
      const __m256d ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(r[i], r[i + 1]));
      const __m256d cd = _mm256_castps_pd(_mm256_unpacklo_ps(r[i + 2], r[i + 3]));
      const __m256d cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(r[i + 2], r[i + 3]));
      t[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
      t[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
      t[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high));
      t[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high));
    }
    // Now t[4*i + j] holds in each half h the column 4*h + j of rows 4*i .. 4*i+3.
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      r[j] = _mm256_permute2f128_ps(t[j], t[4 + j], 0x20);
      r[4 + j] = _mm256_permute2f128_ps(t[j], t[4 + j], 0x31);
    }
  }
  // The second load starts at p+7, so that it ends with the last element that is wanted.
  static Reg load_step2(const float* p) {
    const Reg pairs = _mm256_shuffle_ps(load(p), load(p + 7), _MM_SHUFFLE(3, 1, 2, 0));
    return _mm256_castpd_ps(
        _mm256_permute4x64_pd(_mm256_castps_pd(pairs), _MM_SHUFFLE(3, 1, 2, 0)));
  }
  static Reg load_step2_masked(const float* p, Mask low, Mask high) {
    const Reg pairs =
        _mm256_shuffle_ps(load_masked(p, low), load_masked(p + 8, high), _MM_SHUFFLE(2, 0, 2, 0));
    return _mm256_castpd_ps(
        _mm256_permute4x64_pd(_mm256_castps_pd(pairs), _MM_SHUFFLE(3, 1, 2, 0)));
  }
  // With a source and a mask of its own, or compilers take the instruction's old register for an
  // uninitialized value.
  static Reg gathered(const float* p, __m256i at) {
    return _mm256_mask_i32gather_ps(zero(), p, at, _mm256_castsi256_ps(_mm256_set1_epi32(-1)), 4);
  }
  static Reg load_step3(const float* p) {
    return gathered(p, _mm256_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21));
  }
  static Reg load_step4(const float* p) {
    return gathered(p, _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
  }
};

template <>
struct Vec<double> {
  using Reg = __m256d;
  using Mask = __m256i;
  static constexpr int width = 4;
  static constexpr int registers = 16;

  static __m256i first(int n) { return first_words(2 * n); }

  static Reg zero() { return _mm256_setzero_pd(); }
  static Reg set(double a) { return _mm256_set1_pd(a); }
  static Reg load(const double* p) { return _mm256_loadu_pd(p); }
  static Reg load_first(const double* p, int n) { return _mm256_maskload_pd(p, first(n)); }
  static Mask range(int lo, int hi) { return _mm256_andnot_si256(first(lo), first(hi)); }
  static Reg load_masked(const double* p, Mask m) { return _mm256_maskload_pd(p, m); }
  static void store(double* p, Reg a) { _mm256_storeu_pd(p, a); }
  static void store_first(double* p, Reg a, int n) { _mm256_maskstore_pd(p, first(n), a); }
  static void store_range(double* p, Reg a, int lo, int hi) {
    _mm256_maskstore_pd(p, _mm256_andnot_si256(first(lo), first(hi)), a);
  }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_pd(a, b, c); }
  static Reg add(Reg a, Reg b) { return _mm256_add_pd(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm256_sub_pd(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm256_mul_pd(a, b); }
  static Reg div(Reg a, Reg b) { return _mm256_div_pd(a, b); }
  static Reg max(Reg a, Reg b) { return _mm256_max_pd(a, b); }
  static Reg min(Reg a, Reg b) { return _mm256_min_pd(a, b); }
  static Reg abs(Reg a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
  static Reg sqrt(Reg a) { return _mm256_sqrt_pd(a); }
  static Reg round(Reg a) {
    return _mm256_round_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Reg scale(Reg a, Reg exponent) {
    const __m256i whole = _mm256_cvtepi32_epi64(_mm256_cvtpd_epi32(exponent));
    const __m256i biased = _mm256_add_epi64(whole, _mm256_set1_epi64x(1023));
    return _mm256_mul_pd(a, _mm256_castsi256_pd(_mm256_slli_epi64(biased, 52)));
  }
  static Reg max_nan(Reg a, Reg b) { return nan_select(a, a, _mm256_max_pd(a, b)); }
  static Reg min_nan(Reg a, Reg b) { return nan_select(a, a, _mm256_min_pd(a, b)); }
  static Reg less_select(Reg a, Reg b, Reg yes, Reg no) {
    return _mm256_blendv_pd(no, yes, _mm256_cmp_pd(a, b, _CMP_LT_OQ));
  }
  static Reg nan_select(Reg a, Reg yes, Reg no) {
    return _mm256_blendv_pd(no, yes, _mm256_cmp_pd(a, a, _CMP_UNORD_Q));
  }
  static bool any_nan(Reg a) { return _mm256_movemask_pd(_mm256_cmp_pd(a, a, _CMP_UNORD_Q)) != 0; }
  static double sum(Reg a) {
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }
  [[gnu::always_inline]] static inline void transpose(Reg* r) {
    const Reg even = _mm256_unpacklo_pd(r[0], r[1]), odd = _mm256_unpackhi_pd(r[0], r[1]);
    const Reg even_high = _mm256_unpacklo_pd(r[2], r[3]), odd_high = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(even, even_high, 0x20);
    r[1] = _mm256_permute2f128_pd(odd, odd_high, 0x20);
    r[2] = _mm256_permute2f128_pd(even, even_high, 0x31);
    r[3] = _mm256_permute2f128_pd(odd, odd_high, 0x31);
  }
  // As above: the second load starts at p+3.
  static Reg load_step2(const double* p) {
    const Reg pairs = _mm256_shuffle_pd(load(p), load(p + 3), 0b1010);
    return _mm256_permute4x64_pd(pairs, _MM_SHUFFLE(3, 1, 2, 0));
  }
  static Reg load_step2_masked(const double* p, Mask low, Mask high) {
    const Reg pairs = _mm256_unpacklo_pd(load_masked(p, low), load_masked(p + 4, high));
    return _mm256_permute4x64_pd(pairs, _MM_SHUFFLE(3, 1, 2, 0));
  }
  static Reg gathered(const double* p, __m128i at) {
    return _mm256_mask_i32gather_pd(zero(), p, at, _mm256_castsi256_pd(_mm256_set1_epi64x(-1)), 8);
  }
  static Reg load_step3(const double* p) { return gathered(p, _mm_setr_epi32(0, 3, 6, 9)); }
  static Reg load_step4(const double* p) { return gathered(p, _mm_setr_epi32(0, 4, 8, 12)); }
};

}  // namespace fastconv::avx2
