// Entries and launches of the depthwise kernels.
#include <type_traits>

#include "cuda/kernels/depthwise_channels.cuh"
#include "cuda/kernels/depthwise_planar.cuh"
#include "cuda/launch/launch.h"
#include "cuda/launch/registry.h"

namespace fastconv::cuda {
namespace {

bool has_zero_boundary(const ConvProblem& p) {
  return p.boundary == Boundary::fill && p.fill_value == 0.0;
}

bool fits_shared(const ConvProblem& p, Index channels) {
  return p.kernel.product() * channels * accumulator_size(p.dtype) <= kDepthwiseShared;
}

const char* declines_any(const ConvProblem& p) {
  if (p.group_in() != 1) return "groups have more than one input channel";
  if (!fits_shared(p, 1)) return "the kernel does not fit into shared memory";
  return nullptr;
}

// Forms of depthwise_planar.
enum Variant : int { kPixels, kRows };
constexpr int kFewRows = 4, kManyRows = 8;

bool takes_rows(const ConvProblem& p) {
  const Index taps = p.kernel[1];
  const bool unrolled = taps == 3 || taps == 5 || taps == 7;
  return !p.transposed && p.stride[1] == 1 && (unrolled || taps >= kManyRows) &&
         p.out[1] > p.dilation[1];
}

struct DepthwiseRun {
  const ConvProblem& p;
  const ConvArrays& arrays;
  Stream stream;
  DepthwiseTask task = depthwise_task(p);

  template <class T, class Kernel, class... More>
  Status planes(Kernel kernel, const char* name, Index rows, const More&... more) const {
    const Index items = p.out[0] * rows * p.out[2];
    const PlaneBlocks blocks =
        plane_blocks(items, p.batch * p.out_channels, task.taps, accumulator_size(p.dtype));
    const PlaneSplit split{Divider(rows), Divider(p.out[2])};
    const Index grid = ceil_div(blocks.all_planes, blocks.planes) * blocks.tiles.divisor();
    const auto shared = static_cast<std::size_t>(blocks.planes * task.taps) * sizeof(Acc<T>);
    const Launch how{dim3(static_cast<unsigned>(grid)), kDepthwiseThreads, shared, stream, name};
    return launch(kernel, how, task, blocks, split, more..., static_cast<const T*>(arrays.x),
                  static_cast<const T*>(arrays.w), static_cast<const T*>(arrays.bias),
                  static_cast<T*>(arrays.y));
  }

  template <class T, int kTaps, int kRowsEach>
  Status rows() const {
    const Index step = p.dilation[1];
    const Index groups = ceil_div(ceil_div(p.out[1], step), kRowsEach);
    return planes<T>(depthwise_rows<T, kTaps, kRowsEach>, "depthwise_rows", groups * step,
                     Divider(step));
  }

  template <class T>
  Status planar(int variant) const {
    if (variant != kRows) return planes<T>(depthwise_planar<T>, "depthwise_planar", p.out[1]);
    switch (p.kernel[1]) {
      case 3:
        return rows<T, 3, kFewRows>();
      case 5:
        return rows<T, 5, kFewRows>();
      case 7:
        return rows<T, 7, kFewRows>();
      default:
        return rows<T, 0, kManyRows>();
    }
  }

  template <class T>
  Status filter() const {
    return planes<T>(filter_planar<T>, "filter_planar", p.out[1]);
  }

  template <class T, int kVector, int kCols>
  Status channels_by() const {
    const auto fits = [&](int lanes) { return fits_shared(p, Index{lanes} * kVector); };
    int lanes = 32;
    while (lanes > 1 && (lanes / 2 * kVector >= p.out_channels || !fits(lanes))) lanes /= 2;
    const Axes groups{{p.out[0], p.out[1], ceil_div(p.out[2], kCols)}};
    ChannelBlocks b{Elements(p.batch, 1, groups, false), lanes, 1,
                    Divider(ceil_div(p.out_channels, Index{lanes} * kVector))};
    const Index slots = kDepthwiseThreads / lanes;
    // Enough blocks for every multiprocessor first, then more pixels for each.
    constexpr Index kManyBlocks = 4096;
    while (b.repeats < 8 &&
           b.pixels.count() / (slots * b.repeats) * b.blocks.divisor() > kManyBlocks) {
      b.repeats *= 2;
    }
    const Index grid = ceil_div(b.pixels.count(), slots * b.repeats) * b.blocks.divisor();
    const auto shared = static_cast<std::size_t>(task.taps * lanes * kVector) * sizeof(Acc<T>);
    const Launch how{dim3(static_cast<unsigned>(grid)), kDepthwiseThreads, shared, stream,
                     "depthwise_channels"};
    return launch(depthwise_channels<T, kVector, kCols>, how, task, b,
                  static_cast<const T*>(arrays.x), static_cast<const T*>(arrays.w),
                  static_cast<const T*>(arrays.bias), static_cast<T*>(arrays.y));
  }

