// NEON of arm64: 4 floats or 2 doubles. See generic/README.md for the contract of Vec.
//
// There are no masked loads or stores: partial ones go element by element, so that nothing past
// the last element is touched.
#pragma once

#include <arm_neon.h>

namespace fastconv::neon {

// A range of elements, lo to hi-1.
struct ElementRange {
  int lo, hi;
  bool has(int i) const { return lo <= i && i < hi; }
};

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Reg = float32x4_t;
  using Mask = ElementRange;
  static constexpr int width = 4;
  static constexpr int registers = 32;

  static Reg zero() { return vdupq_n_f32(0.0f); }
  static Reg set(float a) { return vdupq_n_f32(a); }
  static Reg load(const float* p) { return vld1q_f32(p); }
  static Reg load_first(const float* p, int n) {
    if (n >= 4) return load(p);
    if (n <= 0) return zero();
    if (n == 1) return vld1q_lane_f32(p, zero(), 0);
    const Reg two = vcombine_f32(vld1_f32(p), vdup_n_f32(0.0f));
    return n == 2 ? two : vld1q_lane_f32(p + 2, two, 2);
  }
  static Mask range(int lo, int hi) { return {lo, hi}; }
  static Reg load_masked(const float* p, Mask m) {
    if (m.lo <= 0) return load_first(p, m.hi);
    Reg r = zero();
    if (m.has(1)) r = vld1q_lane_f32(p + 1, r, 1);
    if (m.has(2)) r = vld1q_lane_f32(p + 2, r, 2);
    return m.has(3) ? vld1q_lane_f32(p + 3, r, 3) : r;
  }
  static Reg load_step2_masked(const float* p, Mask low, Mask high) {
    Reg r = zero();
    if (low.has(0)) r = vld1q_lane_f32(p, r, 0);
    if (low.has(2)) r = vld1q_lane_f32(p + 2, r, 1);
    if (high.has(0)) r = vld1q_lane_f32(p + 4, r, 2);
    return high.has(2) ? vld1q_lane_f32(p + 6, r, 3) : r;
  }
  static void store(float* p, Reg a) { vst1q_f32(p, a); }
  static void store_first(float* p, Reg a, int n) { store_range(p, a, 0, n); }
  static void store_range(float* p, Reg a, int lo, int hi) {
    if (lo <= 0 && hi >= 4) return store(p, a);
    if (lo <= 0 && hi > 0) vst1q_lane_f32(p, a, 0);
    if (lo <= 1 && hi > 1) vst1q_lane_f32(p + 1, a, 1);
    if (lo <= 2 && hi > 2) vst1q_lane_f32(p + 2, a, 2);
    if (lo <= 3 && hi > 3) vst1q_lane_f32(p + 3, a, 3);
  }
  static Reg fma(Reg a, Reg b, Reg c) { return vfmaq_f32(c, a, b); }
  static Reg fnma(Reg a, Reg b, Reg c) { return vfmsq_f32(c, a, b); }
  static Reg add(Reg a, Reg b) { return vaddq_f32(a, b); }
  static Reg sub(Reg a, Reg b) { return vsubq_f32(a, b); }
  static Reg mul(Reg a, Reg b) { return vmulq_f32(a, b); }
  static Reg div(Reg a, Reg b) { return vdivq_f32(a, b); }
  static Reg max(Reg a, Reg b) { return vmaxq_f32(a, b); }
  static Reg min(Reg a, Reg b) { return vminq_f32(a, b); }
  static Reg abs(Reg a) { return vabsq_f32(a); }
  static Reg sqrt(Reg a) { return vsqrtq_f32(a); }
  static Reg round(Reg a) { return vrndnq_f32(a); }
  static Reg scale(Reg a, Reg exponent) {
    const int32x4_t biased = vaddq_s32(vcvtnq_s32_f32(exponent), vdupq_n_s32(127));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(biased, 23)));
  }
  static Reg max_nan(Reg a, Reg b) { return vmaxq_f32(a, b); }
  static Reg min_nan(Reg a, Reg b) { return vminq_f32(a, b); }
  static Reg less_select(Reg a, Reg b, Reg yes, Reg no) {
    return vbslq_f32(vcltq_f32(a, b), yes, no);
  }
  static Reg nan_select(Reg a, Reg yes, Reg no) { return vbslq_f32(vceqq_f32(a, a), no, yes); }
  static bool any_nan(Reg a) { return vminvq_u32(vceqq_f32(a, a)) == 0; }
  static float sum(Reg a) { return vaddvq_f32(a); }
  static void transpose(Reg* r) {
    const float64x2_t ab = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1]));
    const float64x2_t ab_odd = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
    const float64x2_t cd = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3]));
    const float64x2_t cd_odd = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
    r[0] = vreinterpretq_f32_f64(vtrn1q_f64(ab, cd));
    r[1] = vreinterpretq_f32_f64(vtrn1q_f64(ab_odd, cd_odd));
    r[2] = vreinterpretq_f32_f64(vtrn2q_f64(ab, cd));
    r[3] = vreinterpretq_f32_f64(vtrn2q_f64(ab_odd, cd_odd));
  }
  // The second load starts at p+3, so that it ends with the last element that is wanted.
  static Reg load_step2(const float* p) {
    const Reg even = load(p), odd = load(p + 3);
    return vcombine_f32(vget_low_f32(vuzp1q_f32(even, even)), vget_low_f32(vuzp2q_f32(odd, odd)));
  }
};

