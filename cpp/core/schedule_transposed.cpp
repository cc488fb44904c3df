// Transposed convolution with a stride, NCHW: strips of rows of input positions.
#include "core/conv_schedule.h"
#include "core/subpixel.h"

namespace fastconv {
namespace {

// Elements of a packed plane of a strip.
Index strip_size(const ConvProblem& p, const Machine& m, Index block_rows, Index block_cols) {
  return widest_phase(p, 0).taps * (block_rows + subpixel_axis(p, 1).taps - 1) *
             (block_cols + subpixel_axis(p, 2).taps - 1) +
         m.table.planar_n + 32;
}

// Blocks of positions and shares of the output channels, which come in units of `channel_unit`.
void cut_positions(const ConvProblem& p, const Machine& m, Index channel_unit, ConvPlan& plan) {
  const AxisPhase h = subpixel_axis(p, 1), w = subpixel_axis(p, 2);
  const Index channels = p.group_in(), rows = larger(1, h.count), cols = larger(1, w.count);
  const Index budget = m.cache / m.element;  // elements
  const auto strip = [&](Index block_rows, Index block_cols) {
    return strip_size(p, m, block_rows, block_cols);
  };

  // A strip holds all input channels, so that sums stay in registers; it stays in the cache while
  // the weights pass.
  constexpr Index kLongRow = 4096;
  Index block_cols = even_share(cols, kLongRow);
  while (block_cols > m.table.planar_n && strip(1, block_cols) * channels > budget) {
    block_cols = (block_cols + 1) / 2;
  }
  Index block_rows = rows;
  while (block_rows > 1 && strip(block_rows, block_cols) * channels > budget) {
    block_rows = (block_rows + 1) / 2;
  }

  // Threads share images, groups and depths first; then rows or columns, or output channels where
  // the weights outweigh the input.
  const Index units = p.batch * p.groups * p.out[0];
  const Index lots = ceil_div(p.group_out(), channel_unit);
  Index row_blocks = ceil_div(rows, block_rows), col_blocks = ceil_div(cols, block_cols);
  const Index blocks = units * row_blocks * col_blocks;
  if (blocks < 4 * m.threads && blocks % m.threads != 0) {
    const double weights = static_cast<double>(p.group_out() * channels * p.kernel.product());
    const double input = static_cast<double>(channels * p.in.product());
    const bool few = rows * cols < 2 * m.threads * m.table.planar_n;
    if (lots >= m.threads && (weights > input || few)) {
      plan.channel_parts = m.threads;
    } else if (rows >= m.threads) {
      row_blocks = smaller(rows, ceil_div(row_blocks, m.threads) * m.threads);
    } else if (cols >= m.threads * m.table.width) {
      col_blocks = ceil_div(col_blocks, m.threads) * m.threads;
    } else if (lots >= m.threads) {
      plan.channel_parts = m.threads;
    }
  }
  plan.block_rows = ceil_div(rows, row_blocks);
  plan.block_cols = ceil_div(cols, col_blocks);
  plan.block_depth = larger(1, channels);
  plan.tasks[1] =
      grid_tasks(p, subpixel_grid(p, plan.block_rows, plan.block_cols), plan.channel_parts);
}

// Bytes of the tables of phases, of which the carver aligns each piece.
Index table_bytes(const ConvProblem& p, Index pairs) {
  const Index taps = p.kernel.product();
  return (4 * taps * p.stride[2] + 2 * taps + pairs * (3 * 8 + 20) + 64) *
         static_cast<Index>(sizeof(Index));
}

}  // namespace

void schedule_transposed_planar(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.planar_m;
  plan.tile_n = m.table.planar_n;
  cut_positions(p, m, subpixel_channels(p, plan.tile_m), plan);
  const bool merged = subpixel_merged(p);
  const Index lot_rows = subpixel_units(p, plan.tile_m) * p.stride[2];
  const Index packed_rows = subpixel_rows(p);
  plan.tasks[0] = p.groups * ceil_div(packed_rows, merged ? lot_rows : plan.tile_m);
  plan.shared_bytes = static_cast<std::size_t>(
      larger(1, p.groups * packed_rows * subpixel_row_size(p)) * m.element);
  const Index channels = p.group_in();
  plan.scratch_bytes =
      static_cast<std::size_t>(table_bytes(p, merged ? 1 : p.stride[1] * p.stride[2]) +
                               (strip_size(p, m, plan.block_rows, plan.block_cols) * channels +
                                17 * channels + lot_rows * (plan.tile_n + 1) + 256) *
                                   m.element +
                               1024);
}

void schedule_transposed_pixels(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.winograd_m;
  plan.tile_n = m.table.winograd_n;
  const AxisPhase h = subpixel_axis(p, 1), w = subpixel_axis(p, 2);
  const Index width = m.table.width, lot = subpixel_column_lot(p, width);
  const Index rows = larger(1, h.count), cols = larger(1, w.count);
  const Index depth_taps = widest_phase(p, 0).taps;
  const Index depth = depth_taps * ceil_div(p.group_in(), width) * width;  // of a position
  const Index columns = ceil_div(lot * p.kernel[1] * p.kernel[2], width) * width;
  const auto inputs = [&](Index block_rows, Index block_cols) {
    return smaller(p.in[1], block_rows + h.taps - 1) * smaller(p.in[2], block_cols + w.taps - 1) *
           depth;
  };
  const auto planes = [&](Index block_rows, Index block_cols) {
    return columns * subpixel_plane(p, block_rows, block_cols, width) + width;
  };
  // Turned inputs and the planes of a lot fill three quarters of the second-level cache.
  const auto fits = [&](Index block_rows, Index block_cols) {
    return inputs(block_rows, block_cols) + planes(block_rows, block_cols) <=
           m.cache * 3 / 2 / m.element;
  };
  Index block_cols = cols, block_rows = rows;
  while (block_cols > m.table.planar_n && !fits(1, block_cols)) block_cols = (block_cols + 1) / 2;
  while (block_rows > 1 && !fits(block_rows, block_cols)) block_rows = (block_rows + 1) / 2;

  // Threads share images, groups and depths; then output channels, which share no sums, where
  // these are enough and weights outweigh the input or blocks would overlap; then rows.
  const Index units = p.batch * p.groups * p.out[0], lots = ceil_div(p.group_out(), lot);
  Index row_blocks = ceil_div(rows, block_rows), col_blocks = ceil_div(cols, block_cols);
  const Index blocks = units * row_blocks * col_blocks;
  if (blocks < 4 * m.threads && blocks % m.threads != 0) {
    const Index weights = p.group_out() * p.group_in() * p.kernel.product();
    const bool overlap = h.taps > 1 && rows < 64 * m.threads;
    if (lots % m.threads == 0 && (weights > p.group_in() * p.in.product() || overlap)) {
      plan.channel_parts = m.threads;
    } else if (rows >= 2 * m.threads) {
      row_blocks = smaller(rows, ceil_div(row_blocks, m.threads) * m.threads);
    } else if (lots >= m.threads) {
      plan.channel_parts = m.threads;
    } else if (cols >= m.threads * width) {
      col_blocks = ceil_div(col_blocks, m.threads) * m.threads;
    }
  }
  plan.block_rows = ceil_div(rows, row_blocks);
  plan.block_cols = ceil_div(cols, col_blocks);
  plan.block_depth = larger(1, p.group_in());
  plan.tasks[1] =
      grid_tasks(p, subpixel_grid(p, plan.block_rows, plan.block_cols), plan.channel_parts);

  // Weights that each thread reads a few times only are packed in passing.
  constexpr Index kMostRounds = 8;
  Index packed = 0;
  if (!m.keeps_weights && plan.tasks[1] <= kMostRounds * m.threads * plan.channel_parts) {
    packed = subpixel_lots_together(p, width, m.element) * columns * depth_taps * p.group_in();
  } else {
    plan.tasks[0] = p.groups * lots;
    plan.shared_bytes = static_cast<std::size_t>(
        larger(1, p.groups * lots * columns * p.group_in() * p.kernel[0]) * m.element);
  }
  constexpr Index kTiles = 8;  // of which the kernel keeps the products
  const Index scratch =
      inputs(plan.block_rows, plan.block_cols) + planes(plan.block_rows, plan.block_cols) + packed +
      (kTiles * plan.tile_m + width) * plan.tile_n + p.stride[2] * (plan.block_cols + width) + 512;
  const Index lists = p.kernel.product() + p.stride[1] * p.stride[2] + 64;
  plan.scratch_bytes =
      static_cast<std::size_t>(scratch * m.element + lists * static_cast<Index>(sizeof(Index)));
}

}  // namespace fastconv
