// NEON: 4 elements of 16 bits, widened to floats as they are loaded and rounded as they are
// stored. Every arm64 processor converts float16; partial accesses go element by element.
#pragma once

#include "core/half.h"
#include "vec.h"

namespace fastconv::neon {

template <class T>
static inline uint16x4_t load_first_4(const T* p, int n) {
  T lanes[4] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return vld1_u16(&lanes[0].bits);
}

// Elements 0, step, 2*step, ... of those among 4*step that the ranges of each 4 name.
template <class T, int step>
static inline uint16x4_t load_ranges_4(const T* p, const ElementRange (&ranges)[step]) {
  T lanes[4] = {};
  for (int part = 0; part < step; ++part) {
    for (int i = 0; i < 4; i += step) {
      if (ranges[part].has(i)) lanes[(part * 4 + i) / step] = p[part * 4 + i];
    }
  }
  return vld1_u16(&lanes[0].bits);
}

template <class T>
static inline void store_range_4(T* p, uint16x4_t a, int lo, int hi) {
  T lanes[4];
  vst1_u16(&lanes[0].bits, a);
  for (int i = lo; i < hi; ++i) p[i] = lanes[i];
}

// p[0], p[2], p[4], p[6]: the second load starts at p+3, so that it ends with the last.
template <class T>
static inline uint16x4_t even_of_7(const T* p) {
  const uint16x4_t low = vld1_u16(&p->bits), high = vld1_u16(&p[3].bits);
  return vext_u16(vuzp1_u16(low, low), vuzp2_u16(high, high), 2);
}

template <>
struct Vec<Half> : Vec<float> {
  static Reg widened(uint16x4_t a) { return vcvt_f32_f16(vreinterpret_f16_u16(a)); }
  static uint16x4_t narrowed(Reg a) { return vreinterpret_u16_f16(vcvt_f16_f32(a)); }
  static Reg load(const Half* p) { return widened(vld1_u16(&p->bits)); }
  static Reg load_first(const Half* p, int n) { return widened(load_first_4(p, n)); }
  static Reg load_masked(const Half* p, Mask m) { return widened(load_ranges_4<Half, 1>(p, {m})); }
  static Reg load_step2_masked(const Half* p, Mask low, Mask high) {
    return widened(load_ranges_4<Half, 2>(p, {low, high}));
  }
  static Reg load_step2(const Half* p) { return widened(even_of_7(p)); }
  static void store(Half* p, Reg a) { vst1_u16(&p->bits, narrowed(a)); }
  static void store_first(Half* p, Reg a, int n) { store_range_4(p, narrowed(a), 0, n); }
  static void store_range(Half* p, Reg a, int lo, int hi) { store_range_4(p, narrowed(a), lo, hi); }
};

template <>
struct Vec<BFloat16> : Vec<float> {
  static Reg widened(uint16x4_t a) { return vreinterpretq_f32_u32(vshll_n_u16(a, 16)); }
  static uint16x4_t narrowed(Reg a) {
    const uint32x4_t bits = vreinterpretq_u32_f32(a), high = vshrq_n_u32(bits, 16);
    const uint32x4_t half = vaddq_u32(vandq_u32(high, vdupq_n_u32(1)), vdupq_n_u32(0x7fff));
    const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, half), 16);
    const uint32x4_t quiet = vorrq_u32(high, vdupq_n_u32(0x40));
    return vmovn_u32(vbslq_u32(vceqq_f32(a, a), rounded, quiet));
  }
  static Reg load(const BFloat16* p) { return widened(vld1_u16(&p->bits)); }
  static Reg load_first(const BFloat16* p, int n) { return widened(load_first_4(p, n)); }
  static Reg load_masked(const BFloat16* p, Mask m) {
    return widened(load_ranges_4<BFloat16, 1>(p, {m}));
  }
  static Reg load_step2_masked(const BFloat16* p, Mask low, Mask high) {
    return widened(load_ranges_4<BFloat16, 2>(p, {low, high}));
  }
  static Reg load_step2(const BFloat16* p) { return widened(even_of_7(p)); }
  static void store(BFloat16* p, Reg a) { vst1_u16(&p->bits, narrowed(a)); }
  static void store_first(BFloat16* p, Reg a, int n) { store_range_4(p, narrowed(a), 0, n); }
  static void store_range(BFloat16* p, Reg a, int lo, int hi) {
    store_range_4(p, narrowed(a), lo, hi);
  }
};

}  // namespace fastconv::neon
