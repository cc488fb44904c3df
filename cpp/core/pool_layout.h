// How the outputs of a pooling are cut into tasks and what one task buffers: the same arithmetic
// for `choose_pool`, which counts tasks and bytes, and for kernels, which find theirs.
//
// A task of the planar kernel is `rows` consecutive output rows, counted through all images,
// channels, depths and heights, times one block of outputs along the row. A task of the
// channels-last kernel is one output row, one block along the row and one block of channels. A task
// of global pooling is `rows` planes.
#pragma once

#include <fastconv/problem.h>

#include <cstddef>

namespace fastconv {

// Elements that the row buffer of a task aims at: buffer and result together fit the first-level
// cache in float32. A channels-last row needs more, so that a block holds many more pixels than the
// window that its neighbours combine again.
inline constexpr Index kPoolPlanarBuffer = 2048, kPoolChannelsLastBuffer = 8192;
inline constexpr Index kPoolChannelBlock = 128;
// Buffers start on cache lines: a store across two lines costs twice.
inline constexpr Index kPoolLine = 16;
// Window elements (rows of a window in the planar kernel) that arg-max can number.
inline constexpr Index kPoolNumberedTaps = 1024;

// Windows along one axis: regular ones, or the uneven ones of adaptive pooling.
struct PoolAxis {
  // Regular: window o has `kernel` taps, `dilation` apart, from o*stride - pad_lo on. Uneven:
  // windows have `kernel` elements or one more.
  bool even;
  Index in, out, kernel, stride, dilation, pad_lo, pad_hi;

  // Most elements from the first to the last tap of a window.
  FASTCONV_GEOMETRY Index extent() const {
    return even ? dilated_extent(kernel, dilation) : kernel + 1;
  }
  // First element of a window; negative in the padding.
  FASTCONV_GEOMETRY Index start(Index o) const {
    return even ? o * stride - pad_lo : adaptive_window(o, in, out).lo;
  }
};

FASTCONV_GEOMETRY PoolAxis pool_axis(const PoolProblem& p, int axis) {
  const Index in = p.in[axis], out = p.out[axis];
  if (p.adaptive) {
    const bool even = in % out == 0;
    return {even, in, out, ceil_div(in, out), even ? in / out : 1, 1, 0, 0};
  }
  // The stride of a single window means nothing and may be huge.
  const Index stride = out == 1 ? 1 : p.stride[axis];
  return {true, in, out, p.kernel[axis], stride, p.dilation[axis], p.pad_lo[axis], p.pad_hi[axis]};
}

// Taps of one window that lie inside the input.
struct PoolTaps {
  Index first, count, step;
};

FASTCONV_GEOMETRY PoolTaps pool_taps(const PoolAxis& axis, Index o) {
  if (!axis.even) {
    const Range window = adaptive_window(o, axis.in, axis.out);
    return {window.lo, window.hi - window.lo, 1};
  }
  const Index start = axis.start(o);
  if (axis.dilation == 1) {
    const Index lo = larger(start, 0), hi = smaller(start + axis.kernel, axis.in);
    return {lo, larger(hi - lo, 0), 1};
  }
  const Range inside = outputs_inside(axis.kernel, axis.in, axis.dilation, start);
  return {start + inside.lo * axis.dilation, inside.hi - inside.lo, axis.dilation};
}

// Elements by which an average divides, along one axis: padding counts where the caller wants it,
// but never what lies beyond the padding, where ceil_mode lets a window reach.
FASTCONV_GEOMETRY Index pool_count(const PoolAxis& axis, bool count_padding, Index o) {
  if (!axis.even || !count_padding) return pool_taps(axis, o).count;
  const Index start = axis.start(o);
  return smaller(start + axis.kernel, axis.in + axis.pad_hi) - start;
}

// One window that is the whole plane.
FASTCONV_GEOMETRY bool pool_is_global(const PoolProblem& p) {
  if (p.with_indices || p.out.product() != 1) return false;
  if (p.kind == PoolKind::lp && p.norm != 1.0 && p.norm != 2.0) return false;
  if (p.adaptive) return true;
  for (int a = 0; a < kAxes; ++a) {
    if (p.kernel[a] != p.in[a] || p.pad_lo[a] != 0 || p.dilation[a] != 1) return false;
    if (p.pad_hi[a] != 0 && p.count_include_pad) return false;
  }
  return true;
}

enum class PoolForm : int {
  combine,     // rows of a window into one row, then along it
  global,      // the whole plane at once
  arg_vector,  // winner and its number, vectors along outputs
  arg_plain,   // winner and its position, one output at a time
};

FASTCONV_GEOMETRY PoolForm pool_form(const PoolProblem& p, bool channels_last, bool windows) {
  if (!p.with_indices) {
    return !channels_last && pool_is_global(p) ? PoolForm::global : PoolForm::combine;
  }
  Index numbered = 1;
  for (int a = 0; a < kAxes; ++a) {
    const PoolAxis axis = pool_axis(p, a);
    const Index most = axis.even ? axis.kernel : axis.kernel + 1;
    if (most > kPoolNumberedTaps) return PoolForm::arg_plain;
    if (channels_last || a < 2) numbered *= most;
    if (a == 2 && !channels_last && (!axis.even || windows)) return PoolForm::arg_plain;
  }
  return numbered <= kPoolNumberedTaps ? PoolForm::arg_vector : PoolForm::arg_plain;
}

struct PoolLayout {
  PoolForm form;
  bool windows;                         // each window of the combined row is reduced by itself
  Index block_out;                      // outputs along the row in one task
  Index width_blocks;                   // tasks along the row
  Index pitch;                          // buffered pixels of one combined row
  Index rows;                           // output rows (or planes) of one task
  Index row_count;                      // of these in all
  Index channel_block, channel_blocks;  // 1 in the planar kernel
  Index buffer;  // elements of a row buffer, with room for vectors that overhang
  Index tasks;

