#include "cuda/kernels/weights_gemm.cuh"

#include <type_traits>

#include "cuda/kernels/weights_direct.cuh"
#include "cuda/launch/gemm_tiles.h"
#include "cuda/launch/launch.h"
#include "cuda/launch/weights_registry.h"

namespace fastconv::cuda {
namespace {

constexpr int kAddThreads = 256;

template <class T>
constexpr int kSteps = std::is_same_v<T, double> ? 8 : 16;
template <class T>
using Square = GemmTile<Acc<T>, 64, 64, kSteps<T>, 8, 4>;
template <class T>
using Wide = GemmTile<Acc<T>, 32, 128, 8, 8, 4>;

WeightsGemm describe(const ConvProblem& p, const WeightPlan& plan) {
  WeightsGemm g{};
  g.channels = static_cast<int>(p.group_in());
  g.out_channels = static_cast<int>(p.group_out());
  g.x_channel = p.group_in() > 1 ? static_cast<int>(p.x.channel) : 0;
  g.taps = static_cast<int>(p.kernel.product());
  g.columns = g.taps * g.channels;
  g.row_tiles = static_cast<int>(ceil_div(p.group_out(), plan.tile_m));
  g.column_tiles = static_cast<int>(ceil_div(g.columns, plan.tile_n));
  g.pixels = p.batch * p.out.product();
  g.parts = static_cast<int>(plan.parts);
  g.steps_per_part = ceil_div(ceil_div(g.pixels, plan.tile_k), plan.parts);
  for (int a = 0; a < kAxes; ++a) g.padded = g.padded || p.pad_lo[a] != 0 || p.pad_hi[a] != 0;
  g.reads_channels = p.x.channel == 1 && p.y.channel == 1 && p.group_in() > 1;
  return g;
}

template <class T, class Tile>
Status launch_tile(const WeightsGemm& g, const ConvProblem& p, const WeightArrays& arrays,
                   void* partial, Stream stream) {
  const Index blocks = p.groups * g.row_tiles * g.column_tiles;
  const Launch how{dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(g.parts)),
                   Tile::threads, weights_shared_bytes<Tile>(), stream, "weights_gemm"};
  return g.reads_channels
             ? launch(weights_gemm<T, Tile, true>, how, g, p, arrays.x, arrays.grad, partial)
             : launch(weights_gemm<T, Tile, false>, how, g, p, arrays.x, arrays.grad, partial);
}

const char* gemm_takes(const ConvProblem& p, const DeviceTraits&) {
  return weights_gemm_declines(p);
}

const char* gemm_wanted(const ConvProblem& p, const DeviceTraits&) {
  if (p.group_out() < 8 || p.group_in() * p.kernel.product() < 8) return nullptr;
  return "tiles in shared memory reuse every loaded number";
}

Status run_weights_gemm(const ConvProblem& p, const WeightPlan& plan, const WeightArrays& arrays,
                        void* workspace, Stream stream) {
  const WeightsGemm g = describe(p, plan);
  return with_element(p.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    Status status = plan.variant == kGemmWide
                        ? launch_tile<T, Wide<T>>(g, p, arrays, workspace, stream)
                        : launch_tile<T, Square<T>>(g, p, arrays, workspace, stream);
    if (!status.ok()) return status;
    const Launch how{grid_blocks(p.out_channels * g.columns, kAddThreads), kAddThreads, 0, stream,
                     "weights_add"};
    return launch(weights_add<T>, how, g, p, arrays.x, arrays.grad, arrays.w, workspace);
  });
}

const char* direct_takes(const ConvProblem& p, const DeviceTraits&) {
  return weight_count(p) < (Index{1} << 31) ? nullptr : "there are more than 2^31 weights";
}

const char* direct_wanted(const ConvProblem&, const DeviceTraits&) {
  return "groups have too few channels for tiles, or offsets exceed 32 bits";
}

void direct_schedule(const ConvProblem&, const PlanOptions&, const DeviceTraits&,
                     WeightPlan& plan) {
  plan.tile_k = kWeightThreads;
}

Status run_weights_direct(const ConvProblem& p, const WeightPlan&, const WeightArrays& arrays,
                          void*, Stream stream) {
  const Launch how{grid_blocks(weight_count(p), 1, Index{1} << 31), kWeightThreads, 0, stream,
                   "weights_direct"};
  return with_element(p.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    return launch(weights_direct<T>, how, p, arrays.x, arrays.grad, arrays.w);
  });
}

}  // namespace

extern const WeightEntry kWeightsGemm, kWeightsDirect;
const WeightEntry kWeightsGemm{
    WeightKernel::implicit_gemm, "implicit matrix product", nullptr, gemm_takes, gemm_wanted,
    schedule_weights_gemm,       run_weights_gemm};
const WeightEntry kWeightsDirect{WeightKernel::direct, "direct",      nullptr,
                                 direct_takes,         direct_wanted, direct_schedule,
                                 run_weights_direct};

}  // namespace fastconv::cuda
