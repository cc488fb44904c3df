// Loads and stores of Vec<Half> and Vec<BFloat16> of one instruction set, as plain functions on
// memory. Their arithmetic is that of Vec<float>.
#pragma once

#include <fastconv/problem.h>

#include "core/half.h"

namespace fastconv::runner {

// `out` and `a` hold `width` floats.
template <class T>
struct NarrowTable {
  int width;
  void (*load)(const T* p, float* out);
  void (*load_first)(const T* p, int n, float* out);
  void (*load_masked)(const T* p, int lo, int hi, float* out);
  void (*load_step2)(const T* p, float* out);
  // lo and hi count elements of memory, 0 to 2*width.
  void (*load_step2_masked)(const T* p, int lo, int hi, float* out);
  void (*store)(T* p, const float* a);
  void (*store_first)(T* p, const float* a, int n);
  void (*store_range)(T* p, const float* a, int lo, int hi);
};

struct NarrowTables {
  const NarrowTable<Half>* float16;
  const NarrowTable<BFloat16>* bfloat16;
};

}  // namespace fastconv::runner
