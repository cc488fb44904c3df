// Index arithmetic of convolution and pooling, once for host and device code.
//
// Every function works on one spatial axis. Sizes, strides and dilations are in elements of that
// axis. All are constexpr and always inlined: instruction-set units compile this header with their
// own flags, and a shared out-of-line copy could otherwise carry instructions that the machine
// lacks.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define FASTCONV_GEOMETRY __host__ __device__ __forceinline__ constexpr
#else
#define FASTCONV_GEOMETRY [[gnu::always_inline]] inline constexpr
#endif

namespace fastconv {

using Index = std::int64_t;

// Quotients rounded towards minus and plus infinity; the divisor is positive.
FASTCONV_GEOMETRY Index floor_div(Index a, Index b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}
FASTCONV_GEOMETRY Index ceil_div(Index a, Index b) {
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}
FASTCONV_GEOMETRY Index smaller(Index a, Index b) {
  return a < b ? a : b;
}
FASTCONV_GEOMETRY Index larger(Index a, Index b) {
  return a > b ? a : b;
}

FASTCONV_GEOMETRY Index greatest_common_divisor(Index a, Index b) {
  while (b != 0) {
    const Index rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// Extent that a dilated kernel covers: D*(K-1)+1.
FASTCONV_GEOMETRY Index dilated_extent(Index kernel, Index dilation) {
  return dilation * (kernel - 1) + 1;
}

// floor((n + lo + hi - D*(K-1) - 1)/S + 1); negative or zero when the kernel does not fit.
FASTCONV_GEOMETRY Index conv_output_size(Index in, Index kernel, Index stride, Index dilation,
                                         Index pad_lo, Index pad_hi) {
  return floor_div(in + pad_lo + pad_hi - dilated_extent(kernel, dilation), stride) + 1;
}

// Output size of the transposed convolution (the input size whose convolution gives `in`).
FASTCONV_GEOMETRY Index transposed_output_size(Index in, Index kernel, Index stride, Index dilation,
                                               Index pad_lo, Index pad_hi, Index output_padding) {
  return (in - 1) * stride - pad_lo - pad_hi + dilated_extent(kernel, dilation) + output_padding;
}

// Pooling may round up, but a window must start inside the input or its lower padding.
FASTCONV_GEOMETRY Index pool_output_size(Index in, Index kernel, Index stride, Index dilation,
                                         Index pad_lo, Index pad_hi, bool ceil_mode) {
  const Index room = in + pad_lo + pad_hi - dilated_extent(kernel, dilation);
  if (!ceil_mode) return floor_div(room, stride) + 1;
  const Index out = ceil_div(room, stride) + 1;
  return (out - 1) * stride >= in + pad_lo ? out - 1 : out;
}

// Half-open range of indices.
struct Range {
  Index lo, hi;
  FASTCONV_GEOMETRY bool empty() const { return lo >= hi; }
};

// Outputs o in [0, out) whose input o*stride + offset lies in [0, in). `offset` is tap*dilation -
// pad.
FASTCONV_GEOMETRY Range outputs_inside(Index out, Index in, Index stride, Index offset) {
  if (stride == 1) {  // common, and two divisions cheaper
    const Index first = larger(0, -offset);
    return {first, larger(first, smaller(out, in - offset))};
  }
  const Index lo = larger(0, ceil_div(-offset, stride));
  const Index hi = smaller(out, floor_div(in - 1 - offset, stride) + 1);
  return {lo, larger(lo, hi)};
}

// Window of output o of an adaptive pooling: [floor(o*in/out), ceil((o+1)*in/out)).
FASTCONV_GEOMETRY Range adaptive_window(Index o, Index in, Index out) {
  return {(o * in) / out, ((o + 1) * in + out - 1) / out};
}

// Padding that keeps the size at stride 1; the odd element goes to the end, as in torch.
FASTCONV_GEOMETRY Index same_padding_total(Index kernel, Index dilation) {
  return dilation * (kernel - 1);
}

// One axis of a convolution as a gather: outputs out_start + q*out_step for q in [0, count) read
// input q*in_step + offset0 + i*offset_step through kernel element tap0 + i*tap_step, i in [0,
// taps).
//
// A convolution is one such phase per axis. A transposed convolution with stride S has S of them:
// the outputs of one residue modulo S meet only the kernel elements of one residue modulo S/gcd(S,
// dilation), at unit steps of the input; so no multiplication by an inserted zero happens.
struct AxisPhase {
  Index out_start, out_step, count;
  Index in_step;
  Index taps, tap0, tap_step, offset0, offset_step;

  FASTCONV_GEOMETRY Index offset(Index i) const { return offset0 + i * offset_step; }
  FASTCONV_GEOMETRY Index lowest_offset() const {
    return taps == 0 ? 0 : smaller(offset(0), offset(taps - 1));
  }
  FASTCONV_GEOMETRY Index highest_offset() const {
    return taps == 0 ? 0 : larger(offset(0), offset(taps - 1));
  }
  // Kernel elements of output q that meet the input rather than padding.
  FASTCONV_GEOMETRY Range taps_inside(Index q, Index in) const {
    if (offset_step >= 0) return outputs_inside(taps, in, offset_step, q * in_step + offset0);
    const Range mirrored = outputs_inside(taps, in, -offset_step, q * in_step + offset(taps - 1));
    return {taps - mirrored.hi, taps - mirrored.lo};
  }
};

FASTCONV_GEOMETRY AxisPhase conv_axis(Index out, Index kernel, Index stride, Index dilation,
                                      Index pad_lo) {
  return {0, 1, out, stride, kernel, 0, 1, -pad_lo, dilation};
}

// Phase `phase` in [0, stride) of a transposed convolution: output o meets kernel element k where
// (o + pad_lo - k*dilation) is a multiple of the stride.
FASTCONV_GEOMETRY AxisPhase transposed_axis(Index phase, Index out, Index kernel, Index stride,
                                            Index dilation, Index pad_lo) {
  const Index common = greatest_common_divisor(stride, dilation);
  const Index tap_step = stride / common;
  Index tap0 = 0;
  while (tap0 < tap_step && tap0 < kernel && (phase + pad_lo - tap0 * dilation) % stride != 0)
    ++tap0;
  const bool met = tap0 < tap_step && tap0 < kernel;
  const Index taps = met ? (kernel - tap0 + tap_step - 1) / tap_step : 0;
  const Index offset0 = met ? floor_div(phase + pad_lo - tap0 * dilation, stride) : 0;
  return {phase,    stride,  phase < out ? (out - phase + stride - 1) / stride : 0,
          1,        taps,    tap0,
          tap_step, offset0, -(dilation / common)};
}

}  // namespace fastconv
