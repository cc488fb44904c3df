// Winograd's algorithm: what it takes, when it pays, and its blocks of tiles.
#include <algorithm>

#include "core/choose_dense.h"
#include "core/conv_schedule.h"
#include "core/estimate.h"
#include "core/parallel.h"
#include "core/winograd.h"

namespace fastconv {

namespace {

// Whether tiles suit an axis: its kernel is of one element, or its phases of 2, 3 or 5.
bool along_axis(const ConvProblem& p, int axis) {
  const Index size = p.kernel[axis], stride = p.stride[axis];
  if (size == 1) return stride == 1;
  if (stride == 1) return size == 2 || size == 3 || size == 5;
  return stride == 2 && size >= 3 && size <= 6 && p.dilation[axis] == 1;
}

// Families for a kernel, the one of the smallest errors first.
struct WinogradFamilies {
  const Family* first;
  Index count;

  const Family* begin() const { return first; }
  const Family* end() const { return first + count; }
};

WinogradFamilies winograd_families(const ConvProblem& p) {
  static constexpr Family kPair[] = {Family::winograd_3x3}, kFive[] = {Family::winograd_2x2};
  static constexpr Family kThree[] = {Family::winograd_2x2, Family::winograd_4x2,
                                      Family::winograd_4x4};
  switch (winograd_taps(p)) {
    case 2:
      return {kPair, 1};
    case 5:
      return {kFive, 1};
    default:
      return {kThree, 3};
  }
}

}  // namespace

const char* winograd_declines(const ConvProblem& p) {
  if (p.dtype != DType::float32) return "its transforms are for float32";
  if (p.group_in() == 0) return "there are no input channels";
  if (p.transposed && p.stride[0] != 1) return "transposed, it knows no stride of the depth but 1";
  if (!along_axis(p, 1) || !along_axis(p, 2) || p.kernel[1] * p.kernel[2] == 1) {
    return "it suits kernels of 2, 3 or 5 elements along an axis, at stride 2 of 3 to 6";
  }
  if (p.kernel[1] > 1 && p.kernel[2] > 1 &&
      ceil_div(p.kernel[1], p.stride[1]) != ceil_div(p.kernel[2], p.stride[2])) {
    return "its tiles are for kernels as high as wide";
  }
  if (p.has_addend && p.y.channel != 1 && p.y.spatial[2] != 1) {
    return "it adds other arrays to whole rows only";
  }
  return nullptr;
}

const char* winograd_declines(const ConvProblem& p, Family family) {
  if (const char* why = winograd_declines(p); why != nullptr) return why;
  for (const Family suited : winograd_families(p)) {
    if (suited == family) return nullptr;
  }
  return "its tiles are for kernels of another size";
}

namespace {

// Tiles of a block whose transformed input fits the cache, in whole register tiles: of 16 tiles,
// two halves would read the weights twice.
Index fitting_tiles(const ConvProblem& p, const WinogradGrid& grid, const DTypeTable& table,
                    Index cache) {
  const Index channels = ceil_div(p.group_in(), table.width) * table.width;
  const Index bytes =
      grid.points() * grid.phases() * p.kernel[0] * channels * element_size(p.dtype);
  return larger(1, cache / bytes / table.winograd_m) * table.winograd_m;
}

// How the tiles and the output channels of a group are shared out.
struct WinogradCut {
  bool in_passing;  // each task transforms the weights that it needs; else phase 0 does
  Index blocks;     // of tiles
  Index parts;      // of the output channels
  double cost;      // time in multiply-adds of a vector at full speed
};

// Estimates of one problem. The constants are measured with AVX-512; with AVX2 they choose the
// faster kernel of 20 layers but for two, too. Products run at 85 % of the peak; one transform of a
// tile and a vector of channels costs as much as 14 multiply-adds for each of its points (9 where
// these take as long again, see pair_cycles). A vector of weights costs 20 to transform; if all of
// them do not fit the second-level cache, 6 cycles to fetch for each block of tiles, if they fit no
// cache 14; and where one phase writes it and the next, on another core, reads it, 100 more,
// because its cache line moves from core to core twice.
class WinogradCosts {
 public:
  WinogradCosts(const ConvProblem& p, const DTypeTable& table, Family family, Index cache,
                bool keeps_weights)
      : p_(p),
        grid_(winograd_grid(p, winograd_tile(family))),
        packed_(winograd_weights(p, grid_, table.width)),
        fits_(fitting_tiles(p, grid_, table, cache)),
        tile_m_(table.winograd_m),
        keeps_weights_(keeps_weights) {
    constexpr double kProducts = 0.85, kPart = 2;
    constexpr Index kLastLevel = Index{24} << 20;
    const double transform = pair_cycles(table) > 1 ? 9 : 14;
    const double points = number(grid_.points());
    weights_ = sums() * number(p.kernel[0] * p.group_in() * packed_.vectors);
    const Index bytes = packed_.size() * element_size(p.dtype);
    fetch_ = (bytes > kLastLevel ? 14 : bytes > 2 * cache ? 6 : 0) * 2 / pair_cycles(table);
    const Index blocks = grid_.phases() * p.kernel[0] * ceil_div(p.group_in(), table.width);
    turn_in_ = points * transform * number(blocks);
    turn_out_ = points * transform * number(packed_.vectors);
    products_ = weights_ * (1 / kProducts + kPart / number(winograd_part(p, grid_)));
  }