  template <class T>
  Status channels() const {
    constexpr int kVector = kPackBytes / static_cast<int>(sizeof(T));
    const bool words = p.out_channels % kVector == 0 && fits_shared(p, kVector) &&
                       is_pack_aligned(arrays.x) && is_pack_aligned(arrays.y) &&
                       strides_take_packs(p.x, p.batch, p.in, kVector) &&
                       strides_take_packs(p.y, p.batch, p.out, kVector);
    if (!words) return channels_by<T, 1, 1>();
    return p.transposed || p.out[2] < 4 ? channels_by<T, kVector, 1>()
                                        : channels_by<T, kVector, 4>();
  }
};

template <class Form>
Status run_form(const ConvProblem& p, const ConvArrays& arrays, Stream stream, const Form& form) {
  if (p.batch * p.out_channels * p.out.product() == 0) return {};
  const DepthwiseRun run{p, arrays, stream};
  return with_element(p.dtype, [&](auto* element) { return form(run, element); });
}

const char* declines_planar(const ConvProblem& p, const DeviceTraits&) {
  if (!has_zero_boundary(p)) return "it knows no boundary but zeros";
  return declines_any(p);
}
const char* wanted_planar(const ConvProblem& p, const DeviceTraits&) {
  constexpr Index kFewOutputs = 4;
  return p.group_out() <= kFewOutputs ? "one input channel per group, planes read in place"
                                      : nullptr;
}
void schedule_planar(const ConvProblem& p, const PlanOptions&, const DeviceTraits&,
                     ConvPlan& plan) {
  plan.variant = takes_rows(p) ? kRows : kPixels;
  plan.tile_n = kDepthwiseThreads;
}
Status run_planar(const ConvProblem& p, const ConvPlan& plan, const ConvArrays& arrays, void*,
                  Stream stream) {
  return run_form(p, arrays, stream, [&](const DepthwiseRun& run, auto* element) {
    return run.planar<std::remove_pointer_t<decltype(element)>>(plan.variant);
  });
}

const char* declines_channels(const ConvProblem& p, const DeviceTraits& traits) {
  if (p.group_out() != 1) return "groups have more than one output channel";
  if (p.x.channel != 1 || p.y.channel != 1) return "channels do not lie side by side";
  return declines_planar(p, traits);
}
const char* wanted_channels(const ConvProblem& p, const DeviceTraits&) {
  return p.out_channels >= 8 ? "depthwise with channels side by side" : nullptr;
}
void schedule_channels(const ConvProblem&, const PlanOptions&, const DeviceTraits&,
                       ConvPlan& plan) {
  plan.tile_n = kDepthwiseThreads;
}
Status run_channels(const ConvProblem& p, const ConvPlan&, const ConvArrays& arrays, void*,
                    Stream stream) {
  return run_form(p, arrays, stream, [&](const DepthwiseRun& run, auto* element) {
    return run.channels<std::remove_pointer_t<decltype(element)>>();
  });
}

const char* declines_filter(const ConvProblem& p, const DeviceTraits&) {
  if (p.transposed) return "a transposed convolution has no boundary rule";
  if (has_zero_boundary(p)) return "the boundary is zeros";
  return declines_any(p);
}
const char* wanted_filter(const ConvProblem&, const DeviceTraits&) {
  return "the boundary continues the input";
}
Status run_filter(const ConvProblem& p, const ConvPlan&, const ConvArrays& arrays, void*,
                  Stream stream) {
  return run_form(p, arrays, stream, [&](const DepthwiseRun& run, auto* element) {
    return run.filter<std::remove_pointer_t<decltype(element)>>();
  });
}

}  // namespace

extern const ConvEntry kConvDepthwisePlanar, kConvDepthwiseChannels, kConvFilter;
const ConvEntry kConvDepthwisePlanar{ConvKernel::depthwise_planar,
                                     "depthwise_planar",
                                     Algorithm::direct,
                                     nullptr,
                                     declines_planar,
                                     wanted_planar,
                                     schedule_planar,
                                     run_planar};
const ConvEntry kConvDepthwiseChannels{ConvKernel::depthwise_channels,
                                       "depthwise_channels",
                                       Algorithm::direct,
                                       nullptr,
                                       declines_channels,
                                       wanted_channels,
                                       schedule_channels,
                                       run_channels};
const ConvEntry kConvFilter{ConvKernel::filter, "filter",      Algorithm::direct, nullptr,
                            declines_filter,    wanted_filter, schedule_channels, run_filter};

}  // namespace fastconv::cuda
