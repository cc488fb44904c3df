// Entry and launches of the depthwise weight gradient.
#include "cuda/kernels/weights_depthwise.cuh"

#include <type_traits>

#include "cuda/launch/launch.h"
#include "cuda/launch/weights_registry.h"

namespace fastconv::cuda {
namespace {

// Pixels of a part at least, and blocks that keep every multiprocessor busy.
constexpr Index kLeastPixels = 2048, kBlocksEach = 4;

struct Tiles {
  Index rows, cols;  // kernel elements of a tile
  Index row_tiles, col_tiles;
};

Tiles tiles_of(const ConvProblem& p) {
  const Index rows = p.kernel[1] == 1 ? 1 : 3, cols = p.kernel[1] == 1 ? 9 : 3;
  return {rows, cols, ceil_div(p.kernel[1], rows), ceil_div(p.kernel[2], cols)};
}

int width_of(const ConvProblem& p) {
  return p.x.channel == 1 && p.y.channel == 1 && p.out_channels >= 8 && p.group_out() == 1 ? 32 : 1;
}

const char* declines(const ConvProblem& p, const DeviceTraits&) {
  return p.group_in() != 1 ? "groups have more than one input channel" : nullptr;
}

const char* wanted(const ConvProblem& p, const DeviceTraits&) {
  constexpr Index kFewOutputs = 4;
  return p.group_out() <= kFewOutputs ? "one input channel per group" : nullptr;
}

void schedule(const ConvProblem& p, const PlanOptions& options, const DeviceTraits& traits,
              WeightPlan& plan) {
  const Tiles tiles = tiles_of(p);
  const Index blocks = ceil_div(p.out_channels, Index{width_of(p)}) * p.kernel[0] *
                       tiles.row_tiles * tiles.col_tiles;
  const Index pixels = p.batch * p.out.product();
  const Index bytes = larger(1, weight_count(p) * accumulator_size(p.dtype));
  const Index most = larger(1, static_cast<Index>(options.workspace_limit) / bytes);
  plan.parts = smaller(ceil_div(kBlocksEach * traits.multiprocessors, larger(1, blocks)),
                       ceil_div(pixels, kLeastPixels));
  plan.parts = larger(1, smaller(plan.parts, most));
  plan.workspace_bytes = static_cast<std::size_t>(plan.parts * bytes);
}

template <class T>
Status run_as(const ConvProblem& p, const WeightPlan& plan, const WeightArrays& arrays,
              void* workspace, Stream stream) {
  const Tiles tiles = tiles_of(p);
  const Elements pixels(p.batch, 1, p.out, false);
  const int width = width_of(p);
  const DepthwiseWeightTask task{p,
                                 pixels,
                                 plan.parts,
                                 ceil_div(pixels.count(), plan.parts),
                                 width,
                                 Divider(ceil_div(p.out_channels, Index{width})),
                                 Divider(tiles.row_tiles),
                                 Divider(tiles.col_tiles),
                                 Divider(p.group_out())};
  const Index grid =
      plan.parts * p.kernel[0] * tiles.row_tiles * tiles.col_tiles * task.channel_blocks.divisor();
  auto* partial = static_cast<Acc<T>*>(workspace);
  const Launch how{dim3(static_cast<unsigned>(grid)), kDepthwiseWeightThreads,
                   depthwise_room(9) * sizeof(Acc<T>), stream, "depthwise_weights"};
  auto* kernel = tiles.rows == 1 ? depthwise_weights<T, 1, 9> : depthwise_weights<T, 3, 3>;
  if (Status s = launch(kernel, how, task, static_cast<const T*>(arrays.x),
                        static_cast<const T*>(arrays.grad), partial);
      !s.ok()) {
    return s;
  }
  const Launch add{dim3(static_cast<unsigned>(ceil_div(weight_count(p), kDepthwiseWeightThreads))),
                   kDepthwiseWeightThreads, 0, stream, "depthwise_weights_add"};
  return launch(depthwise_weights_add<T>, add, p, plan.parts, static_cast<const Acc<T>*>(partial),
                static_cast<T*>(arrays.w));
}

Status run(const ConvProblem& p, const WeightPlan& plan, const WeightArrays& arrays,
           void* workspace, Stream stream) {
  if (weight_count(p) == 0) return {};
  return with_element(p.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    return run_as<T>(p, plan, arrays, workspace, stream);
  });
}

}  // namespace

extern const WeightEntry kWeightsDepthwise;
const WeightEntry kWeightsDepthwise{
    WeightKernel::depthwise, "weights_depthwise", nullptr, declines, wanted, schedule, run};

}  // namespace fastconv::cuda
