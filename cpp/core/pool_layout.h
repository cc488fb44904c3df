// How the outputs of a pooling are cut into tasks and what one task buffers: the same arithmetic
// for `choose_pool`, which counts tasks and bytes, and for kernels, which find theirs.
//
// A task of the planar kernel is `rows` consecutive output rows, counted through all images,
// channels, depths and heights, times one block of outputs along the row. A task of the
// channels-last kernel is one output row, one block along the row and one block of channels. A task
// of global pooling, or of short rows, is `rows` planes.
#pragma once

#include <fastconv/problem.h>

#include <cstddef>

namespace fastconv {

// Elements that the row buffer of a task aims at: buffer and result together fit the first-level
// cache in float32. A channels-last row needs more, so that a block holds many more pixels than the
// window that its neighbours combine again.
inline constexpr Index kPoolPlanarBuffer = 2048, kPoolChannelsLastBuffer = 8192;
inline constexpr Index kPoolChannelBlock = 128;
// Buffered rows start on cache lines: a store across two lines costs twice.
inline constexpr Index kPoolLine = 16;
// Window elements that arg-max of channels-last pixels can number, and positions within the rows
// of a window that every element type holds exactly.
inline constexpr Index kPoolNumberedTaps = 1024, kPoolExactPositions = Index{1} << 24;
// Windows are buffered with their padding unless that takes more than kPoolMostPadding elements
// and more than four times the input.
inline constexpr Index kPoolMostPadding = 4096;
// Outputs along a row of one task where windows are clipped to the input.
inline constexpr Index kPoolClippedBlock = 4096;
// Tallest windows whose sums are combined by blocks: a block is summed term by term.
inline constexpr Index kPoolTallestSum = 32;

// Windows along one axis. Regular: window o has `kernel` taps, `dilation` apart, from
// o*stride - pad_lo on. Uneven, in adaptive pooling: windows have `kernel` elements or one more.
struct PoolAxis {
  bool uneven;
  Index in, out, kernel, stride, dilation, pad_lo, pad_hi;

  // Elements from the first tap of the first window to the last one of the last, in the padding or
  // not.
  FASTCONV_GEOMETRY Index reach() const { return (out - 1) * stride + extent(); }
  // Whether a row is buffered with the padding that windows reach into.
  FASTCONV_GEOMETRY bool even() const {
    return !uneven && (reach() <= kPoolMostPadding || reach() / 4 <= in);
  }
  // Most elements from the first to the last tap of a window.
  FASTCONV_GEOMETRY Index extent() const {
    return uneven ? kernel + 1 : dilated_extent(kernel, dilation);
  }
  // First element of a window; negative in the padding.
  FASTCONV_GEOMETRY Index start(Index o) const {
    return uneven ? adaptive_window(o, in, out).lo : o * stride - pad_lo;
  }
};

FASTCONV_GEOMETRY PoolAxis pool_axis(const PoolProblem& p, int axis) {
  const Index in = p.in[axis], out = p.out[axis];
  if (p.adaptive) {
    // Windows of which every one overlaps the next by the same are regular ones.
    const Index size = in / out, rest = in % out;
    if (rest == 0) return {false, in, out, size, size, 1, 0, 0};
    if (size > 0 && rest == 1) return {false, in, out, size + 1, size, 1, 0, 0};
    if (size > 0 && rest == out - 1) return {false, in, out, size + 2, size + 1, 1, 1, 1};
    return {true, in, out, ceil_div(in, out), 1, 1, 0, 0};
  }
  // The stride of a single window means nothing and may be huge.
  const Index stride = out == 1 ? 1 : p.stride[axis];
  return {false, in, out, p.kernel[axis], stride, p.dilation[axis], p.pad_lo[axis], p.pad_hi[axis]};
}

// Taps of one window that lie inside the input.
struct PoolTaps {
  Index first, count, step;
};

FASTCONV_GEOMETRY PoolTaps pool_taps(const PoolAxis& axis, Index o) {
  if (axis.uneven) {
    const Range window = adaptive_window(o, axis.in, axis.out);
    return {window.lo, window.hi - window.lo, 1};
  }
  const Index start = axis.start(o);
  if (axis.dilation == 1) {
    const Index lo = larger(start, 0), hi = smaller(start + axis.kernel, axis.in);
    return {lo, larger(hi - lo, 0), 1};
  }
  const Range inside = outputs_inside(axis.kernel, axis.in, axis.dilation, start);
  return {start + inside.lo * axis.dilation, larger(inside.hi - inside.lo, 0), axis.dilation};
}

// Elements by which an average divides, along one axis: padding counts where the caller wants it,
// but never what lies beyond the padding, where ceil_mode lets a window reach.
FASTCONV_GEOMETRY Index pool_count(const PoolAxis& axis, bool count_padding, Index o) {
  if (axis.uneven || !count_padding) return pool_taps(axis, o).count;
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
  short_rows,  // rows that fit a register
  arg_vector,  // winner and its number, vectors along outputs
  arg_plain,   // winner and its position, one output at a time
};

FASTCONV_GEOMETRY PoolForm pool_form(const PoolProblem& p, bool channels_last, bool windows) {
  if (!p.with_indices) {
    return pool_is_global(p) ? PoolForm::global : PoolForm::combine;
  }
  const PoolAxis deep = pool_axis(p, 0), high = pool_axis(p, 1), wide = pool_axis(p, 2);
  if (!channels_last) {
    const Index slices = smaller(deep.extent(), deep.in), lines = smaller(high.extent(), high.in);
    const Index least = larger(p.in[1], 1);
    const bool exact = slices < kPoolExactPositions / least &&
                       slices * least + lines < kPoolExactPositions / (2 * wide.in);
    return exact && wide.even() && !windows ? PoolForm::arg_vector : PoolForm::arg_plain;
  }
  Index numbered = 1;
  const PoolAxis axes[] = {deep, high, wide};
  for (const PoolAxis& axis : axes) {
    const Index most = axis.uneven ? axis.kernel + 1 : axis.kernel;
    if (most > kPoolNumberedTaps) return PoolForm::arg_plain;
    numbered *= most;
  }
  return numbered <= kPoolNumberedTaps ? PoolForm::arg_vector : PoolForm::arg_plain;
}

struct PoolLayout {
  PoolForm form;
  bool windows;                         // each window of the combined row is reduced by itself
  bool tall;                            // rows of tall windows are combined by blocks
  Index block_out;                      // outputs along the row in one task
  Index width_blocks;                   // tasks along the row
  Index pitch;                          // buffered pixels of one combined row; kernel columns
  Index rows;                           // output rows (or planes) of one task
  Index row_count;                      // of these in all
  Index channel_block, channel_blocks;  // 1 in the planar kernel
  Index buffer;  // elements of a row buffer, with room for vectors that overhang
  Index tail;    // elements that rows of tall windows take; short rows of a plane
  Index tasks;