  WinogradCut best(int threads) const {
    const Index total = larger(1, grid_.total());
    WinogradCut best = shared(threads);
    if (keeps_weights_) return best;
    // Transformed inputs may leave the second-level cache: reading some from the third for each
    // block of output channels costs less than weights written there and read again.
    const Index least = ceil_div(total, 8 * fits_);
    for (Index rows = 1; rows <= threads; ++rows) {
      const Index blocks = smaller(total, ceil_div(least, rows) * rows);
      const Index parts = smaller(packed_.blocks(), ceil_div(threads, rows));
      const WinogradCut other = cut(true, blocks, parts, threads);
      if (other.cost < best.cost) best = other;
    }
    return best;
  }

 private:
  // Of all points, the phases of the inputs that they sum over, as a mean of those of the outputs.
  double sums() const {
    const Index vectors = grid_.channel_vectors();
    Index all = 0;
    for (Index r = 0; r < grid_.points(0); ++r) {
      for (Index c = 0; c < grid_.points(1); ++c) {
        const Range phases = grid_.phases_of(r, c);
        for (Index v = 0; v < vectors; ++v) {
          if (!grid_.silent(v, r)) all += phases.hi - phases.lo;
        }
      }
    }
    return number(all) / number(vectors);
  }

  WinogradCut cut(bool in_passing, Index blocks, Index parts, int threads) const {
    constexpr double kPack = 20, kMove = 100;
    const double share =
        number(ceil_div(packed_.blocks(), parts)) / number(packed_.blocks());  // the largest
    const double tiles = number(ceil_div(grid_.total(), blocks));
    const double fetches = in_passing ? 0.0 : weights_ * fetch_;
    const double multiplied = tiles * products_;
    double task = tiles * turn_in_ +
                  share * (tiles * turn_out_ + (multiplied > fetches ? multiplied : fetches));
    if (in_passing) task += share * weights_ * kPack;
    const Index rounds = ceil_div(p_.groups * blocks * parts, threads);
    double cost = number(rounds) * task;
    if (!in_passing && !keeps_weights_) {
      cost += number(p_.groups) * weights_ * (kPack + kMove) / number(threads);
    }
    return {in_passing, blocks, parts, cost};
  }

  // Threads share tiles where enough are left to a block that weights, read once for each, do not
  // hold it up; else output channels, for each share of which the input is transformed again.
  WinogradCut shared(int threads) const {
    const Index total = grid_.total();
    Index blocks = larger(1, ceil_div(total, fits_)), parts = 1;
    const Index units = p_.groups * blocks;
    if (units < 4 * threads && units % threads != 0) {
      const Index want = ceil_div(ceil_div(units, threads) * threads, p_.groups);
      if (total >= want * tile_m_ * 3 / 2) {
        blocks = want;
      } else {
        parts = smaller(packed_.blocks(), threads / greatest_common_divisor(units, threads));
      }
    }
    return cut(false, blocks, parts, threads);
  }

