// The elements of a tensor in the order in which threads take them, so that neighbouring threads
// touch neighbouring memory: along rows, or along channels where these lie side by side.
#pragma once

#include "cuda/kernels/divider.cuh"

namespace fastconv::cuda {

struct Place {
  Index batch, channel;
  Index at[kAxes];
};

FASTCONV_GEOMETRY Index offset_of(const Strides& s, const Place& p) {
  return p.batch * s.batch + p.channel * s.channel + p.at[0] * s.spatial[0] +
         p.at[1] * s.spatial[1] + p.at[2] * s.spatial[2];
}

// Whether threads should take channels before positions.
inline bool channels_are_dense(Index channels, const Strides& s) {
  return channels > 1 && s.channel == 1 && s.spatial[kAxes - 1] != 1;
}

class Elements {
 public:
  Elements() = default;
  // A thread takes `vector` channels, which divides them, and `rows` positions of axis 1, whose
  // number is rounded up.
  Elements(Index batch, Index channels, const Axes& size, bool channels_last, int vector = 1,
           int rows = 1)
      : channels_last_(channels_last), vector_(vector), rows_(rows) {
    const Index groups[] = {size[0], ceil_div(size[1], rows), size[2]};
    count_ = batch * (channels / vector);
    channels_ = Divider(larger(1, channels / vector));
    for (int a = 0; a < kAxes; ++a) {
      count_ *= groups[a];
      size_[a] = Divider(larger(1, groups[a]));
    }
  }

  FASTCONV_GEOMETRY Index count() const { return count_; }

  // The first element of thread `i`.
  FASTCONV_GEOMETRY Place place(Index i) const {
    Place p{};
    if (channels_last_) i = take(channels_, i, p.channel);
    for (int a = kAxes - 1; a >= 0; --a) i = take(size_[a], i, p.at[a]);
    if (!channels_last_) i = take(channels_, i, p.channel);
    p.batch = i;
    p.channel *= vector_;
    p.at[1] *= rows_;
    return p;
  }

 private:
  FASTCONV_GEOMETRY static Index take(const Divider& size, Index i, Index& at) {
    const Quotient q = size.divide(i);
    at = q.remainder;
    return q.quotient;
  }

  Index count_ = 0;
  bool channels_last_ = false;
  int vector_ = 1, rows_ = 1;
  Divider channels_, size_[kAxes];
};

}  // namespace fastconv::cuda
