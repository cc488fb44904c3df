// Winograd's algorithm: what it takes, when it pays, and its blocks of tiles.
#include "core/conv_schedule.h"
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
  return nullptr;
}

namespace {

// Tiles of a block whose transformed input fits the cache, but at least one register tile.
Index fitting_tiles(const ConvProblem& p, const WinogradGrid& grid, const DTypeTable& table,
                    Index cache) {
  const Index channels = ceil_div(p.group_in(), table.width) * table.width;
  const Index bytes = grid.points() * p.kernel[0] * channels * element_size(p.dtype);
  return larger(table.winograd_m, cache / bytes);
}

// What a vector of weights costs to transform and pack, in multiply-adds of a vector, and how much
// more where the workspace is too large to be kept between calls and its pages are fresh.
constexpr double kPack = 20, kFresh = 3;

// Time in multiply-adds of a vector at full speed. The constants are measured with AVX-512; with
// AVX2 they choose the faster kernel of 20 layers but for two, too. Products run at 85 % of the
// peak; one transform of a tile and a vector of channels costs as much as 14 multiply-adds for each
// of its points; a vector of weights costs, if all of them do not fit the second-level cache, 12 to
// fetch for each block of tiles.
double winograd_cost(const ConvProblem& p, const DTypeTable& table, Index tile,
                     bool keeps_weights) {
  constexpr double kProducts = 0.85, kTransform = 14, kFetch = 12;
  constexpr Index kCache = Index{1} << 20;
  const WinogradGrid grid = winograd_grid(p, tile);
  const WinogradWeights packed = winograd_weights(p, grid, table.width);
  const double points = static_cast<double>(grid.points());
  const double total = static_cast<double>(grid.total());
  const double in = static_cast<double>(p.kernel[0] * ceil_div(p.group_in(), table.width));
  const double out = static_cast<double>(packed.vectors);
  const double weights = points * static_cast<double>(packed.depth) * out;
  const double fits = static_cast<double>(fitting_tiles(p, grid, table, 2 * kCache));
  const double blocks = total > fits ? total / fits : 1.0;
  const double products = total * weights / kProducts;
  const Index bytes = packed.size() * element_size(p.dtype);
  const bool fetched = bytes > kCache;
  const bool fresh = p.groups * bytes > static_cast<Index>(kKeptScratch);
  const double fetches = fetched ? blocks * weights * kFetch : 0.0;
  return static_cast<double>(p.groups) *
         ((products > fetches ? products : fetches) + total * points * kTransform * (in + out) +
          (keeps_weights ? 0.0 : weights * kPack * (fresh ? kFresh : 1.0)));
}

// The direct kernels run at about 65 % of the peak. Planar ones compute the padding between rows as
// well, channels-last ones always pack their weights.
double direct_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  const double width = static_cast<double>(table.width);
  const double products = static_cast<double>(multiply_adds(p)) / width / 0.65;
  if (p.x.channel == 1) {
    const double weights = static_cast<double>(p.out_channels * p.group_in() * p.kernel.product());
    return products + (keeps_weights ? 0.0 : weights / width * kPack);
  }
  const double cols = static_cast<double>(larger(1, p.out[2]));
  return products * (cols + static_cast<double>(p.kernel[2] - 1)) / cols;
}

Index cheaper_tile(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  if (p.precision == Precision::highest) return 2;
  return winograd_cost(p, table, 4, keeps_weights) < winograd_cost(p, table, 2, keeps_weights) ? 4
                                                                                               : 2;
}

}  // namespace

bool winograd_suits(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  if (p.precision == Precision::highest || table.width == 1) return false;
  if (winograd_declines(p) != nullptr) return false;
  return winograd_cost(p, table, cheaper_tile(p, table, keeps_weights), keeps_weights) <
         0.9 * direct_cost(p, table, keeps_weights);
}

Family pick_winograd(const ConvProblem& p, const DTypeTable& table, bool keeps_weights,
                     const char*& why) {
  if (cheaper_tile(p, table, keeps_weights) == 4) {
    why = "3 x 3 at stride 1: a quarter of the products outweighs the transforms";
    return Family::winograd_4x4;
  }
  why = p.precision == Precision::highest
            ? "3 x 3 at stride 1; tiles of 2 x 2 err least"
            : "3 x 3 at stride 1: few tiles for the weights, of which 2 x 2 transform fewer";
  return Family::winograd_2x2;
}

void schedule_winograd(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  plan.tile_m = m.table.winograd_m;
  plan.tile_n = m.table.winograd_n;
  const Index width = m.table.width;
  const WinogradGrid grid = winograd_grid(p, winograd_tile(plan.family));
  const WinogradWeights packed = winograd_weights(p, grid, width);
  const Index channel_blocks = ceil_div(p.group_in(), width);
  const Index total = grid.total();

  // The transformed input of a block stays in the second-level cache.
  Index tiles = fitting_tiles(p, grid, m.table, 2 * m.cache);
  Index blocks = larger(1, ceil_div(total, tiles));
  // Threads share tiles where enough are left to a block that weights, read once for each, do not
  // hold it up; else output channels, for each share of which the input is transformed again.
  const Index units = p.groups * blocks;
  if (units < 4 * m.threads && units % m.threads != 0) {
    const Index want = ceil_div(ceil_div(units, m.threads) * m.threads, p.groups);
    if (total >= want * plan.tile_m * 3 / 2) {
      blocks = want;
    } else {
      const Index parts = m.threads / greatest_common_divisor(units, m.threads);
      plan.channel_parts = smaller(packed.blocks(), parts);
    }
  }
  tiles = larger(1, ceil_div(total, blocks));
  plan.block_rows = 1;
  plan.block_cols = tiles;
  plan.block_depth = p.kernel[0] * p.group_in();
  plan.tasks[0] = p.groups * packed.blocks() * channel_blocks;
  plan.tasks[1] = p.groups * ceil_div(total, tiles) * plan.channel_parts;
  plan.shared_bytes = static_cast<std::size_t>(p.groups * packed.size() * m.element);
  const Index turned = width * (p.kernel.product() + 1) * width;
  plan.scratch_bytes = static_cast<std::size_t>(
      larger(turned, winograd_scratch(p, grid, width, tiles).elements()) * m.element + 1024);
}

}  // namespace fastconv
