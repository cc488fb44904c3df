// One output of a convolution, summed in plain loops by one thread: the whole of the direct kernel,
// and what the others fall back on for an output whose padding met an infinite weight.
#pragma once

#include "cuda/device.h"
#include "cuda/kernels/activation.cuh"

namespace fastconv::cuda {

// Where an output lies: image, output channel of all groups, position.
struct OutputIndex {
  Index batch, channel;
  Axes at;
};

// The input that kernel element `tap` of an output meets along one axis, or -1 for the constant of
// the boundary.
__device__ inline Index boundary_input(const ConvProblem& p, int axis, Index at) {
  return boundary_sample(at, p.in[axis], axis == kAxes - 1 ? p.samples_per_pixel : 1, p.boundary);
}

// Sum over the terms of an output, without bias. Zero padding is skipped, not multiplied.
template <class T>
__device__ Acc<T> conv_sum(const ConvProblem& p, const T* x, const T* w, const OutputIndex& o) {
  const Index group = o.channel / p.group_out();
  const bool zeros = p.boundary == Boundary::fill && p.fill_value == 0.0;
  AxisPhase axis[kAxes];
  Index first[kAxes];
  Range met[kAxes];
  for (int a = 0; a < kAxes; ++a) {
    const Index phases = p.transposed ? p.stride[a] : 1;
    axis[a] = axis_phase(p, a, o.at[a] % phases);
    const Index q = o.at[a] / phases;
    first[a] = q * axis[a].in_step;
    met[a] = zeros ? axis[a].taps_inside(q, p.in[a]) : Range{0, axis[a].taps};
  }
  x += o.batch * p.x.batch + group * p.group_in() * p.x.channel;
  w += weight_origin(p, group) + (o.channel - group * p.group_out()) * weight_out_stride(p);
  const Acc<T> fill = static_cast<Acc<T>>(p.fill_value);
  Acc<T> sum = 0;
  for (Index c = 0; c < p.group_in(); ++c) {
    for (Index z = met[0].lo; z < met[0].hi; ++z) {
      for (Index r = met[1].lo; r < met[1].hi; ++r) {
        for (Index s = met[2].lo; s < met[2].hi; ++s) {
          const Index tap[kAxes] = {z, r, s};
          Index from = c * p.x.channel, weight = c * weight_in_stride(p);
          bool constant = false;
          for (int a = 0; a < kAxes; ++a) {
            Index at = first[a] + axis[a].offset(tap[a]);
            if (!zeros) at = boundary_input(p, a, at);
            constant = constant || at < 0;
            from += at * p.x.spatial[a];
            weight += (axis[a].tap0 + tap[a] * axis[a].tap_step) * p.w.spatial[a];
          }
          sum += (constant ? fill : to_acc(x[from])) * to_acc(w[weight]);
        }
      }
    }
  }
  return sum;
}

template <class T>
__device__ __forceinline__ Acc<T> bias_of(const T* bias, Index channel) {
  return bias == nullptr ? Acc<T>(0) : to_acc(bias[channel]);
}

__device__ inline Index output_offset(const ConvProblem& p, const OutputIndex& o) {
  return o.batch * p.y.batch + o.channel * p.y.channel + o.at[0] * p.y.spatial[0] +
         o.at[1] * p.y.spatial[1] + o.at[2] * p.y.spatial[2];
}

}  // namespace fastconv::cuda
