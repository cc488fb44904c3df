// The families of channels-last arrays: blocks of pixels against panels of weights.
#include "core/conv_schedule.h"

namespace fastconv {

void schedule_channels_last(const ConvProblem& p, const Machine& m, bool unfold, ConvPlan& plan) {
  plan.tile_m = m.table.channels_last_m;
  plan.tile_n = m.table.channels_last_n;
  const Grid whole = pixel_grid(p, 1);
  const Index pixels = whole.col_blocks;
  const Index units = p.batch * p.groups * whole.phases.product();
  const Index length = larger(1, p.group_in() * p.kernel.product());
  // A block of pixels passes over all panels: few blocks re-read the weights rarely, small ones
  // keep the unfolded input in the cache.
  Index fits = unfold ? m.cache / (m.element * length)
                      : larger(64, m.cache / (m.element * larger(1, p.group_in())));
  fits = larger(plan.tile_m, fits / plan.tile_m * plan.tile_m);
  Index blocks = ceil_div(pixels, fits);
  const Index panels = ceil_div(p.group_out(), plan.tile_n);
  if (units * blocks < 4 * m.threads && units * blocks % m.threads != 0) {
    if (panels >= m.threads && panels % m.threads == 0 && pixels < 256) {
      plan.channel_parts = m.threads;
    } else {
      blocks = ceil_div(blocks, m.threads) * m.threads;
    }
  }
  plan.block_rows = 1;
  plan.block_cols = ceil_div(ceil_div(pixels, blocks), plan.tile_m) * plan.tile_m;
  plan.tasks[0] = p.groups * panels;
  plan.tasks[1] = grid_tasks(p, pixel_grid(p, plan.block_cols), plan.channel_parts);
  plan.shared_bytes = static_cast<std::size_t>(p.groups * ceil_div(p.group_out(), m.table.width) *
                                               m.table.width * length * m.element);
  const Index block = unfold ? plan.block_cols * length : p.group_in();
  plan.scratch_bytes =
      static_cast<std::size_t>((plan.tile_m * plan.tile_n + block + 64) * m.element + 1024);
}

void schedule_depthwise_channels_last(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.planar_m >= 8 ? 14 : 7;
  plan.tile_n = m.table.width;
  ConvProblem one = p;
  one.groups = 1;
  const Grid whole = grid_of(one, 1, 1);
  const Index rows = whole.count[1], cols = whole.count[2];
  const Index units = p.batch * whole.phases.product() * whole.count[0];
  // Blocks of a few rows: their input rows stay in the cache.
  const Index blocks =
      units % m.threads == 0 ? 1 : larger(1, smaller(rows / 2, ceil_div(8 * m.threads, units)));
  plan.block_rows = ceil_div(rows, blocks);
  plan.block_cols = cols;
  if (units * ceil_div(rows, plan.block_rows) < m.threads) {
    plan.block_cols = ceil_div(ceil_div(cols, m.threads), plan.tile_m) * plan.tile_m;
  }
  plan.tasks[0] = ceil_div(p.groups, kPackedChannels);
  plan.tasks[1] = grid_tasks(one, grid_of(one, plan.block_rows, plan.block_cols), 1);
  plan.shared_bytes =
      static_cast<std::size_t>(p.groups * p.kernel.product() * accumulator_size(p.dtype));
  plan.scratch_bytes =
      static_cast<std::size_t>(p.kernel.product() * 2 * static_cast<Index>(sizeof(void*)) + 1024);
}

}  // namespace fastconv
