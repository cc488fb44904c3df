// AVX-512: 16 floats or 8 doubles. See generic/README.md for the contract of Vec.
#pragma once

#include <immintrin.h>

namespace fastconv::avx512 {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Reg = __m512;
  using Mask = __mmask16;
  static constexpr int width = 16;
  static constexpr int registers = 32;

  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }

  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg set(float a) { return _mm512_set1_ps(a); }
  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static Mask range(int lo, int hi) { return static_cast<Mask>(first(hi) & ~first(lo)); }
  static Reg load_masked(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static void store(float* p, Reg a) { _mm512_storeu_ps(p, a); }
  static void store_first(float* p, Reg a, int n) { _mm512_mask_storeu_ps(p, first(n), a); }
  static void store_range(float* p, Reg a, int lo, int hi) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>(first(hi) & ~first(lo)), a);
  }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static Reg min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  static Reg abs(Reg a) { return _mm512_abs_ps(a); }
  static Reg sqrt(Reg a) { return _mm512_sqrt_ps(a); }
  static Reg round(Reg a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
  static Reg scale(Reg a, Reg exponent) { return _mm512_scalef_ps(a, exponent); }
  static Reg max_nan(Reg a, Reg b) {
    return _mm512_mask_max_ps(a, _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a, b);
  }
  static Reg min_nan(Reg a, Reg b) {
    return _mm512_mask_min_ps(a, _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a, b);
  }
  static Reg less_select(Reg a, Reg b, Reg yes, Reg no) {
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), yes);
  }
  static Reg nan_select(Reg a, Reg yes, Reg no) {
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), yes);
  }
  static bool any_nan(Reg a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) != 0; }
  static float sum(Reg a) { return _mm512_reduce_add_ps(a); }
  [[gnu::always_inline]] static inline void transpose(Reg* r) {
    Reg t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 4) {
      const __m512d ab = _mm512_castps_pd(_mm512_unpacklo_ps(r[i], r[i + 1]));
      const __m512d ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(r[i], r[i + 1]));
      const __m512d cd = _mm512_castps_pd(_mm512_unpacklo_ps(r[i + 2], r[i + 3]));
      const __m512d cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(r[i + 2], r[i + 3]));
      t[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
      t[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
      t[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high));
      t[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high));
    }
    // Now t[4*i + j] holds in each quarter q the column 4*q + j of rows 4*i .. 4*i+3.
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Reg even = _mm512_shuffle_f32x4(t[j], t[4 + j], 0x88);
      const Reg odd = _mm512_shuffle_f32x4(t[j], t[4 + j], 0xdd);
      const Reg even_high = _mm512_shuffle_f32x4(t[8 + j], t[12 + j], 0x88);
      const Reg odd_high = _mm512_shuffle_f32x4(t[8 + j], t[12 + j], 0xdd);
      r[j] = _mm512_shuffle_f32x4(even, even_high, 0x88);
      r[4 + j] = _mm512_shuffle_f32x4(odd, odd_high, 0x88);
      r[8 + j] = _mm512_shuffle_f32x4(even, even_high, 0xdd);
      r[12 + j] = _mm512_shuffle_f32x4(odd, odd_high, 0xdd);
    }
  }
  static Reg load_step2(const float* p) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const Reg high = _mm512_maskz_loadu_ps(0x7fff, p + 16);
    return _mm512_permutex2var_ps(_mm512_loadu_ps(p), even, high);
  }
  static Reg load_step2_masked(const float* p, Mask low, Mask high) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(load_masked(p, low), even, load_masked(p + 16, high));
  }
  static Reg load_step3(const float* p) {
    const __m512i low = _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
    const __m512i all = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29);
    const Reg first = _mm512_permutex2var_ps(load(p), low, load(p + 16));
    return _mm512_permutex2var_ps(first, all, _mm512_maskz_loadu_ps(0x3fff, p + 32));
  }
  static Reg load_step4(const float* p) {
    const __m512i low = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    const Reg last = _mm512_maskz_loadu_ps(0x1fff, p + 48);
    return _mm512_mask_blend_ps(0xff00, _mm512_permutex2var_ps(load(p), low, load(p + 16)),
                                _mm512_permutex2var_ps(load(p + 32), low, last));
  }
};

template <>
struct Vec<double> {
  using Reg = __m512d;
  using Mask = __mmask8;
  static constexpr int width = 8;
  static constexpr int registers = 32;

