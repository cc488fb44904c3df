// The families of channels-last arrays: blocks of pixels against panels of weights.
#include "core/conv_schedule.h"

namespace fastconv {

PanelCut cut_panels(const ConvProblem& p, const Machine& m, Index units, Index pixels, Index panel,
                    Index least_blocks, Index most_blocks, double prepare, PanelCut given) {
  if (m.keeps_weights) return given;
  // In multiply-adds of a vector for each packed vector of weights: packing it, and moving its
  // cache line from core to core between the phases (measured on two machines: 80 to 120).
  constexpr double kPack = 20, kMove = 100;
  const Index panels = ceil_div(p.group_out(), panel);
  const double vectors = static_cast<double>(ceil_div(p.group_out(), m.table.width));
  const auto cost = [&](const PanelCut& cut) {
    const double share =
        static_cast<double>(ceil_div(panels, cut.parts)) / static_cast<double>(panels);
    const double most = static_cast<double>(ceil_div(pixels, cut.blocks));
    const double task =
        most * (share * vectors + prepare) + (cut.in_passing ? share * vectors * kPack : 0.0);
    const double rounds = static_cast<double>(ceil_div(units * cut.blocks * cut.parts, m.threads));
    const double packing =
        cut.in_passing ? 0.0
                       : static_cast<double>(p.groups) * vectors * (kPack + kMove) / m.threads;
    return rounds * task + packing;
  };
  PanelCut best = given;
  for (Index rows = 1; rows <= m.threads; ++rows) {
    const PanelCut other{true, smaller(most_blocks, ceil_div(least_blocks, rows) * rows),
                         smaller(panels, ceil_div(m.threads, rows))};
    if (cost(other) < cost(best)) best = other;
  }
  return best;
}

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
  PanelCut cut{false, larger(1, ceil_div(pixels, fits)), 1};
  const Index least = cut.blocks;
  const Index panels = ceil_div(p.group_out(), plan.tile_n);
  if (units * cut.blocks < 4 * m.threads && units * cut.blocks % m.threads != 0) {
    if (panels >= m.threads && panels % m.threads == 0 && pixels < 256) {
      cut.parts = m.threads;
    } else {
      cut.blocks = ceil_div(cut.blocks, m.threads) * m.threads;
    }
  }
  cut = cut_panels(p, m, units, pixels, plan.tile_n, least, larger(1, pixels / plan.tile_m),
                   unfold ? 2.0 : 0.5, cut);
  plan.channel_parts = cut.parts;
  plan.block_rows = 1;
  plan.block_cols = ceil_div(ceil_div(pixels, cut.blocks), plan.tile_m) * plan.tile_m;
  plan.tasks[1] = grid_tasks(p, pixel_grid(p, plan.block_cols), plan.channel_parts);
  Index scratch = plan.tile_m * plan.tile_n + (unfold ? plan.block_cols * length : p.group_in());
  if (cut.in_passing) {
    scratch += plan.tile_n * length;
  } else {
    plan.tasks[0] = p.groups * panels;
    plan.shared_bytes = static_cast<std::size_t>(p.groups * ceil_div(p.group_out(), m.table.width) *
                                                 m.table.width * length * m.element);
  }
  plan.scratch_bytes = static_cast<std::size_t>((scratch + 64) * m.element + 1024);
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
