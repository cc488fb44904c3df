// The pixel kernel: blocks of input channels whose weights stay in the cache, blocks of rows whose
// turned inputs do.
#include "core/conv_schedule.h"
#include "core/pixel_layout.h"

namespace fastconv {
namespace {

// What turning the inputs of an output pixel costs, relative to the pixel's products with all
// output channels: a quarter of a cycle for each element, where two vectors are multiplied in one.
double turning(const ConvProblem& p, const Machine& m) {
  const double inputs = static_cast<double>(larger(1, p.in.product())) /
                        static_cast<double>(larger(1, p.out.product()));
  const double products = static_cast<double>(p.group_out() * larger(1, p.kernel.product())) /
                          static_cast<double>(m.table.width);
  return 0.5 * inputs / products;
}

// Blocks of an axis or shares of the panels, whichever keeps all threads busier.
PanelCut cut_evenly(const ConvProblem& p, const Machine& m, Index units, Index length, Index unit,
                    Index least, Index panels, double pixels) {
  if (units * least >= 4 * m.threads || units * least % m.threads == 0) return {false, least, 1};
  const auto uneven = [](Index total, Index parts) {
    return static_cast<double>(ceil_div(total, parts) * parts) / static_cast<double>(total);
  };
  const Index lengths = ceil_div(length, unit);
  const Index blocks = smaller(lengths, ceil_div(least, m.threads) * m.threads);
  const Index parts = smaller(panels, m.threads);
  // Weights that are read once, and come from the third-level cache, cost some of the first tile.
  constexpr double kFromThird = 0.15;
  const double turn = turning(p, m), tile = kFromThird * static_cast<double>(m.table.pixels_m);
  const double by_blocks = uneven(lengths, blocks) *
                           static_cast<double>(ceil_div(m.threads, blocks)) *
                           (1.0 + turn + tile * static_cast<double>(blocks) / pixels);
  const double by_parts =
      uneven(panels, parts) * static_cast<double>(ceil_div(m.threads, parts)) *
      (1.0 + turn * static_cast<double>(parts) + tile * static_cast<double>(least) / pixels);
  if (by_parts < by_blocks) return {false, least, parts};
  return {false, blocks, 1};
}

}  // namespace

void schedule_direct_pixels(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.pixels_m;
  plan.tile_n = m.table.pixels_n;
  const Grid whole = grid_of(p, 1, 1);
  const Index rows = whole.count[1], cols = whole.count[2], channels = p.group_in();
  const Index units = p.batch * p.groups * whole.phases.product() * whole.count[0];
  const AxisPhase h = widest_phase(p, 1), w = widest_phase(p, 2), d = widest_phase(p, 0);
  const Index taps = p.kernel.product(), width = m.table.width;
  const Index budget = m.cache / m.element;  // elements: half of the second-level cache

  // A single row is cut into blocks of columns, several into blocks of rows.
  constexpr Index kLongRow = 4096;
  const bool by_cols = rows == 1;
  plan.block_cols = by_cols ? cols : even_share(cols, kLongRow);
  const auto positions = [&](Index block_rows, Index block_cols) {
    return turned_length(d, 1, p.in[0]) * turned_length(h, block_rows, p.in[1]) *
           turned_columns(p, w, block_cols);
  };
  // The weights of a panel take an eighth of what the inputs do (measured: half as much, up to a
  // twentieth slower). Where the rows of a kernel reach far, all rows are turned at once, and as
  // many channels as then fit.
  Index depth = larger(width, budget / 8 / larger(1, taps * plan.tile_n));
  const Index reach = larger(0, h.taps - 1) * (h.offset_step < 0 ? -h.offset_step : h.offset_step);
  if (4 * reach >= p.in[1]) {
    const Index fits = budget / larger(1, positions(rows, plan.block_cols));
    depth = smaller(depth, larger(4 * width, fits));
  }
  depth = even_share(channels, depth);
  if (depth < channels) depth = smaller(channels, ceil_div(depth, width) * width);
  plan.block_depth = larger(1, depth);
  const Index pitch = pixel_pitch(p, plan.block_depth, width);

  Index block = by_cols ? cols : rows;
  const auto turned = [&](Index length) {
    return pitch * (by_cols ? positions(1, length) : positions(length, plan.block_cols));
  };
  while (block > 1 && turned(block) > budget) block = (block + 1) / 2;
  const Index length = by_cols ? cols : rows;
  const Index panels = ceil_div(p.group_out(), plan.tile_n);
  const Index least = ceil_div(length, block);
  const Index pixels = rows * (by_cols ? cols : plan.block_cols);
  PanelCut cut = cut_evenly(p, m, units, length, by_cols ? plan.tile_m : 1, least, panels,
                            static_cast<double>(pixels));
  cut = cut_panels(p, m, units, pixels, plan.tile_n, least, length,
                   turning(p, m) * static_cast<double>(ceil_div(p.group_out(), width)), cut);
  plan.channel_parts = cut.parts;
  plan.block_rows = by_cols ? 1 : ceil_div(rows, cut.blocks);
  if (p.groups > 1 && groups_adjoin(p)) {
    // All groups pass over a block of rows while it lies in the second-level cache.
    const Index row = by_cols ? p.in_channels + p.out_channels
                              : p.in_channels * p.in[2] * p.stride[1] + p.out_channels * cols;
    const Index fits = larger(by_cols ? 64 : 1, budget / larger(1, row));
    if (by_cols) {
      cut.blocks = larger(cut.blocks, ceil_div(cols, fits));
    } else {
      plan.block_rows = even_share(plan.block_rows, fits);
    }
  }
  if (by_cols) plan.block_cols = ceil_div(ceil_div(cols, cut.blocks), plan.tile_m) * plan.tile_m;
  plan.tasks[1] = grid_tasks(p, grid_of(p, plan.block_rows, plan.block_cols), plan.channel_parts);

  const Index sums = plan.block_depth < channels
                         ? ceil_div(panels, plan.channel_parts) * plan.block_rows * plan.block_cols
                         : kChunkTiles * plan.tile_m;
  Index scratch = pitch * (positions(plan.block_rows, plan.block_cols) +
                           turned_columns(p, w, plan.block_cols)) +
                  plan.tile_n * sums;
  if (cut.in_passing) {
    scratch += plan.tile_n * plan.block_depth * taps;
  } else {
    plan.tasks[0] = p.groups * panels;
    plan.shared_bytes = static_cast<std::size_t>(p.groups * ceil_div(p.group_out(), width) * width *
                                                 larger(1, channels) * taps * m.element);
  }
  const Index run = 4 * static_cast<Index>(sizeof(Index));
  plan.scratch_bytes = static_cast<std::size_t>(scratch * m.element + taps * run + 1024);
}

}  // namespace fastconv
