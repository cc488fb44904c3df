// Plain C++: elements of 16 bits, converted by integer arithmetic.
#pragma once

#include "core/half.h"
#include "vec.h"

namespace fastconv::scalar {

template <class T>
struct NarrowVec : Vec<float> {
  static Reg load(const T* p) { return widen(*p); }
  static Reg load_first(const T* p, int n) { return n > 0 ? widen(*p) : 0.0f; }
  static Reg load_masked(const T* p, Mask m) { return m ? widen(*p) : 0.0f; }
  static Reg load_step2_masked(const T* p, Mask low, Mask) { return load_masked(p, low); }
  static Reg load_step2(const T* p) { return widen(*p); }
  static void store(T* p, Reg a) { *p = Narrowed<T>::of(a); }
  static void store_first(T* p, Reg a, int n) {
    if (n > 0) store(p, a);
  }
  static void store_range(T* p, Reg a, int lo, int hi) {
    if (lo < hi) store(p, a);
  }
};

template <>
struct Vec<Half> : NarrowVec<Half> {};
template <>
struct Vec<BFloat16> : NarrowVec<BFloat16> {};

}  // namespace fastconv::scalar
