// How one check is run: which memory, on which instruction set.
#pragma once

#include <fastconv/problem.h>

#include <string>

#include "layout.h"

namespace fastconv::runner {

struct Setting {
  Arrangement x, w, y;
  Guard guard;
  // The result is also compared, bit for bit, with that of several threads.
  bool vary_threads;

  std::string text() const {
    return std::string("x ") + arrangement_name(x) + ", y " + arrangement_name(y) +
           (guard == Guard::after ? ", page after" : ", page before");
  }
};

inline constexpr int kManyThreads = 3;

inline constexpr Setting kSettings[] = {
    {Arrangement::planar, Arrangement::planar, Arrangement::planar, Guard::after, true},
    {Arrangement::planar, Arrangement::planar, Arrangement::planar, Guard::before, false},
    {Arrangement::channels_last, Arrangement::planar, Arrangement::channels_last, Guard::after,
     true},
    {Arrangement::channels_last, Arrangement::channels_last, Arrangement::channels_last,
     Guard::before, false},
    {Arrangement::gapped, Arrangement::reversed, Arrangement::planar, Guard::after, true},
    {Arrangement::planar, Arrangement::gapped, Arrangement::gapped, Guard::before, false},
    {Arrangement::reversed, Arrangement::planar, Arrangement::reversed, Guard::before, false},
};

// The element type as problems name it.
template <class T>
constexpr DType dtype_of() {
  return sizeof(T) == 4 ? DType::float32 : DType::float64;
}

}  // namespace fastconv::runner
