// Plain C++, one element at a time: runs everywhere. See generic/README.md for the contract of Vec.
//
// `fma` is a*b+c in two roundings: baseline x86 has no fused instruction, and the correctly rounded
// library call costs some fifty times as much.
#pragma once

namespace fastconv::scalar {

template <class T>
struct Vec {
  using Reg = T;
  using Mask = bool;
  static constexpr int width = 1;
  static constexpr int registers = 16;

  static Reg zero() { return T(0); }
  static Reg set(T a) { return a; }
  static Reg load(const T* p) { return *p; }
  static Reg load_first(const T* p, int n) { return n > 0 ? *p : T(0); }
  static Mask range(int lo, int hi) { return lo < hi; }
  static Reg load_masked(const T* p, Mask m) { return m ? *p : T(0); }
  static void store(T* p, Reg a) { *p = a; }
  static void store_first(T* p, Reg a, int n) {
    if (n > 0) *p = a;
  }
  static void store_range(T* p, Reg a, int lo, int hi) {
    if (lo < hi) *p = a;
  }
  static Reg fma(Reg a, Reg b, Reg c) { return a * b + c; }
  static Reg fnma(Reg a, Reg b, Reg c) { return c - a * b; }
  static Reg add(Reg a, Reg b) { return a + b; }
  static Reg sub(Reg a, Reg b) { return a - b; }
  static Reg mul(Reg a, Reg b) { return a * b; }
  static Reg div(Reg a, Reg b) { return a / b; }
  static Reg max(Reg a, Reg b) { return a > b ? a : b; }
  static Reg min(Reg a, Reg b) { return a < b ? a : b; }
  static Reg abs(Reg a) { return static_cast<T>(__builtin_fabs(a)); }
  static Reg sqrt(Reg a) { return static_cast<T>(__builtin_sqrt(static_cast<double>(a))); }
  static Reg round(Reg a) { return static_cast<T>(__builtin_rint(a)); }
  static Reg scale(Reg a, Reg exponent) {
    return static_cast<T>(__builtin_ldexp(a, static_cast<int>(exponent)));
  }
  static Reg max_nan(Reg a, Reg b) { return a != a || a > b ? a : b; }
  static Reg min_nan(Reg a, Reg b) { return a != a || a < b ? a : b; }
  static Reg less_select(Reg a, Reg b, Reg yes, Reg no) { return a < b ? yes : no; }
  static Reg nan_select(Reg a, Reg yes, Reg no) { return a != a ? yes : no; }
  static bool any_nan(Reg a) { return a != a; }
  static T sum(Reg a) { return a; }
  static void transpose(Reg*) {}
  static Reg load_step2(const T* p) { return *p; }
  static Reg load_step2_masked(const T* p, Mask low, Mask) { return load_masked(p, low); }
  static Reg load_step3(const T* p) { return *p; }
  static Reg load_step4(const T* p) { return *p; }
};

}  // namespace fastconv::scalar