template <>
struct Vec<double> {
  using Reg = float64x2_t;
  using Mask = ElementRange;
  static constexpr int width = 2;
  static constexpr int registers = 32;

  static Reg zero() { return vdupq_n_f64(0.0); }
  static Reg set(double a) { return vdupq_n_f64(a); }
  static Reg load(const double* p) { return vld1q_f64(p); }
  static Reg load_first(const double* p, int n) {
    if (n >= 2) return load(p);
    return n == 1 ? vcombine_f64(vld1_f64(p), vdup_n_f64(0.0)) : zero();
  }
  static Mask range(int lo, int hi) { return {lo, hi}; }
  static Reg load_masked(const double* p, Mask m) {
    if (m.lo <= 0) return load_first(p, m.hi);
    return m.has(1) ? vld1q_lane_f64(p + 1, zero(), 1) : zero();
  }
  static Reg load_step2_masked(const double* p, Mask low, Mask high) {
    const Reg r = low.has(0) ? vld1q_lane_f64(p, zero(), 0) : zero();
    return high.has(0) ? vld1q_lane_f64(p + 2, r, 1) : r;
  }
  static void store(double* p, Reg a) { vst1q_f64(p, a); }
  static void store_first(double* p, Reg a, int n) { store_range(p, a, 0, n); }
  static void store_range(double* p, Reg a, int lo, int hi) {
    if (lo <= 0 && hi >= 2) return store(p, a);
    if (lo <= 0 && hi > 0) vst1q_lane_f64(p, a, 0);
    if (lo <= 1 && hi > 1) vst1q_lane_f64(p + 1, a, 1);
  }
  static Reg fma(Reg a, Reg b, Reg c) { return vfmaq_f64(c, a, b); }
  static Reg fnma(Reg a, Reg b, Reg c) { return vfmsq_f64(c, a, b); }
  static Reg add(Reg a, Reg b) { return vaddq_f64(a, b); }
  static Reg sub(Reg a, Reg b) { return vsubq_f64(a, b); }
  static Reg mul(Reg a, Reg b) { return vmulq_f64(a, b); }
  static Reg div(Reg a, Reg b) { return vdivq_f64(a, b); }
  static Reg max(Reg a, Reg b) { return vmaxq_f64(a, b); }
  static Reg min(Reg a, Reg b) { return vminq_f64(a, b); }
  static Reg abs(Reg a) { return vabsq_f64(a); }
  static Reg sqrt(Reg a) { return vsqrtq_f64(a); }
  static Reg round(Reg a) { return vrndnq_f64(a); }
  static Reg scale(Reg a, Reg exponent) {
    const int64x2_t biased = vaddq_s64(vcvtnq_s64_f64(exponent), vdupq_n_s64(1023));
    return vmulq_f64(a, vreinterpretq_f64_s64(vshlq_n_s64(biased, 52)));
  }
  static Reg max_nan(Reg a, Reg b) { return vmaxq_f64(a, b); }
  static Reg min_nan(Reg a, Reg b) { return vminq_f64(a, b); }
  static Reg less_select(Reg a, Reg b, Reg yes, Reg no) {
    return vbslq_f64(vcltq_f64(a, b), yes, no);
  }
  static Reg nan_select(Reg a, Reg yes, Reg no) { return vbslq_f64(vceqq_f64(a, a), no, yes); }
  static bool any_nan(Reg a) { return vminvq_u32(vreinterpretq_u32_u64(vceqq_f64(a, a))) == 0; }
  static double sum(Reg a) { return vaddvq_f64(a); }
  static void transpose(Reg* r) {
    const Reg first = vtrn1q_f64(r[0], r[1]);
    r[1] = vtrn2q_f64(r[0], r[1]);
    r[0] = first;
  }
  static Reg load_step2(const double* p) { return vcombine_f64(vld1_f64(p), vld1_f64(p + 2)); }
};

}  // namespace fastconv::neon
