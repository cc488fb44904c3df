#include "cuda/kernels/weights_mma.cuh"

#include "cuda/launch/launch.h"
#include "cuda/launch/weights_mma_plan.h"
#include "cuda/launch/weights_registry.h"

namespace fastconv::cuda {
namespace {

template <class Arithmetic, class Tile>
Status launch_tile(const WeightsMma& p, Stream stream) {
  const dim3 grid(static_cast<unsigned>(weights_mma_tiles(p)), static_cast<unsigned>(p.parts));
  const Launch product{grid, Tile::kThreads, kWeightsMmaBytes<Arithmetic, Tile>, stream,
                       "weights_mma"};
  if (Status status = launch(weights_mma<Arithmetic, Tile>, product, p); !status.ok()) {
    return status;
  }
  const Launch finish{grid_blocks(weight_count(p.problem), kWeightsFinishThreads),
                      kWeightsFinishThreads, 0, stream, "weights_mma_finish"};
  return launch(weights_mma_finish<typename Arithmetic::Element, Tile>, finish, p);
}

template <class Arithmetic>
Status launch_format(const WeightsMma& p, bool large, Stream stream) {
  return large ? launch_tile<Arithmetic, LargeTile>(p, stream)
               : launch_tile<Arithmetic, SmallTile>(p, stream);
}

Status run(const ConvProblem& problem, const WeightPlan& plan, const WeightArrays& arrays,
           void* workspace, Stream stream) {
  const WeightsMma p = weights_mma_problem(problem, plan, arrays, workspace);
  const bool large = plan.variant == 1;
  switch (mma_format(problem)) {
    case MmaFormat::float16:
      return launch_format<HalfArithmetic>(p, large, stream);
    case MmaFormat::bfloat16:
      return launch_format<BFloat16Arithmetic>(p, large, stream);
    case MmaFormat::tf32:
      return launch_format<Tf32Arithmetic>(p, large, stream);
    case MmaFormat::bfloat16_x2:
      return launch_format<HighArithmetic>(p, large, stream);
    default:
      return launch_format<HighestArithmetic>(p, large, stream);
  }
}

}  // namespace

extern const WeightEntry kWeightsMma;
const WeightEntry kWeightsMma{
    WeightKernel::mma,  "tensor cores",       nullptr, weights_mma_declines,
    weights_mma_wanted, weights_mma_schedule, run};

}  // namespace fastconv::cuda
