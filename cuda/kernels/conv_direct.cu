#include "cuda/kernels/conv_direct.cuh"

#include <type_traits>

#include "cuda/launch/launch.h"
#include "cuda/launch/registry.h"

namespace fastconv::cuda {
namespace {

const char* declines(const ConvProblem&, const DeviceTraits&) {
  return nullptr;
}

const char* wanted(const ConvProblem&, const DeviceTraits&) {
  return "no faster kernel takes this problem";
}

void schedule(const ConvProblem&, const PlanOptions&, const DeviceTraits&, ConvPlan& plan) {
  plan.tile_n = kDirectThreads;
}

Status run(const ConvProblem& p, const ConvPlan&, const ConvArrays& arrays, void*, Stream stream) {
  const Index outputs = p.batch * p.out_channels * p.out.product();
  const Launch how{grid_blocks(outputs, kDirectThreads), kDirectThreads, 0, stream, "conv_direct"};
  return with_element(p.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    return launch(conv_direct<T>, how, p, p.y.channel == 1 && p.out_channels > 1, arrays.x,
                  arrays.w, arrays.bias, arrays.y);
  });
}

}  // namespace

extern const ConvEntry kConvDirect;
const ConvEntry kConvDirect{ConvKernel::direct, "direct", Algorithm::direct, nullptr,
                            declines,           wanted,   schedule,          run};

}  // namespace fastconv::cuda