  // Columns of a row of divisors.
  FASTCONV_GEOMETRY Index divisor_elements(int width) const { return block_out + width; }
  FASTCONV_GEOMETRY std::size_t scratch_bytes(int width, std::size_t element) const {
    const auto bytes = [element](Index count) { return static_cast<std::size_t>(count) * element; };
    switch (form) {
      case PoolForm::combine:  // combined rows, two results, a row that is gathered or finished;
                               // rows of tall windows; divisors and reciprocals
        return bytes(4 * buffer + tail + 3 * divisor_elements(width));
      case PoolForm::arg_vector:  // positions of numbered taps; values, rows, columns, winners
        return static_cast<std::size_t>(kPoolNumberedTaps) * sizeof(Index) + bytes(7 * buffer);
      case PoolForm::short_rows:  // kernel columns, windows' rows, divisors
        return bytes(pitch * width + 3 * divisor_elements(width)) +
               static_cast<std::size_t>(5 * tail) * sizeof(Index) + 4 * 64;
      case PoolForm::global:
      case PoolForm::arg_plain:
        break;
    }
    return 0;
  }
};

// Whether windows of an axis overlap so much that combining their elements by blocks pays, for
// `count` windows at a time.
FASTCONV_GEOMETRY bool pool_is_tall(const PoolAxis& axis, Index count) {
  return axis.even() && axis.dilation == 1 && axis.kernel >= 8 && axis.kernel >= 4 * axis.stride &&
         count * axis.stride >= axis.kernel / 2;
}

// Whether rows of the output fit a register, those of the input one or, where no window is empty,
// two (see pool_short_rows.inl).
FASTCONV_GEOMETRY bool pool_rows_are_short(const PoolProblem& p, int width) {
  // Input rows that several windows share are combined anew for each.
  constexpr Index kMostTaps = 8, kMostSharedTaps = 4;
  const PoolAxis high = pool_axis(p, 1), wide = pool_axis(p, 2);
  const Index longest = wide.uneven || wide.dilation == 1 ? 2 * width - 1 : width;
  return width > 1 && element_size(p.dtype) >= 4 && p.kind != PoolKind::lp && p.in[2] <= longest &&
         p.out[2] <= width && p.x.spatial[2] == 1 && p.y.spatial[2] == 1 &&
         larger(wide.kernel, high.kernel) <=
             (high.stride >= high.kernel ? kMostTaps : kMostSharedTaps);
}

FASTCONV_GEOMETRY PoolLayout pool_layout(const PoolProblem& p, int width, bool channels_last) {
  PoolLayout l{};
  const PoolAxis axis = pool_axis(p, 2), high = pool_axis(p, 1);
  const bool even = axis.even();
  const Index planes = p.batch * p.channels;
  const Index extent = even ? axis.extent() : smaller(axis.extent(), axis.in);
  const bool sparse = axis.uneven ? axis.kernel >= 8 : axis.stride > 4 && axis.kernel >= 32;
  l.windows = !channels_last && ((sparse && axis.dilation == 1) || (!even && !axis.uneven));
  l.form = pool_form(p, channels_last, l.windows && (!even || axis.kernel >= 32));
  if (l.form == PoolForm::global && channels_last) {
    // Up to four vectors of channels, fewer where that leaves threads without a task.
    const Index vectors = ceil_div(p.channels, width);
    const Index block = larger(1, smaller(4, p.batch * vectors / 8));
    l.block_out = l.width_blocks = l.pitch = l.rows = l.row_count = 1;
    l.channel_block = block * width;
    l.channel_blocks = ceil_div(p.channels, l.channel_block);
    l.tasks = p.batch * l.channel_blocks;
    return l;
  }
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
  if (l.form == PoolForm::combine && !channels_last && pool_rows_are_short(p, width)) {
    l.form = PoolForm::short_rows;
    l.block_out = axis.out;
    l.width_blocks = 1;
    l.pitch = axis.uneven ? axis.kernel + 1 : axis.kernel;
    l.tail = p.out[0] * p.out[1];
    l.row_count = planes;
    l.rows = smaller(larger(1, 4 * kPoolPlanarBuffer / larger(1, p.in.product())),
                     larger(1, planes / 8));
    l.tasks = ceil_div(l.row_count, l.rows);
    return l;
  }
  if (channels_last) {
    const Index blocks = ceil_div(p.channels, kPoolChannelBlock);
    l.channel_block =
        blocks <= 1 ? p.channels : ceil_div(ceil_div(p.channels, blocks), width) * width;
    l.channel_blocks = ceil_div(p.channels, l.channel_block);
  }

  const Index budget = channels_last ? kPoolChannelsLastBuffer : kPoolPlanarBuffer;
  const Index span = larger(budget / l.channel_block, 2 * extent);
  if (even) {
    l.block_out =
        axis.reach() <= 2 * span ? axis.out : smaller(axis.out, (span - extent) / axis.stride + 1);
    l.pitch = (l.block_out - 1) * axis.stride + extent;
  } else if (axis.uneven) {
    l.block_out = axis.in <= 2 * span
                      ? axis.out
                      : smaller(axis.out, (span - extent) / larger(1, axis.in / axis.out) + 1);
    l.pitch = smaller(axis.in, l.block_out * axis.in / axis.out + 2);
  } else {
    l.block_out = smaller(axis.out, kPoolClippedBlock);
    l.pitch = axis.in;
  }
  l.width_blocks = ceil_div(axis.out, l.block_out);
  if (!channels_last) l.pitch = ceil_div(l.pitch, kPoolLine) * kPoolLine;

  l.row_count = p.batch * p.out[0] * p.out[1] * (channels_last ? 1 : p.channels);
  l.rows = 1;
  if (!channels_last) {
    l.rows = larger(1, kPoolPlanarBuffer / l.pitch);
    const bool selects = p.kind == PoolKind::max || p.kind == PoolKind::min;
    l.tall = l.form == PoolForm::combine && pool_is_tall(high, high.out) &&
             (selects || high.kernel <= kPoolTallestSum);
    if (l.tall) l.rows = larger(l.rows, 2 * high.kernel / high.stride);
    l.rows = smaller(l.rows, larger(1, l.row_count / 8));
    if (l.tall) l.tail = (high.kernel + 1) * l.pitch;
  }
  // A slide reads up to one window beyond the last row; uneven windows may be more than pixels.
  const Index pixels = l.rows * larger(l.pitch, ceil_div(l.block_out, kPoolLine) * kPoolLine) +
                       (l.windows ? 0 : extent);
  l.buffer = ceil_div(pixels * l.channel_block, kPoolLine) * kPoolLine + 8 * width;
  l.tasks = ceil_div(l.row_count, l.rows) * l.width_blocks * l.channel_blocks;
  return l;
}

}  // namespace fastconv
