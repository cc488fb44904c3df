#include "cuda/launch/weights_mma_plan.h"

namespace fastconv::cuda {
namespace {

constexpr Index kMost = Index{1} << 30;  // sizes, positions and counts that kernels keep in 32 bits
constexpr Index kMostParts = 64;

// Neighbouring pixels that one thread reads: what fills 16 bytes.
Index chunk_of(const ConvProblem& p) {
  return mma_step(mma_format(p)) / 4;
}
Index chunks_of(const ConvProblem& p) {
  return p.batch * p.out[0] * p.out[1] * ceil_div(p.out[2], chunk_of(p));
}
Index steps_of(const ConvProblem& p) {
  return ceil_div(chunks_of(p), 4);
}
Index tiles_of(const ConvProblem& p, Index edge) {
  return p.groups * p.kernel.product() * ceil_div(p.group_out(), edge) *
         ceil_div(p.group_in(), edge);
}

double filled(const ConvProblem& p) {
  const auto share = [](Index size, Index unit) {
    return static_cast<double>(size) / static_cast<double>(ceil_div(size, unit) * unit);
  };
  return share(p.group_out(), 64) * share(p.group_in(), 64) * share(p.out[2], chunk_of(p));
}

}  // namespace

const char* weights_mma_declines(const ConvProblem& p, const DeviceTraits& traits) {
  if (const char* why = mma_device_declines(p, traits)) return why;
  if (p.boundary != Boundary::fill || p.fill_value != 0.0) return "its padding is zeros only";
  if (p.batch == 0) return "there are no pixels to sum over";
  for (int a = 0; a < kAxes; ++a) {
    const Index reach = p.dilation[a] * p.kernel[a] + p.pad_lo[a] + p.pad_hi[a] + p.in[a];
    if (reach >= kMost || (p.out[a] + 8) * p.stride[a] >= kMost) return "positions exceed 30 bits";
  }
  if (chunks_of(p) >= kMost || tiles_of(p, 64) >= kMost || p.in_channels >= kMost ||
      p.out_channels >= kMost) {
    return "it counts pixels, channels and tiles in 30 bits";
  }
  return nullptr;
}

const char* weights_mma_wanted(const ConvProblem& p, const DeviceTraits&) {
  return filled(p) >= mma_least_filled(mma_format(p))
             ? "channels fill tiles of tensor cores, whatever the memory layout"
             : nullptr;
}

void weights_mma_schedule(const ConvProblem& p, const PlanOptions& options,
                          const DeviceTraits& traits, WeightPlan& plan) {
  // Parts make up for few tiles, so tiles are large where channels fill them.
  const auto fills = [](Index channels) { return channels % 128 == 0 || channels > 192; };
  const bool large = fills(p.group_out()) && fills(p.group_in());
  plan.variant = large ? 1 : 0;
  plan.tile_m = plan.tile_n = large ? 128 : 64;
  plan.tile_k = mma_step(mma_format(p));
  const Index tiles = tiles_of(p, plan.tile_m);
  const auto sums = static_cast<std::size_t>(tiles * plan.tile_m * plan.tile_n) * sizeof(float);
  const Index wanted = ceil_div(2 * traits.multiprocessors, tiles);
  plan.parts = larger(1, smaller(smaller(wanted, kMostParts), steps_of(p) / 8));
  while (plan.parts > 1 && static_cast<std::size_t>(plan.parts) * sums > options.workspace_limit) {
    --plan.parts;
  }
  plan.workspace_bytes = static_cast<std::size_t>(plan.parts) * sums;
}

WeightsMma weights_mma_problem(const ConvProblem& p, const WeightPlan& plan,
                               const WeightArrays& arrays, void* workspace) {
  WeightsMma m{};
  m.problem = p;
  m.x = arrays.x;
  m.grad = arrays.grad;
  m.w = arrays.w;
  m.partial = static_cast<float*>(workspace);
  m.row_tiles = static_cast<int>(ceil_div(p.group_out(), plan.tile_m));
  m.column_tiles = static_cast<int>(ceil_div(p.group_in(), plan.tile_n));
  m.taps = static_cast<int>(p.kernel.product());
  m.row_chunks = static_cast<int>(ceil_div(p.out[2], chunk_of(p)));
  m.chunks = static_cast<int>(chunks_of(p));
  m.steps = static_cast<int>(steps_of(p));
  m.parts = static_cast<int>(plan.parts);
  m.channels_fast = p.x.channel == 1 && p.y.channel == 1;
  return m;
}

}  // namespace fastconv::cuda
