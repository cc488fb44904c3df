#include "cuda/kernels/conv_gemm.cuh"

#include <type_traits>

#include "cuda/kernels/conv_gemm_launch.h"
#include "cuda/launch/gemm_tiles.h"
#include "cuda/launch/launch.h"
#include "cuda/launch/registry.h"

namespace fastconv::cuda {
namespace {

constexpr int kAddThreads = 256;

template <class T>
constexpr DType kElementType = std::is_same_v<T, float>    ? DType::float32
                               : std::is_same_v<T, double> ? DType::float64
                               : std::is_same_v<T, Half>   ? DType::float16
                                                           : DType::bfloat16;
template <class T, int variant>
constexpr GemmTileShape kShape = gemm_tile_shape(kElementType<T>, variant);
template <class T, int variant, int thread_m, int thread_n>
using TileOf = GemmTile<Acc<T>, kShape<T, variant>.m, kShape<T, variant>.n, kShape<T, variant>.k,
                        thread_m, thread_n>;

bool is_padded(const ConvProblem& p) {
  for (int a = 0; a < kAxes; ++a) {
    if (p.pad_lo[a] != 0 || p.pad_hi[a] != 0) return true;
    if (p.transposed && p.kernel[a] > 1) return true;  // windows hang over both ends
  }
  return false;
}

ConvGemm describe(const ConvProblem& p, const ConvProblem& origin, const ConvPlan& plan) {
  ConvGemm g{};
  const Grid grid = grid_of(p, 1, 1);
  Index taps = 1;
  for (int a = 0; a < kAxes; ++a) taps *= widest_phase(p, a).taps;
  g.channels = static_cast<int>(p.group_in());
  g.out_channels = static_cast<int>(p.group_out());
  g.x_channel = p.group_in() > 1 ? static_cast<int>(p.x.channel) : 0;
  g.weight_in = p.group_in() > 1 ? static_cast<int>(weight_in_stride(p)) : 0;
  g.weight_out = p.group_out() > 1 ? static_cast<int>(weight_out_stride(p)) : 0;
  g.phases = grid.phases;
  g.pixels = p.batch * grid.count.product();
  g.pixel_tiles = ceil_div(g.pixels, plan.tile_n);
  g.channel_tiles = static_cast<int>(ceil_div(p.group_out(), plan.tile_m));
  g.parts = static_cast<int>(plan.parts);
  g.tiles_per_part =
      static_cast<int>(ceil_div(ceil_div(taps * p.group_in(), plan.tile_k), plan.parts));
  g.padded = is_padded(origin);
  g.channels_last = p.y.channel == 1 && p.out_channels > 1;
  g.reads_channels = p.x.channel == 1 && p.group_in() > 1;
  return g;
}

template <class T>
struct Run {
  const ConvGemm& g;
  const ConvProblem& p;
  const GemmArrays& input;
  const ConvArrays& arrays;
  void* partial;
  Stream stream;

  template <class Tile, bool kReadsChannels>
  Status launch_tile(Index taps) const {
    const Index blocks = g.channel_tiles * g.pixel_tiles * p.groups * g.phases.product();
    const Launch how{dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(g.parts)),
                     Tile::threads, gemm_shared_bytes<Tile>(taps), stream, "conv_gemm"};
    return launch(conv_gemm<T, Tile, kReadsChannels>, how, g, p, input.origin, input.x,
                  input.origin_x, arrays.w, arrays.bias, arrays.y, partial);
  }

  template <int variant, int thread_m, int thread_n>
  Status product_of() const {
    Index taps = 1;
    for (int a = 0; a < kAxes; ++a) taps *= widest_phase(p, a).taps;
    using Tile = TileOf<T, variant, thread_m, thread_n>;
    return g.reads_channels ? launch_tile<Tile, true>(taps) : launch_tile<Tile, false>(taps);
  }

  Status product(int variant) const {
    if (variant == kGemmWide) return product_of<kGemmWide, 8, 4>();
    if constexpr (std::is_same_v<T, float>) {
      if (variant == kGemmTall) return product_of<kGemmTall, 8, 8>();
    }
    return product_of<kGemmMedium, 8, 4>();
  }

  Status add() const {
    const Index outputs = g.phases.product() * p.out_channels * g.pixels;
    const Launch how{grid_blocks(outputs, kAddThreads), kAddThreads, 0, stream, "conv_gemm_add"};
    return launch(conv_gemm_add<T>, how, g, p, input.origin, input.origin_x, arrays.w, arrays.bias,
                  arrays.y, partial);
  }
};

}  // namespace

Status run_gemm(const ConvProblem& p, const ConvPlan& plan, const GemmArrays& input,
                const ConvArrays& arrays, void* partial, Stream stream) {
  const ConvGemm g = describe(p, input.origin, plan);
  return with_element(p.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    const Run<T> run{g, p, input, arrays, partial, stream};
    if (Status status = run.product(plan.variant); !status.ok() || g.parts == 1) return status;
    return run.add();
  });
}

namespace {

const char* declines(const ConvProblem& p, const DeviceTraits&) {
  return gemm_declines(p);
}

const char* wanted(const ConvProblem& p, const DeviceTraits&) {
  if (p.group_out() < 4 || p.group_in() * p.kernel.product() < 8) return nullptr;
  return "tiles in shared memory reuse every loaded number";
}

void schedule(const ConvProblem& p, const PlanOptions& options, const DeviceTraits& traits,
              ConvPlan& plan) {
  schedule_gemm(p, traits, options.workspace_limit, plan);
}

Status run(const ConvProblem& p, const ConvPlan& plan, const ConvArrays& arrays, void* workspace,
           Stream stream) {
  return run_gemm(p, plan, {arrays.x, p, arrays.x}, arrays, workspace, stream);
}

}  // namespace

extern const ConvEntry kConvGemm;
const ConvEntry kConvGemm{ConvKernel::implicit_gemm,
                          "implicit matrix product",
                          Algorithm::direct,
                          nullptr,
                          declines,
                          wanted,
                          schedule,
                          run};

}  // namespace fastconv::cuda
