// From a problem, the machine and what was forced to a plan: a pure function, which explain()
// prints.

#include <fastconv/fastconv.h>

#include <string>

#include "core/config.h"
#include "core/conv_choose.h"
#include "core/cpu_features.h"
#include "core/grid.h"
#include "core/names.h"
#include "core/parallel.h"
#include "core/registry.h"

namespace fastconv {

const char* declines(const ConvProblem& p, Family family, const DTypeTable& table) {
  const bool zeros = p.boundary == Boundary::fill && p.fill_value == 0.0;
  const bool last = p.x.channel == 1 && p.y.channel == 1 && p.in_channels > 1;
  if (!zeros && family != Family::rows) return "it knows no boundary but zeros";
  switch (family) {
    case Family::plain:
    case Family::direct_planar:
    case Family::direct_pixels:
    case Family::im2col_planar:
      return nullptr;
    case Family::rows:
      if (p.transposed) return "it has no transposed form";
      if (zeros && p.group_out() > 3) return "it suits at most 3 output channels per group";
      if (zeros && p.group_in() > 4) return "it suits at most 4 input channels per group";
      return nullptr;
    case Family::direct_channels_last:
    case Family::im2col_channels_last:
      return last ? nullptr : "the arrays are not channels-last";
    case Family::depthwise_channels_last:
      if (p.group_in() != 1 || p.group_out() != 1) return "the problem is not depthwise";
      if (!last) return "the arrays are not channels-last";
      return p.groups < table.width ? "the channels do not fill a vector" : nullptr;
  }
  return nullptr;
}

namespace {

struct Machine {
  const DTypeTable& table;
  Index element;  // bytes
  Index cache;    // bytes of the second-level cache that one task may fill
  int threads;
  bool keeps_weights;  // packing them costs nothing
};

Index multiply_adds(const ConvProblem& p) {
  // Of a transposed convolution every input meets every kernel element; of a convolution, every
  // output.
  const Index points = p.transposed ? p.in.product() : p.out.product();
  return p.batch * p.out_channels * p.group_in() * points * p.kernel.product();
}

// A pointwise convolution over adjoining rows is one over a single long row: then nothing is
// packed.
bool in_place(const ConvProblem& p) {
  if (p.transposed || p.x.spatial[2] != 1 || p.kernel.product() != 1) return false;
  for (int a = 0; a < kAxes; ++a) {
    if (p.stride[a] != 1 || p.pad_lo[a] != 0 || p.pad_hi[a] != 0) return false;
  }
  return p.in[0] == 1 && p.in[1] == 1;
}

// One packed weight costs about as much as fifty of its multiply-adds, which packing makes a tenth
// faster.
bool packs_weights(const ConvProblem& p) {
  constexpr Index kLeastPixels = 600;
  return p.batch * (p.transposed ? p.in.product() : p.out.product()) >= kLeastPixels;
}

struct PlanarCost {
  double direct, im2col;  // relative to multiply-adds alone
};

// Positions that a register tile computes for each that is kept, and what else slows it down. The
// constants are measured, all relative to multiply-adds that stream from aligned, packed memory:
// vectors that straddle cache lines cost the direct kernel 6 %; unfolding one element costs as much
// as multiplying it for 12 output channels; weights that are not packed cost im2col 12 %, because
// its blocks cut their streams short.
PlanarCost planar_cost(const ConvProblem& p, const DTypeTable& table) {
  const AxisPhase cols = axis_phase(p, 2, 0);
  const PackedAxis packed = packed_axis(cols, cols.count);
  const Index left = larger(0, -cols.lowest_offset());
  const double pitch = static_cast<double>(
      larger(cols.count, packed.length - smaller(packed.length - cols.count, left / packed.step)));
  const double k = static_cast<double>(p.group_out());
  const double taps = static_cast<double>(p.kernel.product());
  const auto rounded = [&](double positions) {
    const double width = static_cast<double>(table.width);
    return static_cast<double>(static_cast<Index>((positions + width - 1) / width)) * width;
  };
  const double rows = static_cast<double>(axis_phase(p, 1, 0).count);
  const double useful = rows * static_cast<double>(cols.count);
  const double depths = static_cast<double>(axis_phase(p, 0, 0).count);
  const double loose = packs_weights(p) ? 0.0 : 0.12;
  const double unfolded = rounded(useful * depths) / (useful * depths) * (1.0 + loose + 12.0 / k);
  if (in_place(p)) return {rounded(useful) / useful * (1.15 + loose), unfolded};
  return {rounded(rows * pitch) / useful * 1.06 + 4.0 / (k * taps), unfolded};
}

// Blocks of a grid axis so that `units * blocks` feeds all threads evenly.
Index blocks_for(Index units, Index length, int threads) {
  if (units >= 4 * threads || units % threads == 0) return 1;
  return smaller(length, threads);
}

// What the kernels take for granted of a first-level cache, less a quarter for weights and sums.
constexpr Index kFirstLevel = 36 << 10;

// The largest of equal shares of `total` that is at most `most`.
Index even_share(Index total, Index most) {
  const Index all = larger(1, total);
  return ceil_div(all, ceil_div(all, larger(1, most)));
}

// Rows of a panel, `width` elements each, that stay in the first-level cache.
Index panel_depth(const Machine& m, Index rows, Index width) {
  return even_share(rows, kFirstLevel / (m.element * width));
}

// Packs the weights of the planar kernels where that pays.
void pack_planar_weights(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  if (!m.keeps_weights && !packs_weights(p)) return;
  plan.tasks[0] = p.groups * ceil_div(p.group_out(), plan.tile_m);
  plan.shared_bytes = static_cast<std::size_t>(
      larger(1, p.out_channels * p.group_in() * p.kernel.product()) * m.element);
}

void schedule_direct_planar(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.planar_m;
  plan.tile_n = m.table.planar_n;
  plan.reads_in_place = in_place(p);
  pack_planar_weights(p, m, plan);
  const Grid whole = grid_of(p, 1, 1);
  const Index rows = whole.count[1], cols = whole.count[2], channels = p.group_in();
  const Index units = p.batch * p.groups * whole.phases.product() * whole.count[0];
  const AxisPhase h = axis_phase(p, 1, 0), w = axis_phase(p, 2, 0), d = axis_phase(p, 0, 0);
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
    plan.block_depth =
        plan.shared_bytes != 0 ? panel_depth(m, channels, plan.tile_n) : even_share(channels, 768);
    // The block of pixels that all channels' tiles pass over should stay in the cache.
    const Index fits = larger(plan.tile_n * 4, budget / larger(1, channels));
    Index blocks = ceil_div(cols, fits);
    if (units * blocks < 4 * m.threads)
      blocks = ceil_div(blocks * units, m.threads) * m.threads / units;
    blocks = larger(1, smaller(blocks, ceil_div(cols, plan.tile_n)));
    plan.block_cols = ceil_div(ceil_div(cols, blocks), plan.tile_n) * plan.tile_n;
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

// Bytes of one panel of packed weights, which streams past every tile of pixels.
Index panel_bytes(const ConvProblem& p, const DTypeTable& table, Index element) {
  return smaller(p.group_out(), table.channels_last_n) * p.group_in() * p.kernel.product() *
         element;
}

void schedule_direct_pixels(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.channels_last_m;
  plan.tile_n = m.table.channels_last_n;
  const Grid whole = grid_of(p, 1, 1);
  const Index rows = whole.count[1], cols = whole.count[2], channels = p.group_in();
  const Index units = p.batch * p.groups * whole.phases.product() * whole.count[0];
  const AxisPhase h = axis_phase(p, 1, 0), w = axis_phase(p, 2, 0), d = axis_phase(p, 0, 0);
  constexpr Index kLongRow = 4096;
  const Index group = 12 * m.table.planar_n;  // at least what the kernel stores together
  plan.block_cols = cols > kLongRow ? even_share(cols, kLongRow) : cols;
  const auto strip = [&](Index block_rows) {
    const PackedAxis r = packed_axis(h, block_rows), c = packed_axis(w, plan.block_cols);
    return d.taps * r.copies * c.copies * r.length * c.length + m.table.planar_n + 32;
  };
  // The strip shares the second-level cache with a panel of weights.
  const Index room =
      larger(m.cache / 4, 2 * m.cache - m.cache / 4 - panel_bytes(p, m.table, m.element));
  const Index budget = smaller(m.cache, room) / m.element;
  Index block_rows = rows;
  while (block_rows > 1 && strip(block_rows) * channels > budget) block_rows = (block_rows + 1) / 2;
  Index blocks = ceil_div(rows, block_rows);
  const Index panels = ceil_div(p.group_out(), plan.tile_n);
  if (units * blocks < 4 * m.threads && units * blocks % m.threads != 0) {
    if (panels % m.threads == 0 && rows < 4 * m.threads) {
      plan.channel_parts = m.threads;
    } else {
      blocks = smaller(rows, ceil_div(blocks, m.threads) * m.threads);
    }
  }
  plan.block_rows = ceil_div(rows, blocks);
  plan.block_depth = larger(1, channels);
  plan.tasks[0] = p.groups * panels;
  plan.tasks[1] = grid_tasks(p, grid_of(p, plan.block_rows, plan.block_cols), plan.channel_parts);
  const Index taps = p.kernel.product();
  plan.shared_bytes =
      static_cast<std::size_t>(p.groups * ceil_div(p.group_out(), m.table.width) * m.table.width *
                               larger(1, channels * taps) * m.element);
  plan.scratch_bytes = static_cast<std::size_t>(
      6 * (taps + 16) * static_cast<Index>(sizeof(Index)) +
      (strip(plan.block_rows) * (channels + 16) + 2 * group * plan.tile_n + 256) * m.element +
      1024);
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
  plan.block_cols = ceil_div(ceil_div(pixels, blocks), plan.tile_n) * plan.tile_n;
  plan.tasks[1] = grid_tasks(p, pixel_grid(p, plan.block_cols), plan.channel_parts);
  const Index tables = 2 * (plan.block_depth + 8) * static_cast<Index>(sizeof(Index));
  plan.scratch_bytes = static_cast<std::size_t>(
      tables + (plan.block_depth * plan.block_cols + plan.tile_m * plan.tile_n) * m.element + 1024);
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
  plan.tile_m = 4;
  plan.tile_n = m.table.width;
  ConvProblem one = p;
  one.groups = 1;
  const Grid whole = pixel_grid(one, 1);
  const Index units = p.batch * whole.phases.product();
  // Blocks of a few rows: their input rows stay in the cache.
  const Index blocks = larger(1, smaller(whole.col_blocks / 8, ceil_div(8 * m.threads, units)));
  plan.block_rows = 1;
  plan.block_cols = ceil_div(ceil_div(whole.col_blocks, blocks), 4) * 4;
  plan.tasks[0] = p.kernel.product();
  plan.tasks[1] = grid_tasks(one, pixel_grid(one, plan.block_cols), 1);
  plan.shared_bytes = static_cast<std::size_t>(p.groups * p.kernel.product() * m.element);
  plan.scratch_bytes =
      static_cast<std::size_t>(p.kernel.product() * 5 * static_cast<Index>(sizeof(void*)) + 1024);
}

void schedule_rows(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  // The kernel's own tile: rows x vectors, see conv_rows.inl.
  const Index vectors = m.table.planar_m >= 8 ? 4 : 2, tile_rows = m.table.planar_m >= 8 ? 6 : 4;
  plan.tile_m = tile_rows;
  plan.tile_n = vectors * m.table.width;
  const AxisPhase h = axis_phase(p, 1, 0), w = axis_phase(p, 2, 0);
  const Index rows = p.out[1], cols = p.out[2];
  constexpr Index kLongRow = 4096;
  plan.block_cols =
      cols <= kLongRow
          ? cols
          : ceil_div(ceil_div(cols, ceil_div(cols, kLongRow)), plan.tile_n) * plan.tile_n;
  const PackedAxis c = packed_axis(w, plan.block_cols);
  const Index pitch = ceil_div(c.length, 16) * 16 * c.copies;
  const Index halo = (h.taps - 1) * h.offset_step;
  // A strip that fills a quarter of the cache, with few rows packed twice.
  const Index fits = larger(tile_rows, (m.cache / 4 / (m.element * pitch) - halo) / h.in_step);
  const Index units = p.batch * p.groups * p.out[0];
  Index blocks = ceil_div(rows, smaller(rows, fits));
  const Index col_blocks = ceil_div(cols, plan.block_cols);
  if (units * blocks * col_blocks < 4 * m.threads) {
    blocks = larger(
        blocks, smaller(ceil_div(rows, tile_rows), ceil_div(4 * m.threads, units * col_blocks)));
  }
  plan.block_rows = ceil_div(rows, blocks);
  if (rows == 1 && units < m.threads && cols >= 2 * plan.tile_n && col_blocks < m.threads) {
    plan.block_cols = ceil_div(ceil_div(cols, m.threads), plan.tile_n) * plan.tile_n;
  }
  plan.tasks[1] = grid_tasks(p, grid_of(p, plan.block_rows, plan.block_cols), 1);
  const Index strip_rows = (plan.block_rows - 1) * h.in_step + halo + 1;
  const Index sums =
      p.group_in() * p.kernel[0] > 1 ? plan.block_rows * (plan.block_cols + plan.tile_n) : 0;
  const Index reach = h.in_step * (tile_rows - 1) + h.taps;
  plan.scratch_bytes = static_cast<std::size_t>(
      (strip_rows * pitch + sums + (plan.tile_m + 2) * plan.tile_n + 64) * m.element +
      (w.taps + reach + strip_rows + 32) * static_cast<Index>(sizeof(void*)) + 1024);
}

void schedule_plain(const ConvProblem& p, const Machine&, ConvPlan& plan) {
  plan.block_rows = plan.block_cols = 16;
  plan.tasks[1] = grid_tasks(p, grid_of(p, 16, 16), 1);
}

// Where broadcasting pixels beats vectors of pixels: see conv_direct_pixels.inl.
bool suits_pixels(const ConvProblem& p, const DTypeTable& table) {
  const Index element = p.dtype == DType::float32 ? 4 : 8;
  const Index sum = p.group_in() * p.kernel.product();
  return table.width > 1 && !in_place(p) && packs_weights(p) && sum >= 256 &&
         p.group_out() * 4 >= ceil_div(p.group_out(), table.width) * table.width * 3 &&
         p.group_out() >= 2 * table.width &&
         panel_bytes(p, table, element) <= static_cast<Index>(second_level_cache()) * 5 / 8;
}

// The families of an algorithm, most specialised first.
Family pick_direct(const ConvProblem& p, const DTypeTable& table, const char*& why) {
  const auto can = [&](Family family) { return declines(p, family, table) == nullptr; };
  if (can(Family::depthwise_channels_last)) {
    why = "depthwise and channels-last: vectors along the channels";
    return Family::depthwise_channels_last;
  }
  if (can(Family::direct_channels_last) && p.group_out() >= 4) {
    why = "channels-last: inputs are broadcast where they lie, vectors along the output channels";
    return Family::direct_channels_last;
  }
  if (can(Family::rows)) {
    why = "few channels per group: vectors along the row, input rows shared by output rows";
    return Family::rows;
  }
  if (suits_pixels(p, table)) {
    why = "many output channels and pixels: packed weights in vectors, pixels broadcast";
    return Family::direct_pixels;
  }
  why = "vectors along flattened rows, a register tile of output channels";
  return Family::direct_planar;
}

Family pick_im2col(const ConvProblem& p, const DTypeTable& table, const char*& why) {
  if (declines(p, Family::im2col_channels_last, table) == nullptr) {
    why = "channels-last: unfolded pixels against packed weights";
    return Family::im2col_channels_last;
  }
  why = "panels of unfolded input against weights where they lie";
  return Family::im2col_planar;
}

Family pick(const ConvProblem& p, Algorithm algorithm, const DTypeTable& table, const char*& why) {
  if (algorithm == Algorithm::im2col) return pick_im2col(p, table, why);
  const Family direct = pick_direct(p, table, why);
  if (algorithm == Algorithm::direct) return direct;
  if (direct == Family::direct_pixels || direct == Family::direct_planar) {
    // Broadcasting pixels takes a tenth less than vectors of pixels do (measured).
    const PlanarCost cost = planar_cost(p, table);
    if (cost.im2col < cost.direct * (direct == Family::direct_pixels ? 0.9 : 1.0)) {
      why = in_place(p)
                ? "many output channels share each input once it lies next to its neighbours"
                : "rows are much shorter than their padded pitch: unfolding wastes fewer "
                  "multiply-adds";
      return Family::im2col_planar;
    }
  }
  if (direct == Family::direct_channels_last && p.group_in() < 8 && p.kernel.product() > 1) {
    why = "few input channels, channels-last: unfolded so that the innermost loop is long";
    return Family::im2col_channels_last;
  }
  return direct;
}

// A single thread where another would cost more to wake than it saves.
int useful_threads(const ConvProblem& p, int threads) {
  constexpr double kLeastWork = 250'000;  // multiply-adds, or elements moved times eight
  const double work = static_cast<double>(multiply_adds(p)) +
                      8.0 * static_cast<double>(p.batch * p.out_channels * p.out.product());
  return work < kLeastWork ? 1 : threads;
}

// Workspace of a thread beyond which a block of the input is not worth copying.
constexpr std::size_t kMostScratch = std::size_t{64} << 20;

// What takes elements one by one where others copy whole stretches of the input.
Family without_blocks(const ConvProblem& p, Algorithm algorithm, const DTypeTable& table) {
  if (algorithm == Algorithm::direct) return Family::plain;
  const char* why = "";
  return pick_im2col(p, table, why);
}

}  // namespace

void schedule(const ConvProblem& problem, const DTypeTable& table, Index cache, bool keeps_weights,
              ConvPlan& plan) {
  const Machine machine{table, problem.dtype == DType::float32 ? 4 : 8, cache, plan.threads,
                        keeps_weights};
  switch (plan.family) {
    case Family::plain:
      schedule_plain(problem, machine, plan);
      break;
    case Family::direct_planar:
      schedule_direct_planar(problem, machine, plan);
      break;
    case Family::direct_pixels:
      schedule_direct_pixels(problem, machine, plan);
      break;
    case Family::direct_channels_last:
      schedule_channels_last(problem, machine, false, plan);
      break;
    case Family::rows:
      schedule_rows(problem, machine, plan);
      break;
    case Family::depthwise_channels_last:
      schedule_depthwise_channels_last(problem, machine, plan);
      break;
    case Family::im2col_planar:
      schedule_im2col_planar(problem, machine, plan);
      break;
    case Family::im2col_channels_last:
      schedule_channels_last(problem, machine, true, plan);
      break;
  }
}

Status plan_conv(const ConvProblem& problem, const PlanOptions& options, ConvPlan& plan) {
  if (!environment_status().ok()) return environment_status();
  if (Status status = validate(problem); !status.ok()) return status;
  // An empty batch is planned as one image: there is nothing to share, but a plan to show.
  ConvProblem filled = problem;
  filled.batch = larger(1, problem.batch);
  plan = ConvPlan{};
  plan.threads = useful_threads(filled, options.threads > 0 ? options.threads : max_threads());
  const Algorithm algorithm =
      options.algorithm != Algorithm::automatic ? options.algorithm : environment_algorithm();
  const Unit* unit = find_unit(active_isa());
  const DTypeTable& table = unit->table[static_cast<int>(problem.dtype)];
  plan.isa = unit->isa;
  plan.family = pick(filled, algorithm, table, plan.reason);
  if (const char* why = declines(filled, plan.family, table); why != nullptr) {
    return Status::error(StatusCode::unsupported,
                         std::string("algorithm '") + algorithm_name(algorithm) +
                             "' cannot compute this problem: " + why + "; use algorithm='auto'");
  }
  const ConvPlan unscheduled = plan;
  const Index cache = static_cast<Index>(second_level_cache()) / 2;
  schedule(filled, table, cache, options.keeps_weights, plan);
  if (plan.scratch_bytes > kMostScratch) {
    const Family sparse = without_blocks(filled, algorithm, table);
    if (declines(filled, sparse, table) == nullptr) {
      plan = unscheduled;
      plan.family = sparse;
      plan.reason = "the steps are so large that blocks of the input would be mostly holes";
      schedule(filled, table, cache, options.keeps_weights, plan);
    }
  }
  plan.threads = static_cast<int>(larger(1, smaller(plan.threads, plan.tasks[1])));
  return {};
}

}  // namespace fastconv
