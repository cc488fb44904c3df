// AVX-512: 16 floats or 8 doubles. See generic/README.md for the contract of Vec.
#pragma once

#include <immintrin.h>

namespace fastconv::avx512 {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Reg = __m512;
  static constexpr int width = 16;
  static constexpr int registers = 32;

  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }

  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg set(float a) { return _mm512_set1_ps(a); }
  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
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
  static Reg round(Reg a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
  static Reg scale(Reg a, Reg exponent) { return _mm512_scalef_ps(a, exponent); }
  static Reg max_nan(Reg a, Reg b) {
    return _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
  }
  static Reg min_nan(Reg a, Reg b) {
    return _mm512_mask_mov_ps(_mm512_min_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
  }
  static Reg less_select(Reg a, Reg b, Reg yes, Reg no) {
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), yes);
  }
  static Reg nan_select(Reg a, Reg yes, Reg no) {
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), yes);
  }
  static bool any_nan(Reg a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) != 0; }
  static float sum(Reg a) { return _mm512_reduce_add_ps(a); }
  static Reg load_step2(const float* p) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const Reg high = _mm512_maskz_loadu_ps(0x7fff, p + 16);
    return _mm512_permutex2var_ps(_mm512_loadu_ps(p), even, high);
  }
};

template <>
struct Vec<double> {
  using Reg = __m512d;
  static constexpr int width = 8;
  static constexpr int registers = 32;

  static __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1u); }

  static Reg zero() { return _mm512_setzero_pd(); }
  static Reg set(double a) { return _mm512_set1_pd(a); }
  static Reg load(const double* p) { return _mm512_loadu_pd(p); }
  static Reg load_first(const double* p, int n) { return _mm512_maskz_loadu_pd(first(n), p); }
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
  static Reg round(Reg a) { return _mm512_roundscale_pd(a, _MM_FROUND_TO_NEAREST_INT); }
  static Reg scale(Reg a, Reg exponent) { return _mm512_scalef_pd(a, exponent); }
  static Reg max_nan(Reg a, Reg b) {
    return _mm512_mask_mov_pd(_mm512_max_pd(a, b), _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q), a);
  }
  static Reg min_nan(Reg a, Reg b) {
    return _mm512_mask_mov_pd(_mm512_min_pd(a, b), _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q), a);
  }
  static Reg less_select(Reg a, Reg b, Reg yes, Reg no) {
    return _mm512_mask_mov_pd(no, _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), yes);
  }
  static Reg nan_select(Reg a, Reg yes, Reg no) {
    return _mm512_mask_mov_pd(no, _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q), yes);
  }
  static bool any_nan(Reg a) { return _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q) != 0; }
  static double sum(Reg a) { return _mm512_reduce_add_pd(a); }
  static Reg load_step2(const double* p) {
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const Reg high = _mm512_maskz_loadu_pd(0x7f, p + 8);
    return _mm512_permutex2var_pd(_mm512_loadu_pd(p), even, high);
  }
};

}  // namespace fastconv::avx512
