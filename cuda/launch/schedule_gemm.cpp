// Tiles and parts of the implicit matrix product: pure functions.
#include "core/grid.h"
#include "cuda/kernels/conv_gemm.h"
#include "cuda/kernels/conv_gemm_launch.h"
#include "cuda/launch/gemm_tiles.h"

namespace fastconv::cuda {
namespace {

constexpr Index kMostInt = (Index{1} << 31) - 1;

Index size_of(Index a) {
  return a < 0 ? -a : a;
}

Index weight_reach(const ConvProblem& p) {
  Index reach = larger(0, p.group_in() - 1) * size_of(weight_in_stride(p)) +
                p.group_out() * size_of(weight_out_stride(p));
  for (int a = 0; a < kAxes; ++a) reach += (p.kernel[a] - 1) * size_of(p.w.spatial[a]);
  return reach;
}

bool fits_offsets(const ConvProblem& p) {
  Index offsets = larger(0, p.group_in() - 1) * size_of(p.x.channel);
  for (int a = 0; a < kAxes; ++a) {
    const AxisPhase widest = widest_phase(p, a);
    const Index reach = larger(size_of(widest.offset0) + p.dilation[a] * p.kernel[a],
                               size_of(p.pad_lo[a]) + p.dilation[a] * p.kernel[a]);
    if (reach > kGemmReach || p.in[a] > kMostInt / 4 || p.out[a] > kMostInt / 4) return false;
    offsets += reach * size_of(p.x.spatial[a]);
  }
  return offsets <= kMostInt && weight_reach(p) <= kMostInt;
}

}  // namespace

const char* gemm_declines(const ConvProblem& p) {
  if (p.boundary != Boundary::fill || p.fill_value != 0.0) return "padding is not zeros";
  Index taps = 1;
  for (int a = 0; a < kAxes; ++a) taps *= larger(1, widest_phase(p, a).taps);
  if (taps > kGemmTaps) return "the kernel has more than 1024 elements";
  if (taps * larger(1, p.group_in()) > kMostInt / 2) return "the sums have too many terms";
  if (!fits_offsets(p)) return "offsets within an image exceed 32 bits, or 16 along an axis";
  if (gemm_blocks(p, gemm_tile_shape(p.dtype, 0)) > kMostInt) return "the output is too large";
  return nullptr;
}

Index gemm_blocks(const ConvProblem& p, const GemmTileShape& tile) {
  const Grid grid = grid_of(p, 1, 1);
  return ceil_div(p.group_out(), tile.m) * ceil_div(p.batch * grid.count.product(), tile.n) *
         p.groups * grid.phases.product();
}

void schedule_gemm(const ConvProblem& p, const DeviceTraits& traits, std::size_t workspace,
                   ConvPlan& plan) {
  // The tallest tile that its rows fill and that gives every multiprocessor something to do.
  plan.variant = kGemmWide;
  if (p.group_out() > 32) plan.variant = kGemmMedium;
  if (p.group_out() > 64 && gemm_has_tall(p.dtype) &&
      gemm_blocks(p, gemm_tile_shape(p.dtype, kGemmTall)) >= 2 * traits.multiprocessors) {
    plan.variant = kGemmTall;
  }
  const GemmTileShape tile = gemm_tile_shape(p.dtype, plan.variant);
  plan.tile_m = tile.m;
  plan.tile_n = tile.n;
  plan.tile_k = tile.k;

  // Parts of the sum, at least eight steps each, where there are too few tiles.
  const Grid grid = grid_of(p, 1, 1);
  Index taps = 1;
  for (int a = 0; a < kAxes; ++a) taps *= larger(1, widest_phase(p, a).taps);
  const Index steps = ceil_div(larger(1, taps * p.group_in()), tile.k);
  const Index blocks = larger(1, gemm_blocks(p, tile));
  const Index useful = smaller(2 * traits.multiprocessors / blocks, smaller(steps / 8, 64));
  const Index sums = grid.phases.product() * p.out_channels * p.batch * grid.count.product() *
                     accumulator_size(p.dtype);
  const Index room = static_cast<Index>(workspace) / larger(1, sums);
  plan.parts = larger(1, smaller(useful, room));
  if (plan.parts > 1) plan.parts = ceil_div(steps, ceil_div(steps, plan.parts));
  plan.workspace_bytes = plan.parts > 1 ? static_cast<std::size_t>(plan.parts * sums) : 0;
}

}  // namespace fastconv::cuda
