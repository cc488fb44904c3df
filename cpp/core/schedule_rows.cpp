// The row kernels: register tiles that sweep over rows, packed or where they lie.
#include "core/conv_schedule.h"

namespace fastconv {
namespace {

constexpr Index kMostVectors = 8;  // of a tile
constexpr Index kLongRow = 4096;

// Register tiles of 32 and of 16 registers, see row_tile.inl.
void set_tile(const Machine& m, ConvPlan& plan) {
  const bool many = m.table.planar_m >= 8;
  plan.tile_m = many ? 6 : 4;
  plan.tile_n = (many ? 4 : 2) * m.table.width;
}

// Bytes of what row_sweep.inl and its users work out per block: planes, kernel columns, weights,
// tiles along the row, and the masks of those that meet the edges.
Index table_bytes(const ConvProblem& p, const Machine& m, Index block_cols) {
  const Index planes = larger(1, p.group_in() * p.kernel[0]), taps = p.kernel[2];
  const Index vectors = ceil_div(block_cols, m.table.width);
  const Index reach = p.dilation[2] * (taps - 1) + p.pad_lo[2] + p.pad_hi[2];
  const Index masked = smaller(vectors + kMostVectors,
                               ceil_div(reach, p.stride[2] * m.table.width) + 4 * kMostVectors);
  constexpr Index kBlock = 64, kMask = 32;
  const Index weights = planes * p.kernel[1] * taps * m.element;
  return 2 * planes * 8 + taps * 8 + vectors * kBlock + masked * taps * p.stride[2] * kMask +
         weights + 512;
}

// Columns of a block; few blocks suffice where there are other things to share out.
Index columns(const ConvProblem& p, const Machine& m, Index tile_n, Index units) {
  const Index cols = p.out[2];
  Index blocks = ceil_div(cols, kLongRow);
  if (p.out[1] == 1 && units < m.threads && cols >= 2 * tile_n) blocks = larger(blocks, m.threads);
  return blocks == 1 ? cols : ceil_div(ceil_div(cols, blocks), tile_n) * tile_n;
}

}  // namespace

void schedule_rows_in_place(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  set_tile(m, plan);
  const Index units = p.batch * p.groups * p.out[0], rows = p.out[1];
  plan.block_cols = columns(p, m, plan.tile_n, units);
  const Index shares = units * ceil_div(p.out[2], plan.block_cols);
  // Whole planes where they can be shared out evenly, else a few blocks of rows for each thread.
  Index blocks = 1;
  if (shares < 8 * m.threads && shares % m.threads != 0) blocks = ceil_div(4 * m.threads, shares);
  constexpr Index kLeastRows = 28;  // fewer read too many rows twice
  blocks = smaller(blocks, ceil_div(rows, larger(kLeastRows, 2 * p.kernel[1])));
  if (shares * blocks < m.threads) blocks = smaller(rows, ceil_div(m.threads, shares));
  plan.block_rows = blocks == 1 ? rows : ceil_div(ceil_div(rows, blocks), 4) * 4;
  plan.tasks[1] = grid_tasks(p, grid_of(p, plan.block_rows, plan.block_cols), 1);
  plan.scratch_bytes = static_cast<std::size_t>(table_bytes(p, m, plan.block_cols));
}

void schedule_rows(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  set_tile(m, plan);
  const AxisPhase h = axis_phase(p, 1, 0), w = axis_phase(p, 2, 0);
  const Index rows = p.out[1], tile_rows = plan.tile_m;
  const Index units = p.batch * p.groups * p.out[0];
  plan.block_cols = columns(p, m, plan.tile_n, units);
  const PackedAxis c = packed_axis(w, plan.block_cols);
  const Index pitch = ceil_div(c.length, 16) * 16 * c.copies;
  const Index planes = larger(1, p.group_in() * p.kernel[0]);
  const Index halo = (h.taps - 1) * h.offset_step;
  // A strip that fills a quarter of the cache, with few rows packed twice.
  const Index fits =
      larger(tile_rows, (m.cache / 4 / (m.element * pitch * planes) - halo) / h.in_step);
  Index blocks = ceil_div(rows, smaller(rows, fits));
  const Index col_blocks = ceil_div(p.out[2], plan.block_cols);
  if (units * blocks * col_blocks < 4 * m.threads) {
    blocks = larger(
        blocks, smaller(ceil_div(rows, tile_rows), ceil_div(4 * m.threads, units * col_blocks)));
  }
  plan.block_rows = ceil_div(rows, blocks);
  plan.tasks[1] = grid_tasks(p, grid_of(p, plan.block_rows, plan.block_cols), 1);
  const Index strip_rows = (plan.block_rows - 1) * h.in_step + halo + 1;
  const Index slack = kMostVectors * m.table.width + 32;
  plan.scratch_bytes = static_cast<std::size_t>((strip_rows * pitch * planes + slack) * m.element +
                                                table_bytes(p, m, plan.block_cols) + 1024);
}

}  // namespace fastconv
