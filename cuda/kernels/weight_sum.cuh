// One element of a weight gradient, summed in plain loops that skip padding.
#pragma once

#include "cuda/device.h"

namespace fastconv::cuda {

struct WeightIndex {
  Index out_channel, channel;  // of all groups; within the group
  Axes tap;
};

__device__ inline Index weight_offset(const ConvProblem& p, const WeightIndex& i) {
  return i.out_channel * p.w.batch + i.channel * p.w.channel + i.tap[0] * p.w.spatial[0] +
         i.tap[1] * p.w.spatial[1] + i.tap[2] * p.w.spatial[2];
}

// Outputs along one axis whose window has its element `tap` inside the input.
__device__ inline Range tap_outputs(const ConvProblem& p, int axis, Index tap) {
  return outputs_inside(p.out[axis], p.in[axis], p.stride[axis],
                        tap * p.dilation[axis] - p.pad_lo[axis]);
}

// Whether some output meets padding through the element.
__device__ inline bool tap_meets_padding(const ConvProblem& p, const WeightIndex& i) {
  for (int a = 0; a < kAxes; ++a) {
    const Range met = tap_outputs(p, a, i.tap[a]);
    if (met.lo > 0 || met.hi < p.out[a]) return true;
  }
  return false;
}

// Sum over the outputs that meet the input, every `step`-th of them from number `first`.
template <class T>
__device__ Acc<T> weight_sum(const ConvProblem& p, const WeightIndex& i, Index first, Index step,
                             const T* x, const T* grad) {
  Range met[kAxes];
  Index count = p.batch, size[kAxes];
  for (int a = 0; a < kAxes; ++a) {
    met[a] = tap_outputs(p, a, i.tap[a]);
    size[a] = larger(0, met[a].hi - met[a].lo);
    count *= size[a];
  }
  x += (i.out_channel / p.group_out() * p.group_in() + i.channel) * p.x.channel;
  grad += i.out_channel * p.y.channel;
  for (int a = 0; a < kAxes; ++a) {
    x += (met[a].lo * p.stride[a] + i.tap[a] * p.dilation[a] - p.pad_lo[a]) * p.x.spatial[a];
    grad += met[a].lo * p.y.spatial[a];
  }
  Acc<T> sum = 0;
  for (Index n = first; n < count; n += step) {
    Index rest = n, from = 0, at = 0;
    for (int a = kAxes - 1; a >= 0; --a) {
      const Index next = rest / size[a];
      const Index o = rest - next * size[a];
      from += o * p.stride[a] * p.x.spatial[a];
      at += o * p.y.spatial[a];
      rest = next;
    }
    sum += to_acc(grad[at + rest * p.y.batch]) * to_acc(x[from + rest * p.x.batch]);
  }
  return sum;
}

}  // namespace fastconv::cuda
