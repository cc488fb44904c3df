// How the outputs of a convolution are cut into tasks: the same arithmetic for `choose`, which
// counts tasks, and for kernels, which find theirs.
//
// Outputs form one grid per phase (one phase for a convolution, stride^axes for a transposed one).
// A task is one block of rows x columns at one depth of one phase (or one block of its pixels), for
// one image, one group and one share of the group's output channels. Shares vary fastest, so that
// neighbouring tasks of a thread read the same input; then, channels-last, groups, which share
// cache lines.
#pragma once

#include <fastconv/plan.h>

#include "core/boundary.h"

namespace fastconv {

struct Grid {
  Axes phases;  // phases per axis
  Axes count;   // outputs of the largest phase
  Index row_blocks, col_blocks;
  bool flat;  // depth, rows and columns are one axis of pixels, cut into blocks of columns
};

FASTCONV_GEOMETRY Grid grid_of(const ConvProblem& p, Index block_rows, Index block_cols) {
  Grid g{};
  for (int a = 0; a < kAxes; ++a) {
    g.phases[a] = p.transposed ? larger(1, smaller(p.stride[a], p.out[a])) : 1;
    g.count[a] = ceil_div(p.out[a], g.phases[a]);
  }
  g.row_blocks = ceil_div(g.count[1], block_rows);
  g.col_blocks = ceil_div(g.count[2], block_cols);
  g.flat = false;
  return g;
}

FASTCONV_GEOMETRY Grid pixel_grid(const ConvProblem& p, Index block_pixels) {
  Grid g = grid_of(p, 1, 1);
  g.col_blocks = ceil_div(g.count.product(), block_pixels);
  g.row_blocks = 1;
  g.count[0] = 1;
  g.flat = true;
  return g;
}

FASTCONV_GEOMETRY Index grid_tasks(const ConvProblem& p, const Grid& g, Index channel_parts) {
  return p.batch * p.groups * g.phases.product() * g.count[0] * g.row_blocks * g.col_blocks *
         channel_parts;
}

FASTCONV_GEOMETRY AxisPhase axis_phase(const ConvProblem& p, int axis, Index phase) {
  return p.transposed ? transposed_axis(phase, p.out[axis], p.kernel[axis], p.stride[axis],
                                        p.dilation[axis], p.pad_lo[axis])
                      : conv_axis(p.out[axis], p.kernel[axis], p.stride[axis], p.dilation[axis],
                                  p.pad_lo[axis]);
}

// The most that any phase of an axis needs: its first phase with as many kernel elements as meet a
// phase at all. Which phase that is depends on the padding.
FASTCONV_GEOMETRY AxisPhase widest_phase(const ConvProblem& p, int axis) {
  AxisPhase a = axis_phase(p, axis, 0);
  if (!p.transposed) return a;
  a.taps = ceil_div(p.kernel[axis],
                    p.stride[axis] / greatest_common_divisor(p.stride[axis], p.dilation[axis]));
  return a;
}

struct GridTask {
  Index batch, group, depth;
  AxisPhase axis[kAxes];
  Range rows, cols;    // of the phase's grid; may be empty
  Range out_channels;  // within the group
};

// Even shares of `total` in multiples of `unit`.
FASTCONV_GEOMETRY Range share(Index total, Index unit, Index part, Index parts) {
  const Index units = ceil_div(total, unit);
  return {smaller(total, units * part / parts * unit),
          smaller(total, units * (part + 1) / parts * unit)};
}

// Whether the groups of a pixel share cache lines: their tasks then follow each other.
FASTCONV_GEOMETRY bool groups_adjoin(const ConvProblem& p) {
  return p.y.channel == 1;
}

FASTCONV_GEOMETRY GridTask grid_task(const ConvProblem& p, const ConvPlan& plan, const Grid& g,
                                     Index channel_unit, Index index) {
  GridTask task{};
  task.out_channels =
      share(p.group_out(), channel_unit, index % plan.channel_parts, plan.channel_parts);
  index /= plan.channel_parts;
  if (groups_adjoin(p)) {
    task.group = index % p.groups;
    index /= p.groups;
  }
  const Index col_block = index % g.col_blocks;
  index /= g.col_blocks;
  const Index row_block = index % g.row_blocks;
  index /= g.row_blocks;
  task.depth = index % g.count[0];
  index /= g.count[0];
  for (int a = kAxes - 1; a >= 0; --a) {
    task.axis[a] = axis_phase(p, a, index % g.phases[a]);
    index /= g.phases[a];
  }
  if (!groups_adjoin(p)) {
    task.group = index % p.groups;
    index /= p.groups;
  }
  task.batch = index;
  task.rows = {row_block * plan.block_rows,
               smaller(task.axis[1].count, (row_block + 1) * plan.block_rows)};
  const Index cols =
      g.flat ? task.axis[0].count * task.axis[1].count * task.axis[2].count : task.axis[2].count;
  task.cols = {col_block * plan.block_cols, smaller(cols, (col_block + 1) * plan.block_cols)};
  if (task.depth >= task.axis[0].count) task.rows.hi = task.rows.lo;
  return task;
}

// Memory offsets of output (depth, row, column) 0 of a task's phase, and of its input group.
FASTCONV_GEOMETRY Index output_origin(const ConvProblem& p, const GridTask& t) {
  Index at = t.batch * p.y.batch + (t.group * p.group_out()) * p.y.channel +
             (t.axis[0].out_start + t.depth * t.axis[0].out_step) * p.y.spatial[0];
  for (int a = 1; a < kAxes; ++a) at += t.axis[a].out_start * p.y.spatial[a];
  return at;
}
FASTCONV_GEOMETRY Index input_origin(const ConvProblem& p, const GridTask& t) {
  return t.batch * p.x.batch + t.group * p.group_in() * p.x.channel;
}
// Weight of output channel 0, input channel 0 of a group; strides between them.
FASTCONV_GEOMETRY Index weight_origin(const ConvProblem& p, Index group) {
  return group * (p.transposed ? p.group_in() : p.group_out()) * p.w.batch;
}
// Whether the elements of a kernel adjoin in memory; the stride of an axis of one element says
// nothing.
FASTCONV_GEOMETRY bool kernel_adjoins(const ConvProblem& p) {
  Index step = 1;
  for (int a = kAxes - 1; a >= 0; --a) {
    if (p.kernel[a] > 1 && p.w.spatial[a] != step) return false;
    step *= p.kernel[a];
  }
  return true;
}
FASTCONV_GEOMETRY Index weight_out_stride(const ConvProblem& p) {
  return p.transposed ? p.w.channel : p.w.batch;
}
FASTCONV_GEOMETRY Index weight_in_stride(const ConvProblem& p) {
  return p.transposed ? p.w.batch : p.w.channel;
}

// A pointwise convolution over adjoining rows is one over a single long row: then nothing is
// packed.
FASTCONV_GEOMETRY bool in_place(const ConvProblem& p) {
  if (p.transposed || p.x.spatial[2] != 1 || p.kernel.product() != 1) return false;
  for (int a = 0; a < kAxes; ++a) {
    if (p.stride[a] != 1 || p.pad_lo[a] != 0 || p.pad_hi[a] != 0) return false;
  }
  return p.in[0] == 1 && p.in[1] == 1;
}

// Columns of a row with the padding that its outputs read.
FASTCONV_GEOMETRY Index turned_columns(const ConvProblem& p) {
  return larger(p.pad_lo[2] + p.in[2],
                (p.out[2] - 1) * p.stride[2] + dilated_extent(p.kernel[2], p.dilation[2]));
}

// How one axis of the input is laid out in a packed block, so that every kernel element reads at
// unit step: columns are split by their residue modulo the input step, and kernel elements whose
// offsets share a residue share a copy. `length` is the length of one copy for `count` outputs.
struct PackedAxis {
  Index copies, lowest, step, length;
  AxisPhase phase;