  static __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1u); }

  static Reg zero() { return _mm512_setzero_pd(); }
  static Reg set(double a) { return _mm512_set1_pd(a); }
  static Reg load(const double* p) { return _mm512_loadu_pd(p); }
  static Reg load_first(const double* p, int n) { return _mm512_maskz_loadu_pd(first(n), p); }
  static Mask range(int lo, int hi) { return static_cast<Mask>(first(hi) & ~first(lo)); }
  static Reg load_masked(const double* p, Mask m) { return _mm512_maskz_loadu_pd(m, p); }
  static void store(double* p, Reg a) { _mm512_storeu_pd(p, a); }
  static void store_first(double* p, Reg a, int n) { _mm512_mask_storeu_pd(p, first(n), a); }
  static void store_range(double* p, Reg a, int lo, int hi) {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first(hi) & ~first(lo)), a);
  }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_pd(a, b, c); }
  static Reg add(Reg a, Reg b) { return _mm512_add_pd(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm512_sub_pd(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm512_mul_pd(a, b); }
  static Reg div(Reg a, Reg b) { return _mm512_div_pd(a, b); }
  static Reg max(Reg a, Reg b) { return _mm512_max_pd(a, b); }
  static Reg min(Reg a, Reg b) { return _mm512_min_pd(a, b); }
  static Reg abs(Reg a) { return _mm512_abs_pd(a); }
  static Reg sqrt(Reg a) { return _mm512_sqrt_pd(a); }
  static Reg round(Reg a) { return _mm512_roundscale_pd(a, _MM_FROUND_TO_NEAREST_INT); }
  static Reg scale(Reg a, Reg exponent) { return _mm512_scalef_pd(a, exponent); }
  static Reg max_nan(Reg a, Reg b) {
    return _mm512_mask_max_pd(a, _mm512_cmp_pd_mask(a, a, _CMP_ORD_Q), a, b);
  }
  static Reg min_nan(Reg a, Reg b) {
    return _mm512_mask_min_pd(a, _mm512_cmp_pd_mask(a, a, _CMP_ORD_Q), a, b);
  }
  static Reg less_select(Reg a, Reg b, Reg yes, Reg no) {
    return _mm512_mask_mov_pd(no, _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), yes);
  }
  static Reg nan_select(Reg a, Reg yes, Reg no) {
    return _mm512_mask_mov_pd(no, _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q), yes);
  }
  static bool any_nan(Reg a) { return _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q) != 0; }
  static double sum(Reg a) { return _mm512_reduce_add_pd(a); }
  [[gnu::always_inline]] static inline void transpose(Reg* r) {
    Reg t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm512_unpacklo_pd(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_pd(r[i], r[i + 1]);
    }
    // Now t[2*i + j] holds in each quarter q the column 2*q + j of rows 2*i and 2*i+1.
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const Reg even = _mm512_shuffle_f64x2(t[j], t[2 + j], 0x88);
      const Reg odd = _mm512_shuffle_f64x2(t[j], t[2 + j], 0xdd);
      const Reg even_high = _mm512_shuffle_f64x2(t[4 + j], t[6 + j], 0x88);
      const Reg odd_high = _mm512_shuffle_f64x2(t[4 + j], t[6 + j], 0xdd);
      r[j] = _mm512_shuffle_f64x2(even, even_high, 0x88);
      r[2 + j] = _mm512_shuffle_f64x2(odd, odd_high, 0x88);
      r[4 + j] = _mm512_shuffle_f64x2(even, even_high, 0xdd);
      r[6 + j] = _mm512_shuffle_f64x2(odd, odd_high, 0xdd);
    }
  }
  static Reg load_step2(const double* p) {
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const Reg high = _mm512_maskz_loadu_pd(0x7f, p + 8);
    return _mm512_permutex2var_pd(_mm512_loadu_pd(p), even, high);
  }
  static Reg load_step2_masked(const double* p, Mask low, Mask high) {
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    return _mm512_permutex2var_pd(load_masked(p, low), even, load_masked(p + 8, high));
  }
  static Reg load_step3(const double* p) {
    const __m512i low = _mm512_setr_epi64(0, 3, 6, 9, 12, 15, 0, 0);
    const __m512i all = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 10, 13);
    const Reg first = _mm512_permutex2var_pd(load(p), low, load(p + 8));
    return _mm512_permutex2var_pd(first, all, _mm512_maskz_loadu_pd(0x3f, p + 16));
  }
  static Reg load_step4(const double* p) {
    const __m512i low = _mm512_setr_epi64(0, 4, 8, 12, 0, 4, 8, 12);
    const Reg last = _mm512_maskz_loadu_pd(0x1f, p + 24);
    return _mm512_mask_blend_pd(0xf0, _mm512_permutex2var_pd(load(p), low, load(p + 8)),
                                _mm512_permutex2var_pd(load(p + 16), low, last));
  }
};

}  // namespace fastconv::avx512
