// Whole tensors of 16-bit elements to float32 and back, by all threads.
#pragma once

#include "core/unit.h"

namespace fastconv {

// A tensor of `count` elements along its axes; the float32 side has no gaps.
struct Conversion {
  static constexpr int kMostAxes = 2 + kAxes;
  Index count[kMostAxes], narrow_step[kMostAxes], wide_step[kMostAxes];

  // `first` and `second` are the sizes of the axes that Strides calls batch and channel.
  Conversion(Index first, Index second, const Axes& spatial, const Strides& narrow,
             const Strides& wide);
};

// `table` is that of the 16-bit type.
void widen_all(const Conversion& shape, const DTypeTable& table, int threads, const void* from,
               float* to);
void narrow_all(const Conversion& shape, const DTypeTable& table, int threads, const float* from,
                void* to);

// The same by the calling thread alone.
void widen_rows(const Conversion& shape, const DTypeTable& table, const void* from, float* to);
void narrow_rows(const Conversion& shape, const DTypeTable& table, const float* from, void* to);

// Strides of a tensor without gaps.
Strides packed_strides(Index channels, const Axes& spatial, bool channels_last);

}  // namespace fastconv
