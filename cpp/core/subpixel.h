// A transposed convolution by input position: the arithmetic that `choose`, `schedule` and the
// kernel of conv_transposed_planar.inl share.
//
// Position q of an axis with stride S gives the S outputs q*S .. q*S+S-1 of the axis without
// padding (one of each phase) and reads inputs q, q-1, ...; so all phases share one block of the
// input, and the outputs of a position lie next to each other. Depth keeps its phases apart: its
// outputs never adjoin.
#pragma once

#include "core/grid.h"

namespace fastconv {

// Phases of one axis that a kernel keeps a table of, and their product.
inline constexpr Index kMostSubpixels = 256, kMostPhasePairs = 4096;

// The positions of rows (axis 1) or columns (axis 2) whose outputs exist, as one phase that reads
// all inputs that some output of a position reads. Output 0 of a position may lie before 0, its
// last output past the end.
FASTCONV_GEOMETRY AxisPhase subpixel_axis(const ConvProblem& p, int axis) {
  const Index stride = p.stride[axis], first = floor_div(p.pad_lo[axis], stride);
  const Index reach = (p.kernel[axis] - 1) * p.dilation[axis] / stride;
  const Index count =
      p.out[axis] <= 0 ? 0 : floor_div(p.out[axis] - 1 + p.pad_lo[axis], stride) - first + 1;
  return {first * stride - p.pad_lo[axis], stride, count, 1, reach + 1, 0, 1, first - reach, 1};
}

// Phase `phase` of an axis; offsets count from the first position of subpixel_axis.
FASTCONV_GEOMETRY AxisPhase subpixel_phase(const ConvProblem& p, int axis, Index phase) {
  AxisPhase a =
      transposed_axis(phase, p.out[axis], p.kernel[axis], p.stride[axis], p.dilation[axis], 0);
  a.offset0 += floor_div(p.pad_lo[axis], p.stride[axis]);
  return a;
}

// Whether every phase reads the same inputs, so that a register tile may hold several phases of an
// output channel: the stride divides the kernel, or a kernel that zeros fill up to that is worth
// it because a group has few output channels.
FASTCONV_GEOMETRY Index filled_kernel(const ConvProblem& p) {
  return ceil_div(p.kernel[1], p.stride[1]) * p.stride[1] *
         (ceil_div(p.kernel[2], p.stride[2]) * p.stride[2]);
}
FASTCONV_GEOMETRY bool subpixel_merged(const ConvProblem& p) {
  constexpr Index kFewChannels = 3;
  for (int a = 1; a < kAxes; ++a) {
    if (p.dilation[a] != 1 && p.kernel[a] != 1) return false;
  }
  const Index taps = p.kernel[1] * p.kernel[2];
  return filled_kernel(p) == taps ||
         (p.group_out() <= kFewChannels && filled_kernel(p) <= 2 * taps);
}

// Whether inputs are multiplied with zeros that are no part of the kernel.
FASTCONV_GEOMETRY bool subpixel_fills(const ConvProblem& p) {
  return subpixel_merged(p) && filled_kernel(p) != p.kernel[1] * p.kernel[2];
}

// Kernel rows and columns as they are packed: of one phase when merged, of all otherwise.
FASTCONV_GEOMETRY Index subpixel_taps(const ConvProblem& p, int axis) {
  return subpixel_merged(p) ? ceil_div(p.kernel[axis], p.stride[axis]) : p.kernel[axis];
}

// Rows of the packed weights of a group (one per output channel, or per output channel and phase
// when merged) and weights per row.
FASTCONV_GEOMETRY Index subpixel_rows(const ConvProblem& p) {
  return p.group_out() * (subpixel_merged(p) ? p.stride[1] * p.stride[2] : 1);
}
FASTCONV_GEOMETRY Index subpixel_row_size(const ConvProblem& p) {
  return p.group_in() * p.kernel[0] * subpixel_taps(p, 1) * subpixel_taps(p, 2);
}

// Units (an output channel, or a channel's phase of rows when merged) that are computed together
// and then interleaved; `tile_m` rows fill a register tile.
FASTCONV_GEOMETRY Index subpixel_units(const ConvProblem& p, Index tile_m) {
  constexpr Index kMostRows = 64;
  if (!subpixel_merged(p)) return tile_m;
  const Index units = tile_m / greatest_common_divisor(tile_m, p.stride[2]);
  return units * p.stride[2] <= kMostRows ? units : 1;
}

// Output channels whose units begin a new lot of units.
FASTCONV_GEOMETRY Index subpixel_channels(const ConvProblem& p, Index tile_m) {
  const Index units = subpixel_units(p, tile_m);
  return subpixel_merged(p) ? units / greatest_common_divisor(units, p.stride[1]) : units;
}

// The kernel of conv_transposed_pixels.inl: output channels whose kernel elements, of one depth,
// best fill one to four panels of two vectors. Larger lots would fill them as well, but their
// planes of positions leave the cache.
FASTCONV_GEOMETRY Index subpixel_column_lot(const ConvProblem& p, Index width) {
  const Index taps = p.kernel[1] * p.kernel[2], panel = 2 * width;
  Index best = 1, best_room = ceil_div(taps, panel) * panel;  // columns of the panels it takes
  for (Index panels = 1; panels <= 4; ++panels) {
    const Index channels = panels * panel / taps;
    if (channels * best_room > best * panels * panel) {
      best = channels;
      best_room = panels * panel;
    }
  }
  return smaller(best, larger(1, p.group_out()));
}

// Lots whose weights a task packs together, so that it reads long stretches of each input channel.
FASTCONV_GEOMETRY Index subpixel_lots_together(const ConvProblem& p, Index width, Index element) {
  constexpr Index kBytes = Index{768} << 10;
  const Index lot = subpixel_column_lot(p, width);
  const Index vectors = ceil_div(lot * p.kernel[1] * p.kernel[2], width);
  const Index rows = widest_phase(p, 0).taps * p.group_in();
  return larger(1, smaller(ceil_div(p.group_out(), lot),
                           kBytes / larger(1, vectors * width * rows * element)));
}

// Elements of a plane of rows x cols positions and what they reach, an odd number of vectors apart.
FASTCONV_GEOMETRY Index subpixel_plane(const ConvProblem& p, Index rows, Index cols, Index width) {
  const Index pitch = cols + subpixel_axis(p, 2).taps - 1;
  const Index vectors = ceil_div((rows + subpixel_axis(p, 1).taps - 1) * pitch + width, width);
  return (vectors | 1) * width;
}

FASTCONV_GEOMETRY Grid subpixel_grid(const ConvProblem& p, Index block_rows, Index block_cols) {
  Grid g = grid_of(p, block_rows, block_cols);
  for (int a = 1; a < kAxes; ++a) {
    g.phases[a] = 1;
    g.count[a] = subpixel_axis(p, a).count;
  }
  g.row_blocks = ceil_div(g.count[1], block_rows);
  g.col_blocks = ceil_div(g.count[2], block_cols);
  return g;
}

FASTCONV_GEOMETRY GridTask subpixel_task(const ConvProblem& p, const ConvPlan& plan, const Grid& g,
                                         Index channel_unit, Index index) {
  GridTask task = grid_task(p, plan, g, channel_unit, index);
  index /= plan.channel_parts * (groups_adjoin(p) ? p.groups : 1);
  const Index col_block = index % g.col_blocks, row_block = index / g.col_blocks % g.row_blocks;
  task.axis[1] = subpixel_axis(p, 1);
  task.axis[2] = subpixel_axis(p, 2);
  const bool exists = task.depth < task.axis[0].count;
  task.rows = {row_block * plan.block_rows,
               exists ? smaller(g.count[1], (row_block + 1) * plan.block_rows) : 0};
  task.cols = {col_block * plan.block_cols, smaller(g.count[2], (col_block + 1) * plan.block_cols)};
  return task;
}

}  // namespace fastconv