  // Columns of a row of divisors.
  FASTCONV_GEOMETRY Index divisor_elements(int width) const { return block_out + width; }
  FASTCONV_GEOMETRY std::size_t scratch_bytes(int width, std::size_t element) const {
    const auto bytes = [element](Index count) { return static_cast<std::size_t>(count) * element; };
    switch (form) {
      case PoolForm::combine:  // combined rows, results, a gathered row; divisors and reciprocals
        return bytes(3 * buffer + 3 * divisor_elements(width));
      case PoolForm::arg_vector:  // positions of numbered taps; values and numbers
        return static_cast<std::size_t>(kPoolNumberedTaps) * sizeof(Index) + bytes(6 * buffer);
      case PoolForm::global:
      case PoolForm::arg_plain:
        break;
    }
    return 0;
  }
};

FASTCONV_GEOMETRY PoolLayout pool_layout(const PoolProblem& p, int width, bool channels_last) {
  PoolLayout l{};
  const PoolAxis axis = pool_axis(p, 2);
  const Index extent = axis.extent(), stride = axis.stride, planes = p.batch * p.channels;
  const bool sparse = !axis.even || stride >= 4;
  l.windows = !channels_last && sparse && axis.kernel >= 32 && axis.dilation == 1;
  l.form = pool_form(p, channels_last, l.windows);
  if (l.form == PoolForm::global) {
    l.block_out = l.width_blocks = l.pitch = l.channel_block = l.channel_blocks = 1;
    l.row_count = planes;
    l.rows = smaller(larger(1, 4 * kPoolPlanarBuffer / larger(1, p.in.product())),
                     larger(1, planes / 8));
    l.tasks = ceil_div(l.row_count, l.rows);
    return l;
  }
  l.channel_block = 1;
  l.channel_blocks = 1;
  if (channels_last) {
    const Index blocks = ceil_div(p.channels, kPoolChannelBlock);
    l.channel_block =
        blocks <= 1 ? p.channels : ceil_div(ceil_div(p.channels, blocks), width) * width;
    l.channel_blocks = ceil_div(p.channels, l.channel_block);
  }

  const Index budget = channels_last ? kPoolChannelsLastBuffer : kPoolPlanarBuffer;
  const Index span = larger(budget / l.channel_block, 2 * extent);
  const Index whole = axis.even ? (axis.out - 1) * stride + extent : axis.in;
  const Index step = axis.even ? stride : larger(1, axis.in / axis.out);
  l.block_out = whole <= 2 * span ? axis.out : smaller(axis.out, (span - extent) / step + 1);
  l.width_blocks = ceil_div(axis.out, l.block_out);
  const Index needed = (l.block_out - 1) * stride + extent;
  l.pitch = axis.even ? ceil_div(needed, stride) * stride
                      : smaller(axis.in, l.block_out * axis.in / axis.out + 2);

  l.row_count = p.batch * p.out[0] * p.out[1] * (channels_last ? 1 : p.channels);
  l.rows = channels_last
               ? 1
               : smaller(larger(1, kPoolPlanarBuffer / l.pitch), larger(1, l.row_count / 8));
  // A slide reads up to one window beyond the last row; uneven windows may be more than pixels.
  const Index pixels = l.rows * larger(l.pitch, l.block_out) + (l.windows ? 0 : extent);
  l.buffer = ceil_div(pixels * l.channel_block, kPoolLine) * kPoolLine + 8 * width;
  l.tasks = ceil_div(l.row_count, l.rows) * l.width_blocks * l.channel_blocks;
  return l;
}

}  // namespace fastconv
