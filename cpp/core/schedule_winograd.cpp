// Winograd's algorithm: what it takes, when it pays, and its blocks of tiles.
#include "core/conv_schedule.h"
#include "core/estimate.h"
#include "core/parallel.h"
#include "core/winograd.h"

namespace fastconv {

const char* winograd_declines(const ConvProblem& p) {
  if (p.dtype != DType::float32) return "its transforms are for float32";
  if (p.group_in() == 0) return "there are no input channels";
  const bool threes = (p.kernel[1] == 3 || p.kernel[1] == 1) &&
                      (p.kernel[2] == 3 || p.kernel[2] == 1) && p.kernel[1] * p.kernel[2] > 1;
  if (!threes) return "it suits kernels of 3 x 3, or 3 along one axis";
  if (p.stride[1] != 1 || p.stride[2] != 1) return "it knows no stride but 1";
  if (p.transposed && p.stride[0] != 1) return "it knows no stride but 1";
  if (p.has_addend && p.y.channel != 1 && p.y.spatial[2] != 1) {
    return "it adds other arrays to whole rows only";
  }
  return nullptr;
}

namespace {

// Tiles of a block whose transformed input fits the cache, in whole register tiles: of 16 tiles,
// two halves would read the weights twice.
Index fitting_tiles(const ConvProblem& p, const WinogradGrid& grid, const DTypeTable& table,
                    Index cache) {
  const Index channels = ceil_div(p.group_in(), table.width) * table.width;
  const Index bytes = grid.points() * p.kernel[0] * channels * element_size(p.dtype);
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
// tile and a vector of channels costs as much as 14 multiply-adds for each of its points. A vector
// of weights costs 20 to transform; if all of them do not fit the second-level cache, 12 to fetch
// for each block of tiles; and where one phase writes it and the next, on another core, reads it,
// 100 more, because its cache line moves from core to core twice.
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
    constexpr double kProducts = 0.85, kTransform = 14, kPart = 2;
    const double points = number(grid_.points());
    weights_ = points * number(packed_.depth * packed_.vectors);
    fetched_ = packed_.size() * element_size(p.dtype) > 2 * cache;
    turn_in_ = points * kTransform * number(p.kernel[0] * ceil_div(p.group_in(), table.width));
    turn_out_ = points * kTransform * number(packed_.vectors);
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
  WinogradCut cut(bool in_passing, Index blocks, Index parts, int threads) const {
    constexpr double kPack = 20, kFetch = 12, kMove = 100;
    const double share =
        number(ceil_div(packed_.blocks(), parts)) / number(packed_.blocks());  // the largest
    const double tiles = number(ceil_div(grid_.total(), blocks));
    const double fetches = fetched_ && !in_passing ? weights_ * kFetch : 0.0;
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
  double weights_, turn_in_, turn_out_, products_;
  bool fetched_;
};

// What the choice of a family goes by: one thread and a cache of the usual size, so that it depends
// on neither.
double winograd_cost(const ConvProblem& p, const DTypeTable& table, Family family,
                     bool keeps_weights) {
  constexpr Index kCache = Index{512} << 10;
  return WinogradCosts(p, table, family, kCache, keeps_weights).best(1).cost;
}

// Of the kernel elements of all outputs along one axis, those that meet the input: the direct
// kernels skip the others where dilation takes whole tiles of pixels onto the padding.
double inside_share(const ConvProblem& p, int axis) {
  const AxisPhase phase = axis_phase(p, axis, 0);
  Index inside = 0;
  for (Index tap = 0; tap < phase.taps; ++tap) {
    const Range outputs = outputs_inside(phase.count, p.in[axis], phase.in_step, phase.offset(tap));
    inside += outputs.hi - outputs.lo;
  }
  return static_cast<double>(inside) / static_cast<double>(larger(1, phase.taps * phase.count));
}

// The direct kernels run at about 70 % of the peak. Planar ones compute the padding between rows as
// well; channels-last ones compute whole vectors of output channels and always pack their weights.
double direct_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  constexpr double kSpeed = 0.7, kPack = 20;
  const double width = static_cast<double>(table.width);
  const double products = static_cast<double>(multiply_adds(p)) / width / kSpeed *
                          inside_share(p, 1) * inside_share(p, 2);
  if (p.x.channel == 1) {
    const double k = static_cast<double>(p.group_out());
    const double filled = static_cast<double>(ceil_div(p.group_out(), table.width)) * width / k;
    const double weights = static_cast<double>(p.out_channels * p.group_in() * p.kernel.product());
    return filled * (products + (keeps_weights ? 0.0 : weights / width * kPack));
  }
  const double cols = static_cast<double>(larger(1, p.out[2]));
  return products * (cols + static_cast<double>(p.kernel[2] - 1)) / cols;
}

struct CheapestTiles {
  Family family;
  double cost;
};

// Of the tiles that are accurate enough.
CheapestTiles cheapest_tiles(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  CheapestTiles best{Family::winograd_2x2,
                     winograd_cost(p, table, Family::winograd_2x2, keeps_weights)};
  for (const Family family : {Family::winograd_4x2, Family::winograd_4x4}) {
    if (p.precision == Precision::highest && !winograd_meets_highest(p, family)) continue;
    const double cost = winograd_cost(p, table, family, keeps_weights);
    if (cost < best.cost) best = {family, cost};
  }
  return best;
}

}  // namespace

bool winograd_suits(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  if (table.width == 1 || winograd_declines(p) != nullptr) return false;
  return cheapest_tiles(p, table, keeps_weights).cost < 0.9 * direct_cost(p, table, keeps_weights);
}

Family pick_winograd(const ConvProblem& p, const DTypeTable& table, bool keeps_weights,
                     const char*& why) {
  // Of a problem that is declined nothing is estimated: its sums may be empty.
  const Family family = winograd_declines(p) == nullptr
                            ? cheapest_tiles(p, table, keeps_weights).family
                            : Family::winograd_2x2;
  switch (family) {
    case Family::winograd_4x4:
      why = "3 x 3 at stride 1: a quarter of the products outweighs the transforms";
      break;
    case Family::winograd_4x2:
      why = "3 x 3 at stride 1: a third of the products outweighs the transforms";
      break;
    default:
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