  const ConvProblem& p_;
  const WinogradGrid grid_;
  const WinogradWeights packed_;
  const Index fits_;
  const Index tile_m_;
  const bool keeps_weights_;
  double weights_, turn_in_, turn_out_, products_, fetch_;
};

// What the choice of a family goes by: one thread and a cache of the usual size, so that it depends
// on neither.
double winograd_cost(const ConvProblem& p, const DTypeTable& table, Family family,
                     bool keeps_weights) {
  constexpr Index kCache = Index{512} << 10;
  return WinogradCosts(p, table, family, kCache, keeps_weights).best(1).cost;
}

// The same of the fastest direct kernel, whose estimates count cycles.
double direct_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  const double per_cycle = 2 / pair_cycles(table);
  if (channels_last(p)) {
    const ChannelsLastCost cost = channels_last_cost(p, table, keeps_weights);
    // They count whole vectors, which other kernels fill with several groups.
    const double filled =
        p.groups == 1 ? 1.0 : std::min(1.0, number(p.group_out()) / number(table.width));
    // Transposed weights are picked from between others, which that choice need not know.
    const double weights = number(p.out_channels * p.group_in() * p.kernel.product());
    const double picking = p.transposed && !keeps_weights ? 7 * weights : 0.0;
    return per_cycle * (filled * std::min(cost.direct, cost.pixels) + picking);
  }
  const DenseCost cost = dense_cost(p, table, keeps_weights);
  if (p.transposed && winograd_phases(p) > 1) {
    const TransposedCost strided = transposed_cost(p, table, keeps_weights);
    return per_cycle * std::min({cost.pixels, strided.planar, strided.pixels});
  }
  return per_cycle * std::min({cost.direct, cost.im2col, cost.pixels});
}

struct CheapestTiles {
  Family family;
  double cost;
};

// Of the tiles that are accurate enough.
CheapestTiles cheapest_tiles(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  const WinogradFamilies families = winograd_families(p);
  const Family least = *families.begin();
  CheapestTiles best{least, winograd_cost(p, table, least, keeps_weights)};
  for (const Family family : families) {
    if (family == least) continue;
    if (p.precision == Precision::highest && !winograd_meets_highest(p, family)) continue;
    const double cost = winograd_cost(p, table, family, keeps_weights);
    if (cost < best.cost) best = {family, cost};
  }
  return best;
}

}  // namespace

bool winograd_suits(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  constexpr Index kLeast = 4;  // transforms of fewer channels always cost more than they save
  if (table.width == 1 || winograd_declines(p) != nullptr) return false;
  if (p.group_in() < kLeast || p.group_out() < kLeast) return false;
  const Family least = *winograd_families(p).begin();
  if (p.precision == Precision::highest && !winograd_meets_highest(p, least)) return false;
  return cheapest_tiles(p, table, keeps_weights).cost < direct_cost(p, table, keeps_weights);
}

Family pick_winograd(const ConvProblem& p, const DTypeTable& table, bool keeps_weights,
                     const char*& why) {
  // Of a problem that is declined nothing is estimated: its sums may be empty.
  const Family family = winograd_declines(p) == nullptr
                            ? cheapest_tiles(p, table, keeps_weights).family
                            : Family::winograd_2x2;
  if (winograd_phases(p) > 1) {
    why = "stride 2: fewer products, in phases of half the kernel, outweigh the transforms";
  } else if (winograd_taps(p) == 5) {
    why = "kernel of 5: a third of the products outweighs the transforms";
  } else if (winograd_taps(p) == 2) {
    why = "kernel of 2: 4/9 of the products outweigh the transforms";
  } else if (family == Family::winograd_4x4) {
    why = "3 x 3 at stride 1: a quarter of the products outweighs the transforms";
  } else if (family == Family::winograd_4x2) {
    why = "3 x 3 at stride 1: a third of the products outweighs the transforms";
  } else {
    why = "3 x 3 at stride 1: 4/9 of the products outweigh the transforms";
  }
  return family;
}

void schedule_winograd(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.winograd_m;
  plan.tile_n = m.table.winograd_n;
  const Index width = m.table.width;
  const WinogradGrid grid = winograd_grid(p, winograd_tile(plan.family));
  const WinogradWeights packed = winograd_weights(p, grid, width);
  const Index channel_blocks = ceil_div(p.group_in(), width);
  const Index total = grid.total();

  // The transformed input of a block fills a quarter of the second-level cache, which holds its
  // products and passing weights as well. Measured with plans: a half 2 to 5 % slower, all of it 10
  // to 20 % on 64 to 128 channels.
  const WinogradCut cut =
      WinogradCosts(p, m.table, plan.family, m.cache / 2, m.keeps_weights).best(m.threads);
  const Index tiles = larger(1, ceil_div(total, cut.blocks));
  plan.channel_parts = cut.parts;
  plan.block_rows = 1;
  plan.block_cols = tiles;
  plan.block_depth = p.kernel[0] * p.group_in();
  plan.tasks[1] = p.groups * ceil_div(total, tiles) * cut.parts;
  const Index turned = winograd_turned(p, width);
  Index scratch = winograd_scratch(p, grid, width, tiles).elements();
  if (cut.in_passing) {
    scratch += turned + packed.points * packed.point_size(0);
  } else {
    plan.tasks[0] = p.groups * packed.blocks() * channel_blocks;
    plan.shared_bytes = static_cast<std::size_t>(p.groups * packed.size() * m.element);
  }
  plan.scratch_bytes = static_cast<std::size_t>(larger(turned, scratch) * m.element + 1024);
}

}  // namespace fastconv
