// Which kernel elements of one output meet the input along an axis, of convolutions and of
// transposed ones, without divisions: the arithmetic of AxisPhase (fastconv/geometry.h) from the
// output's position, for threads that cannot share a phase.
#pragma once

#include "cuda/kernels/divider.cuh"

namespace fastconv::cuda {

// Kernel element `tap` meets input `at`; `count` of them follow in the axis's fixed steps.
struct Walk {
  Index tap, at, count;
};

// The first of `taps` kernel elements for which `reach` - tap*dilation is a multiple of the stride,
// or `taps`. The others are `tap_step` apart.
FASTCONV_GEOMETRY Index first_tap(const Divider& stride, Index taps, Index tap_step, Index dilation,
                                  Index reach) {
  const Index rest = stride.divide(reach).remainder;
  if (dilation == 1) return smaller(rest, taps);
  Index tap = 0, left = rest;
  while (left != 0 && tap < taps) {
    left = stride.divide(left + stride.divisor() - stride.divide(dilation).remainder).remainder;
    if (++tap == tap_step) return taps;
  }
  return tap;
}

struct WalkAxis {
  Index in = 1, kernel = 1, dilation = 1, pad = 0;
  Index tap_step = 1, at_step = 1;  // from one kernel element and input to the next
  bool transposed = false;
  Divider stride, by, taps;

  WalkAxis() = default;
  WalkAxis(const ConvProblem& p, int a)
      : in(p.in[a]),
        kernel(p.kernel[a]),
        dilation(p.dilation[a]),
        pad(p.pad_lo[a]),
        transposed(p.transposed),
        stride(p.stride[a]) {
    const Index common = greatest_common_divisor(p.stride[a], p.dilation[a]);
    if (transposed) tap_step = p.stride[a] / common;
    at_step = transposed ? -(p.dilation[a] / common) : p.dilation[a];
    by = Divider(transposed ? -at_step : at_step);
    taps = Divider(tap_step);
  }

  // Of output o, only what lies inside the input.
  FASTCONV_GEOMETRY Walk walk(Index o) const {
    if (!transposed) {
      const Index start = o * stride.divisor() - pad;
      const Index outside = start < 0 ? by.quotient(at_step - 1 - start) : 0;
      const Index at = start + outside * at_step;
      const Index room = at < in ? by.quotient(in - 1 - at) + 1 : 0;
      return {outside, at, larger(0, smaller(kernel - outside, room))};
    }
    const Index reach = o + pad;
    const Index first = first_tap(stride, kernel, tap_step, dilation, reach);
    if (first >= kernel || reach < first * dilation) return {0, 0, 0};
    const Index start = stride.quotient(reach - first * dilation);
    const Index outside = start >= in ? by.quotient(start - in - at_step) : 0;
    const Index at = start + outside * at_step, tap = first + outside * tap_step;
    if (tap >= kernel || at < 0) return {0, 0, 0};
    return {tap, at, smaller(by.quotient(at), taps.quotient(kernel - 1 - tap)) + 1};
  }
};

}  // namespace fastconv::cuda
