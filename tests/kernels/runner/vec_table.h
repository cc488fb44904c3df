// The members of Vec<T> and the activations of one instruction set, as plain functions on memory.
//
// The table is filled by a file compiled with the instruction set's flags; the checks, which use
// the standard library, are compiled at baseline. So the program starts on every machine.
#pragma once

#include <fastconv/problem.h>

namespace fastconv::runner {

// Registers travel through memory: `out`, `a`, `b`, `c`, `yes` and `no` hold `width` elements.
template <class T>
struct VecTable {
  int width, registers;
  void (*zero)(T* out);
  void (*set)(T value, T* out);
  void (*load)(const T* p, T* out);
  void (*load_first)(const T* p, int n, T* out);
  void (*load_step2)(const T* p, T* out);
  void (*store)(T* p, const T* a);
  void (*store_first)(T* p, const T* a, int n);
  void (*store_range)(T* p, const T* a, int lo, int hi);
  void (*fma)(const T* a, const T* b, const T* c, T* out);
  void (*fnma)(const T* a, const T* b, const T* c, T* out);
  void (*add)(const T* a, const T* b, T* out);
  void (*sub)(const T* a, const T* b, T* out);
  void (*mul)(const T* a, const T* b, T* out);
  void (*div)(const T* a, const T* b, T* out);
  void (*max)(const T* a, const T* b, T* out);
  void (*min)(const T* a, const T* b, T* out);
  void (*max_nan)(const T* a, const T* b, T* out);
  void (*min_nan)(const T* a, const T* b, T* out);
  void (*scale)(const T* a, const T* exponent, T* out);
  void (*abs)(const T* a, T* out);
  void (*round)(const T* a, T* out);
  void (*less_select)(const T* a, const T* b, const T* yes, const T* no, T* out);
  void (*nan_select)(const T* a, const T* yes, const T* no, T* out);
  bool (*any_nan)(const T* a);
  T (*sum)(const T* a);
  void (*transpose)(const T* rows, T* out);  // width rows of width elements
  // y[i] = activation(x[i]); count is a multiple of width.
  void (*activate)(const T* x, T* y, Index count, Activation activation);
};

struct VecTables {
  Isa isa;
  const VecTable<float>* float32;
  const VecTable<double>* float64;
};

}  // namespace fastconv::runner
