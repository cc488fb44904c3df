// The matrix unit: strips of positions against panels of 32 output channels.
#include "core/conv_schedule.h"
#include "core/cpu_features.h"
#include "core/matrix_grid.h"

namespace fastconv {
namespace {

// What the kernel's tiles hold: see kernels/amx.
constexpr Index kPixels = 16, kChannels = 16, kDepth = 32, kTile = 1024, kLine = 64;

// Parts into which numbers are split.
Index parts_of(const ConvProblem& p) {
  return p.dtype == DType::bfloat16 ? 1 : 3 - static_cast<Index>(p.precision);
}

struct Blocks {
  Index images, slices, rows, cols;
};

// Positions of a strip, and what the kernel lists about it.
struct Strip {
  Index positions, rows, tiles;
};

Strip strip_of(const ConvProblem& p, const Blocks& b) {
  const Index count[kAxes] = {b.slices, b.rows, b.cols};
  Index copies = 1, length[kAxes]{};
  for (int a = 0; a < kAxes; ++a) {
    // The first phase has the most kernel elements and outputs, or as many as any.
    Index most_copies = 1, most_length = 0;
    for (Index phase = 0; phase < (p.transposed ? smaller(p.stride[a], p.out[a]) : 1); ++phase) {
      const PackedAxis packed = packed_axis(axis_phase(p, a, phase), count[a]);
      most_copies = larger(most_copies, packed.copies);
      most_length = larger(most_length, packed.length);
    }
    copies *= most_copies;
    length[a] = most_length;
  }
  const Index rows = b.images * length[0] * length[1];
  return {copies * (rows * length[2] + length[2] + kPixels), rows,
          b.images * b.slices * b.rows * ceil_div(b.cols, kPixels)};
}

}  // namespace

void schedule_matrix(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = plan.tile_n = 32;
  const Index parts = parts_of(p), taps = p.kernel.product();
  const Index blocks = larger(1, ceil_div(p.group_in(), kDepth));
  const Index panels = ceil_div(p.group_out(), 2 * kChannels);
  const Grid whole = grid_of(p, 1, 1);
  const Index phase_taps = ceil_div(taps, whole.phases.product());

  // A panel's weights for one block of input channels and the strip of that block stay in the
  // second-level cache (of which `cache` is half) together. Where rows of a strip that fits would
  // mostly be read for the kernel's reach, fewer channels at a time make room for more rows.
  const Index panel_block = phase_taps * parts * 2 * kTile;
  Index depth = even_share(blocks, larger(1, m.cache * 7 / 10 / panel_block));
  const auto room = [&] {
    const Index left = larger(m.cache / 3, m.cache * 3 / 2 - depth * panel_block);
    return larger(4 * kPixels, left / (depth * parts * kLine));  // positions
  };
  const auto rows_in = [&](Index fits) {
    Index rows = whole.count[1];
    while (rows > 1 && strip_of(p, {1, 1, rows, whole.count[2]}).positions > fits) {
      rows = (rows + 1) / 2;
    }
    return rows;
  };
  const AxisPhase h = axis_phase(p, 1, 0);
  const Index reach = h.highest_offset() - h.lowest_offset();
  while (depth > 1 && rows_in(room()) < whole.count[1] && rows_in(room()) * h.in_step < reach) {
    depth = even_share(blocks, depth - 1);
  }
  plan.block_depth = depth * kDepth;
  const Index fits = room();

  Blocks b{1, 1, whole.count[1], whole.count[2]};
  while (b.cols > 8 * kPixels && strip_of(p, {1, 1, 1, b.cols}).positions > fits) {
    b.cols = ceil_div(ceil_div(b.cols, Index{2}), kPixels) * kPixels;
  }
  if (strip_of(p, b).positions > fits) {
    Index rows = b.rows;
    while (rows > 1 && strip_of(p, {1, 1, rows, b.cols}).positions > fits) rows = (rows + 1) / 2;
    b.rows = even_share(b.rows, rows);
  } else if (b.cols == whole.count[2]) {
    while (b.slices < whole.count[0] &&
           strip_of(p, {1, b.slices + 1, b.rows, b.cols}).positions <= fits) {
      ++b.slices;
    }
    b.slices = even_share(whole.count[0], b.slices);
    if (b.slices == whole.count[0]) {
      const Index share = larger(1, p.batch * p.groups / m.threads);
      while (b.images < share &&
             strip_of(p, {b.images + 1, b.slices, b.rows, b.cols}).positions <= fits) {
        ++b.images;
      }
    }
  }

  // Work for every thread: rows, unless the weights are what a thread should not read twice.
  const auto tasks = [&] {
    plan.block_images = b.images;
    plan.block_slices = b.slices;
    plan.block_rows = b.rows;
    plan.block_cols = b.cols;
    return matrix_tasks(p, plan);
  };
  plan.channel_parts = 1;
  const Index weights = panels * blocks * taps * parts * 2 * kTile;
  if (const Index now = tasks(); now < 4 * m.threads && now % m.threads != 0) {
    constexpr Index kFewPixels = 128;
    const bool heavy = weights > 2 * m.cache || whole.count.product() < kFewPixels;
    if (panels >= m.threads && (heavy || p.group_out() >= 32 * p.group_in())) {
      plan.channel_parts = m.threads;
    } else if (whole.count[1] >= 2 * m.threads) {
      const Index row_blocks = ceil_div(whole.count[1], b.rows);
      b.rows = ceil_div(whole.count[1], ceil_div(row_blocks, m.threads) * m.threads);
    } else if (whole.count[2] >= 2 * kPixels) {
      const Index col_blocks = ceil_div(whole.count[2], b.cols);
      b.cols =
          ceil_div(ceil_div(whole.count[2], ceil_div(col_blocks, m.threads) * m.threads), kPixels) *
          kPixels;
    } else if (panels >= m.threads) {
      plan.channel_parts = m.threads;
    }
  }
  plan.tasks[0] = p.groups * panels * blocks;
  plan.tasks[1] = tasks();

  const Index tiles = ceil_div(p.group_out(), kChannels);
  // The innermost loop prefetches one step past the last panel.
  plan.shared_bytes = static_cast<std::size_t>(p.groups * tiles * blocks * taps * parts * kTile);
  const Strip strip = strip_of(p, b);
  const Index lists = taps * 7 * 8 + strip.rows * 24 + strip.tiles * 24 + 32 * 256 * m.element;
  const Index waiting = depth < blocks ? ceil_div(panels, plan.channel_parts) *
                                             ceil_div(strip.tiles, Index{2}) * 4 * kTile
                                       : 0;
  plan.scratch_bytes = static_cast<std::size_t>(
      lists + waiting + 4 * kTile + depth * parts * (strip.positions | 1) * kLine + 2048);
}

void schedule_matrix_unfolded(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  constexpr Index kPair = 2 * kPixels;
  plan.tile_m = plan.tile_n = 32;
  const Index parts = parts_of(p), taps = p.kernel.product();
  const Index blocks = larger(1, ceil_div(p.group_in() * taps, kDepth));
  const Index panels = ceil_div(p.group_out(), 2 * kChannels);
  const Index pair_bytes = blocks * parts * 2 * kTile;  // of pixels, and of a panel of weights
  const Index pixels = p.out.product();
  const Index pairs = ceil_div(pixels, kPair);
  // The pixels of a task and one panel of weights stay in the second-level cache.
  const Index fits = larger(1, (m.cache * 3 / 2 - pair_bytes) / pair_bytes);
  Index tasks = ceil_div(pairs, fits);
  const Index units = p.batch * p.groups;
  plan.channel_parts = 1;
  if (units * tasks < 4 * m.threads && units * tasks % m.threads != 0) {
    if (panels >= m.threads && panels * pair_bytes > m.cache && pairs < 8 * m.threads) {
      plan.channel_parts = m.threads;
    } else {
      tasks = ceil_div(tasks, m.threads) * m.threads;
    }
  }
  plan.block_rows = 1;
  plan.block_cols = ceil_div(pairs, tasks) * kPair;
  plan.block_depth = blocks * kDepth;
  plan.tasks[0] = p.groups * panels;
  plan.tasks[1] = grid_tasks(p, pixel_grid(p, plan.block_cols), plan.channel_parts);
  plan.shared_bytes = static_cast<std::size_t>(p.groups * ceil_div(p.group_out(), kChannels) *
                                               blocks * parts * kTile);
  // Per kernel element the runs of a pair of tiles: see unfold.inl.
  const Index lists = taps * (kPair * 16 + 64);
  plan.scratch_bytes =
      static_cast<std::size_t>(lists + 4 * kTile + plan.block_cols / kPair * pair_bytes + 1024);
}

}  // namespace fastconv