  FASTCONV_GEOMETRY Index copy_of(Index tap) const { return tap % copies; }
  FASTCONV_GEOMETRY Index shift_of(Index tap) const { return (phase.offset(tap) - lowest) / step; }
  FASTCONV_GEOMETRY Index residue_of(Index copy) const {
    return (phase.offset(copy) - lowest) % step;
  }
  // Input position of element m of a copy, for a block that starts at output `first`.
  FASTCONV_GEOMETRY Index input_start(Index first, Index copy) const {
    return first * step + lowest + residue_of(copy);
  }
};

FASTCONV_GEOMETRY PackedAxis packed_axis(const AxisPhase& phase, Index count) {
  const Index step = phase.in_step;
  const Index by = phase.offset_step < 0 ? -phase.offset_step : phase.offset_step;
  const Index period = step / greatest_common_divisor(step, by);
  const Index lowest = phase.lowest_offset();
  return {larger(1, smaller(phase.taps, period)), lowest, step,
          count + (phase.highest_offset() - lowest) / step, phase};
}

// What the pixels of a task read along one axis, copied out: element i is input first + i*step, and
// output o meets it through the kernel as o*in_step + offset0 + ... = i. Inputs that are not copied
// are padding. With a single kernel element only those are copied that some output meets.
struct TurnedAxis {
  Index first, step, count;
  Index in_step, offset0;
};

FASTCONV_GEOMETRY TurnedAxis turned_axis(const AxisPhase& phase, Range outputs, Index in) {
  if (phase.taps == 0) return {0, 1, 0, phase.in_step, phase.offset0};
  if (phase.taps == 1) {
    const Range inside = outputs_inside(outputs.hi, in, phase.in_step, phase.offset0);
    const Index lo = larger(outputs.lo, inside.lo);
    return {lo * phase.in_step + phase.offset0, phase.in_step, larger(0, inside.hi - lo), 1, -lo};
  }
  const Index lo = larger(0, outputs.lo * phase.in_step + phase.lowest_offset());
  const Index hi = smaller(in, (outputs.hi - 1) * phase.in_step + phase.highest_offset() + 1);
  return {lo, 1, larger(0, hi - lo), phase.in_step, phase.offset0 - lo};
}

// The most that `outputs` of any task copy.
FASTCONV_GEOMETRY Index turned_length(const AxisPhase& widest, Index outputs, Index in) {
  if (widest.taps <= 1) return outputs;
  const Index by = widest.offset_step < 0 ? -widest.offset_step : widest.offset_step;
  return smaller(in, (outputs - 1) * widest.in_step + (widest.taps - 1) * by + 1);
}

}  // namespace fastconv
