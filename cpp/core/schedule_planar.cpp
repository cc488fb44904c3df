// The dense families of NCHW arrays: strips of rows, blocks of unfolded pixels.
#include "core/conv_schedule.h"

namespace fastconv {
namespace {

// Blocks of a grid axis so that `units * blocks` feeds all threads evenly.
Index blocks_for(Index units, Index length, int threads) {
  if (units >= 4 * threads || units % threads == 0) return 1;
  return smaller(length, threads);
}

// Packs the weights of the planar kernels where that pays.
void pack_planar_weights(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  if (!m.keeps_weights && !packs_weights(p)) return;
  plan.tasks[0] = p.groups * ceil_div(p.group_out(), plan.tile_m);
  plan.shared_bytes = static_cast<std::size_t>(
      larger(1, p.out_channels * p.group_in() * p.kernel.product()) * m.element);
}

// Whether to write few planes at a time: sums so short that storing decides, and more planes, of an
// output that no cache holds, than prefetching and address translation follow. An input that is
// read in place is then fetched anew for every eight planes, which pays for very short sums or a
// very large output. Measured (AVX-512).
bool stores_decide(const ConvProblem& p, const Machine& m) {
  constexpr Index kManyPlanes = 96, kVeryShortSum = 32, kShortSum = 128;
  constexpr Index kLargeOutput = Index{6} << 20, kVeryLargeOutput = Index{48} << 20;  // bytes
  const Index sum = p.group_in() * p.kernel.product();
  const Index output = p.batch * p.out_channels * p.out.product() * m.element;
  if (p.group_out() < kManyPlanes || sum > kShortSum) return false;
  const bool streams = !in_place(p) || sum <= kVeryShortSum;
  return output > (streams ? kLargeOutput : kVeryLargeOutput);
}

// What the kernels take for granted of a first-level cache, less a quarter for weights and sums.
constexpr Index kFirstLevel = 36 << 10;

}  // namespace

Index panel_depth(Index rows, Index row_bytes) {
  return even_share(rows, larger(1, kFirstLevel / row_bytes));
}

void schedule_direct_planar(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.planar_m;
  plan.tile_n = m.table.planar_n;
  plan.reads_in_place = in_place(p);
  pack_planar_weights(p, m, plan);
  const bool streams_weights = plan.shared_bytes == 0 && !plan.reads_in_place;
  plan.pixels_innermost = streams_weights || stores_decide(p, m);
  const Grid whole = grid_of(p, 1, 1);
  const Index rows = whole.count[1], cols = whole.count[2], channels = p.group_in();
  const Index units = p.batch * p.groups * whole.phases.product() * whole.count[0];
  const AxisPhase h = widest_phase(p, 1), w = widest_phase(p, 2), d = widest_phase(p, 0);
  const Index budget = m.cache / m.element;  // elements

  // Very long rows are cut first: into what a few hundred register tiles cover.
  constexpr Index kLongRow = 4096;
  plan.block_cols = cols;
  if (cols > kLongRow) {
    const Index blocks = ceil_div(cols, kLongRow);
    plan.block_cols = ceil_div(ceil_div(cols, blocks), plan.tile_n) * plan.tile_n;
  }
  const auto strip = [&](Index block_rows) {
    const PackedAxis r = packed_axis(h, block_rows), c = packed_axis(w, plan.block_cols);
    return d.taps * r.copies * c.copies * r.length * c.length + plan.tile_n + 32;
  };
  if (plan.reads_in_place) {
    plan.block_rows = 1;
    plan.block_depth = plan.shared_bytes != 0 ? panel_depth(channels, m.element * plan.tile_n)
                                              : even_share(channels, 768);
    // The block of pixels that all channels' tiles pass over should stay in the cache.
    const Index fits = larger(plan.tile_n * 4, budget / larger(1, channels));
    Index blocks = ceil_div(cols, fits);
    if (units * blocks < 4 * m.threads)
      blocks = ceil_div(blocks * units, m.threads) * m.threads / units;
    blocks = larger(1, smaller(blocks, ceil_div(cols, plan.tile_n)));
    // Whole vectors, not whole tiles, which would give one of two threads a tenth more on 28x28.
    plan.block_cols = ceil_div(ceil_div(cols, blocks), m.table.width) * m.table.width;
  } else {
    // With packed weights as many channels as one tile of pixels can keep in the first-level cache.
    const PackedAxis r1 = packed_axis(h, 1), c1 = packed_axis(w, 1);
    const Index tap_rows = d.taps * r1.copies * c1.copies * smaller(h.taps, r1.length);
    // A phase of a transposed convolution may meet no kernel element at all.
    const Index tile_bytes = larger(1, tap_rows) * (m.element * (plan.tile_n + c1.length - 1) + 64);
    const Index fits = plan.shared_bytes != 0 ? larger(8, kFirstLevel / tile_bytes) : channels;
    plan.block_depth = even_share(channels, fits);
    // As many rows as keep the packed block and the outputs they add to in the second-level cache;
    // then fewer channels, if rows are too few for a tile or two.
    const Index outputs = plan.block_depth < channels ? p.group_out() * plan.block_cols : 0;
    Index block_rows = rows;
    while (block_rows > 1 && strip(block_rows) * plan.block_depth + block_rows * outputs > budget) {
      block_rows = (block_rows + 1) / 2;
    }
    const Index least = smaller(rows, ceil_div(2 * plan.tile_n, plan.block_cols));
    plan.block_rows = even_share(rows, larger(block_rows, least));
    plan.block_depth = even_share(
        channels, smaller(plan.block_depth, larger(8, 2 * budget / strip(plan.block_rows))));
  }

  // Threads share images and groups first, then rows, and output channels where weights outweigh
  // the input (each share then packs the input for itself).
  const Index blocks = ceil_div(rows, plan.block_rows) * ceil_div(cols, plan.block_cols);
  if (units * blocks < 4 * m.threads && units * blocks % m.threads != 0) {
    const double weights = static_cast<double>(p.group_out() * channels * p.kernel.product());
    const double input = static_cast<double>(channels * p.in.product());
    const Index tiles = p.group_out() / plan.tile_m;
    if (tiles >= m.threads && (weights > input || rows < 2 * m.threads)) {
      plan.channel_parts = m.threads;
    } else if (!plan.reads_in_place && rows >= m.threads) {
      const Index want = ceil_div(rows, ceil_div(rows, plan.block_rows));
      plan.block_rows = smaller(want, ceil_div(rows, m.threads));
    } else if (!plan.reads_in_place && cols >= 2 * plan.tile_n) {
      plan.block_cols =
          ceil_div(ceil_div(cols, blocks_for(units, cols, m.threads)), plan.tile_n) * plan.tile_n;
    } else if (tiles >= m.threads) {
      plan.channel_parts = m.threads;
    }
  }
  plan.tasks[1] = grid_tasks(p, grid_of(p, plan.block_rows, plan.block_cols), plan.channel_parts);
  const Index taps = p.kernel.product();
  const Index tables = 6 * (taps + plan.block_depth + 8) * static_cast<Index>(sizeof(Index));
  const Index packed = plan.reads_in_place ? 0 : strip(plan.block_rows) * plan.block_depth;
  plan.scratch_bytes = static_cast<std::size_t>(
      tables + (packed + plan.tile_m * plan.tile_n + 256) * m.element + 1024);
}

void schedule_im2col_planar(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.planar_m;
  plan.tile_n = m.table.planar_n;
  pack_planar_weights(p, m, plan);
  const Grid whole = pixel_grid(p, 1);
  const Index pixels = whole.col_blocks;
  const Index unfolded = larger(1, p.group_in() * p.kernel.product());
  plan.block_depth = even_share(unfolded, 768);
  const Index fits =
      larger(1, m.cache / (m.element * plan.block_depth * plan.tile_n)) * plan.tile_n;
  const Index units = p.batch * p.groups * whole.phases.product();
  Index blocks = ceil_div(pixels, fits);
  if (units * blocks < 4 * m.threads && units * blocks % m.threads != 0) {
    if (p.group_out() / plan.tile_m >= m.threads && pixels < 4 * plan.tile_n * m.threads) {
      plan.channel_parts = m.threads;
    } else {
      blocks = ceil_div(blocks, m.threads) * m.threads;
    }
  }
  plan.block_rows = 1;
  plan.block_cols = ceil_div(ceil_div(pixels, blocks), m.table.width) * m.table.width;
  plan.tasks[1] = grid_tasks(p, pixel_grid(p, plan.block_cols), plan.channel_parts);
  const Index tables = 2 * (plan.block_depth + 8) * static_cast<Index>(sizeof(Index));
  const Index panels = in_place(p) ? 1 : ceil_div(plan.block_cols, plan.tile_n);
  plan.scratch_bytes = static_cast<std::size_t>(
      tables + (plan.block_depth * panels * plan.tile_n + plan.tile_m * plan.tile_n) * m.element +
      1024);
}

}  // namespace fastconv
