// Convolution by unfolding (im2col): a copy of the input in which every window is a column, then
// the matrix product of conv_gemm.cuh over it.
//
// The unfolded input of as many images as the workspace takes is written at a time, one thread per
// element, rows along pixels; then the product reads it as a pointwise convolution. It writes and
// reads the input once per kernel element, which the implicit product saves: it is there to be
// compared with, and is never chosen by itself. Not yet run on hardware.
#include <type_traits>

#include "cuda/kernels/conv_gemm_launch.h"
#include "cuda/launch/launch.h"
#include "cuda/launch/registry.h"

namespace fastconv::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads)
    unfold_windows(const __grid_constant__ ConvProblem p, const T* __restrict__ x,
                   T* __restrict__ columns) {
  const Index pixels = p.out.product(), taps = p.kernel.product();
  const Index count = p.batch * p.in_channels * taps * pixels;
  const Index step = static_cast<Index>(gridDim.x) * kThreads;
  for (Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += step) {
    Index pixel = i % pixels, rest = i / pixels;
    Index tap = rest % taps;
    rest /= taps;
    Index from = rest % p.in_channels * p.x.channel + rest / p.in_channels * p.x.batch;
    bool inside = true;
    for (int a = kAxes - 1; a >= 0; --a) {
      const Index at =
          pixel % p.out[a] * p.stride[a] + tap % p.kernel[a] * p.dilation[a] - p.pad_lo[a];
      inside = inside && at >= 0 && at < p.in[a];
      from += at * p.x.spatial[a];
      pixel /= p.out[a];
      tap /= p.kernel[a];
    }
    columns[i] = inside ? x[from] : from_acc<T>(Acc<T>(0));
  }
}

// The pointwise convolution that remains of `images` images.
ConvProblem unfolded(const ConvProblem& p, Index images) {
  ConvProblem q = p;
  const Index taps = p.kernel.product(), pixels = p.out.product();
  q.batch = images;
  q.in_channels = p.in_channels * taps;
  q.in = p.out;
  q.kernel = q.stride = q.dilation = {{1, 1, 1}};
  q.pad_lo = q.pad_hi = {{0, 0, 0}};
  q.x.spatial = {{p.out[1] * p.out[2], p.out[2], 1}};
  q.x.channel = pixels;
  q.x.batch = q.in_channels * pixels;
  q.w.channel = 1;
  return q;
}

Index image_bytes(const ConvProblem& p) {
  return p.in_channels * p.kernel.product() * p.out.product() * element_size(p.dtype);
}

const char* declines(const ConvProblem& p, const DeviceTraits&) {
  if (p.boundary != Boundary::fill || p.fill_value != 0.0) return "padding is not zeros";
  if (p.transposed) return "it has no transposed form";
  if (!kernel_adjoins(p) || (p.group_in() > 1 && p.w.channel != p.kernel.product())) {
    return "the weights of an output channel do not adjoin in the order of NCHW";
  }
  return gemm_declines(unfolded(p, 1));
}

const char* wanted(const ConvProblem&, const DeviceTraits&) {
  return nullptr;
}

void schedule(const ConvProblem& p, const PlanOptions& options, const DeviceTraits& traits,
              ConvPlan& plan) {
  const Index bytes = larger(1, image_bytes(p));
  plan.images = larger(1, smaller(p.batch, static_cast<Index>(options.workspace_limit) / bytes));
  schedule_gemm(unfolded(p, plan.images), traits, 0, plan);
  plan.workspace_bytes = static_cast<std::size_t>(plan.images * bytes);
}

Status run(const ConvProblem& p, const ConvPlan& plan, const ConvArrays& arrays, void* workspace,
           Stream stream) {
  return with_element(p.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    for (Index first = 0; first < p.batch; first += plan.images) {
      ConvProblem part = p;
      part.batch = smaller(plan.images, p.batch - first);
      const T* x = static_cast<const T*>(arrays.x) + first * p.x.batch;
      const Index elements = part.batch * image_bytes(p) / element_size(p.dtype);
      const Launch how{grid_blocks(elements, kThreads), kThreads, 0, stream, "unfold_windows"};
      if (elements > 0) {
        Status status = launch(unfold_windows<T>, how, part, x, workspace);
        if (!status.ok()) return status;
      }
      const ConvArrays rest{workspace, arrays.w, arrays.bias,
                            static_cast<T*>(arrays.y) + first * p.y.batch};
      Status status =
          run_gemm(unfolded(p, part.batch), plan, {workspace, part, x}, rest, nullptr, stream);
      if (!status.ok()) return status;
    }
    return Status{};
  });
}

}  // namespace

extern const ConvEntry kConvIm2col;
const ConvEntry kConvIm2col{ConvKernel::im2col, "unfolded matrix product",
                            Algorithm::im2col,  nullptr,
                            declines,           wanted,
                            schedule,           run};

}  // namespace fastconv::cuda
