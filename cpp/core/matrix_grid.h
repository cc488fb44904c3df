// How the matrix family cuts a convolution: a task is a block of depths x rows x columns of some
// images and one phase, for one group and a share of its panels of output channels. The same
// arithmetic for `schedule`, which counts tasks, and for the kernel, which finds its own.
#pragma once

#include "core/grid.h"

namespace fastconv {

struct MatrixTask {
  Range images;
  Index group;
  AxisPhase axis[kAxes];
  Range span[kAxes];  // outputs of the phase; may be empty
  Range panels;
};

FASTCONV_GEOMETRY Axes matrix_blocks(const Grid& whole, const ConvPlan& plan) {
  return {{ceil_div(whole.count[0], plan.block_slices), ceil_div(whole.count[1], plan.block_rows),
           ceil_div(whole.count[2], plan.block_cols)}};
}

FASTCONV_GEOMETRY Index matrix_tasks(const ConvProblem& p, const ConvPlan& plan) {
  const Grid whole = grid_of(p, 1, 1);
  return ceil_div(p.batch, plan.block_images) * p.groups * whole.phases.product() *
         matrix_blocks(whole, plan).product() * plan.channel_parts;
}

FASTCONV_GEOMETRY MatrixTask task_of_matrix(const ConvProblem& p, const ConvPlan& plan,
                                            Index panels, Index index) {
  MatrixTask task{};
  const Grid whole = grid_of(p, 1, 1);
  const Axes blocks = matrix_blocks(whole, plan);
  const Index size[kAxes] = {plan.block_slices, plan.block_rows, plan.block_cols};
  task.panels = share(panels, 1, index % plan.channel_parts, plan.channel_parts);
  index /= plan.channel_parts;
  Index block[kAxes]{};
  for (int a = kAxes - 1; a >= 0; --a) {
    block[a] = index % blocks[a];
    index /= blocks[a];
  }
  for (int a = kAxes - 1; a >= 0; --a) {
    task.axis[a] = axis_phase(p, a, index % whole.phases[a]);
    index /= whole.phases[a];
    task.span[a] = {block[a] * size[a], smaller(task.axis[a].count, (block[a] + 1) * size[a])};
  }
  task.group = index % p.groups;
  index /= p.groups;
  task.images = {index * plan.block_images, smaller(p.batch, (index + 1) * plan.block_images)};
  return task;
}

}  // namespace fastconv
