// Tiles and parts of the weight gradient's matrix product.
#include "cuda/kernels/conv_gemm.h"
#include "cuda/kernels/conv_gemm_launch.h"
#include "cuda/launch/gemm_tiles.h"
#include "cuda/launch/weights_registry.h"

namespace fastconv::cuda {

const char* weights_gemm_declines(const ConvProblem& p) {
  constexpr Index kMost = Index{1} << 30;
  if (const char* why = gemm_declines(p)) return why;
  if (weight_count(p) > kMost) return "there are more than 2^30 weights";
  return nullptr;
}

// As many parts as fill the device twice, of at least 512 pixels, within the workspace. They follow
// from the problem and the device's number of multiprocessors.
void schedule_weights_gemm(const ConvProblem& p, const PlanOptions& options,
                           const DeviceTraits& traits, WeightPlan& plan) {
  constexpr Index kLeastPixels = 512, kMostParts = 1024;
  plan.variant = p.group_out() <= 32 ? kGemmWide : kGemmMedium;
  const GemmTileShape tile = gemm_tile_shape(p.dtype, plan.variant);
  plan.tile_m = tile.m;
  plan.tile_n = tile.n;
  plan.tile_k = tile.k;
  const Index columns = larger(1, p.group_in() * p.kernel.product());
  const Index blocks =
      p.groups * ceil_div(larger(1, p.group_out()), tile.m) * ceil_div(columns, tile.n);
  const Index pixels = p.batch * p.out.product();
  const Index sums = larger(1, weight_count(p) * accumulator_size(p.dtype));
  const Index room = static_cast<Index>(options.workspace_limit) / sums;
  const Index useful = smaller(ceil_div(2 * traits.multiprocessors, blocks), pixels / kLeastPixels);
  plan.parts = larger(1, smaller(smaller(useful, kMostParts), room));
  plan.workspace_bytes = static_cast<std::size_t>(plan.parts * sums);
}

}  // namespace fastconv::cuda
