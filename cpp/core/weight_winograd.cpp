// Winograd's algorithm for gradients of weights: what it costs, and how it is cut.
#include "core/conv_schedule.h"
#include "core/estimate.h"
#include "core/weight_schedule.h"
#include "core/winograd.h"

namespace fastconv {
namespace {

constexpr Index kElement = sizeof(float);
// Bytes of a task's sums, and of a block's transformed gradients and inputs: both stay in the
// second-level cache.
constexpr Index kMostSums = Index{1} << 20, kMostBlock = Index{1} << 20;
constexpr Index kLeastTiles = 32, kMostTiles = 256;
// Products in a sum from which tiles of 4 x 4 err less than a plain float32 loop, and so meet the
// bounds of "highest" (docs/numerics.md).
constexpr Index kManyPixels = 2048;

struct Shares {
  Index outputs, inputs;
};

// As few shares as keep a task's sums small, of which the input channels fill whole register tiles.
// Measured with AVX-512: 128 x 64 channels at 16 points faster than 256 x 64.
Shares channel_shares(const ConvProblem& p, const WinogradGrid& grid, Index width) {
  const Index points = grid.points();
  const Index inputs = points < 16 ? 128 : 64;
  const Index most = smaller(2 * inputs, kMostSums / (points * kElement * inputs));
  const Index outputs = larger(width, most / width * width);
  return {ceil_div(p.group_out(), outputs), ceil_div(p.group_in(), inputs)};
}

// Per output pixel. One transform of a tile and a vector of channels costs as much as so many
// multiply-adds for each of its points: measured with AVX-512, most of it stores that miss the
// first-level cache.
double cost_of(const ConvProblem& p, Index tile, Index width) {
  const double transform = tile == 2 ? 16 : 30;
  const WinogradGrid grid = winograd_grid(p, {tile, tile});
  const Shares shares = channel_shares(p, grid, width);
  const Index k = p.group_out(), c = ceil_div(p.group_in(), width);
  const double tiles = number(grid.total()) / number(larger(1, p.batch * p.out.product()));
  const double transforms = number(c * shares.outputs + ceil_div(k, width) * shares.inputs);
  return tiles * number(grid.points() * p.kernel[0]) * (number(k * c) + transform * transforms);
}

Index cheaper_tile(const ConvProblem& p, Index width) {
  const bool exact = p.precision == Precision::highest;
  if (exact && p.batch * p.out.product() < kManyPixels) return 2;
  return cost_of(p, 4, width) < cost_of(p, 2, width) ? 4 : 2;
}

}  // namespace

bool takes_winograd(const ConvProblem& p, Index width) {
  return width > 1 && winograd_declines(p) == nullptr && winograd_taps(p) == 3 &&
         winograd_phases(p) == 1;
}

double winograd_weight_cost(const ConvProblem& p, Index width) {
  return cost_of(p, cheaper_tile(p, width), width);
}

void plan_weights_winograd(const ConvProblem& p, Index width, WeightPlan& plan) {
  plan.tile = cheaper_tile(p, width);
  const WinogradGrid grid = winograd_grid(p, {plan.tile, plan.tile});
  const Shares shares = channel_shares(p, grid, width);
  plan.shares = larger(1, shares.outputs);
  plan.input_shares = shares.inputs;
  const auto scratch = [&](Index tiles) {
    return winograd_gradient_scratch(p, grid, width, plan.shares, plan.input_shares, tiles);
  };
  const WinogradGradientScratch one = scratch(1);
  const Index bytes = grid.points() * (one.grad_row + one.input_row) * kElement;
  const Index fitting = smaller(kMostTiles, larger(kLeastTiles, kMostBlock / bytes));

  const Index channels = ceil_div(p.group_in(), width) * width;
  plan.k_step = p.kernel.product() * channels;
  plan.tap_step = channels;
  plan.channel_step = 1;
  const Index others = p.groups * p.kernel[0] * plan.shares * plan.input_shares;
  cut_parts(p, others, grid.total() / kLeastTiles, kElement, plan);
  plan.block_tiles = even_share(ceil_div(grid.total(), plan.parts), fitting);
  plan.scratch_bytes =
      static_cast<std::size_t>(scratch(plan.block_tiles).elements() * kElement + 1024);
}

}  // namespace fastconv
