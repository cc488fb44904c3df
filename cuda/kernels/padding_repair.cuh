// Padding is never multiplied, but kernels that read it as zeros get NaN where an infinite or NaN
// weight meets it. They look at their results: a NaN of an output whose window reaches into padding
// is computed again, by the plain loops that skip padding. Other outputs cost one comparison.
#pragma once

#include "cuda/kernels/conv_sum.cuh"

namespace fastconv::cuda {

// Whether some kernel element of an output meets padding.
__device__ inline bool meets_padding(const ConvProblem& p, const OutputIndex& o) {
  for (int a = 0; a < kAxes; ++a) {
    const Index phases = p.transposed ? p.stride[a] : 1;
    const AxisPhase axis = axis_phase(p, a, o.at[a] % phases);
    const Range met = axis.taps_inside(o.at[a] / phases, p.in[a]);
    if (met.lo > 0 || met.hi < axis.taps) return true;
  }
  return false;
}

// Computes an output again where it is NaN and meets padding. To be called when no sums are kept in
// registers any more, by the thread that stored it.
template <class T>
FASTCONV_NOINLINE __device__ void repair_output(const ConvProblem& p, OutputIndex o, const T* x,
                                                const T* w, const T* bias, T* y) {
  T& stored = y[output_offset(p, o)];
  const Acc<T> value = to_acc(stored);
  if (value == value || !meets_padding(p, o)) return;
  const Acc<T> sum = conv_sum(p, x, w, o) + bias_of(bias, o.channel);
  stored = from_acc<T>(activate(sum, p.activation));
}

}  // namespace fastconv::cuda
