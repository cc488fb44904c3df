// A block of images that the second-level caches hold, inputs and outputs together, or one image:
// so the float32 copies are read and written in cache wherever an image fits, and memory is bounded
// by one image. Blocks are even; the last one begins early enough to be whole, and computes a few
// images again, so one plan serves all.
#include "core/conv_widen.h"

#include "core/conv_widen_groups.h"
#include "core/convert.h"
#include "core/cpu_features.h"
#include "core/parallel.h"
#include "core/widen_space.h"

namespace fastconv {
namespace {

Index image_in(const ConvProblem& p) {
  return p.in_channels * p.in.product();
}
Index image_out(const ConvProblem& p) {
  return p.out_channels * p.out.product();
}
Index weight_count(const ConvProblem& p) {
  return p.out_channels * p.group_in() * p.kernel.product();
}

const DTypeTable& narrow_table(const ConvProblem& p, const ConvPlan& plan) {
  return find_unit(plan.isa)->table[static_cast<int>(p.dtype)];
}

Conversion weight_conversion(const ConvProblem& narrow, const ConvProblem& wide) {
  const Index first = narrow.transposed ? narrow.in_channels : narrow.out_channels;
  const Index second = narrow.transposed ? narrow.group_out() : narrow.group_in();
  return {first, second, narrow.kernel, narrow.w, wide.w};
}

// Calls compute(x, y) on float32 copies of each block of images, which lie in `space`.
template <class Compute>
Status each_block(const ConvProblem& p, const ConvPlan& plan, const void* x, void* y,
                  std::byte* space, const Compute& compute) {
  const ConvProblem wide = widened(p, plan.images);
  const Conversion input(wide.batch, p.in_channels, p.in, p.x, wide.x);
  const Conversion output(wide.batch, p.out_channels, p.out, p.y, wide.y);
  const DTypeTable& table = narrow_table(p, plan);
  auto* wide_x = reinterpret_cast<float*>(space);
  auto* wide_y = reinterpret_cast<float*>(space + widened_size(image_in(p) * plan.images));
  const Index element = element_size(p.dtype);
  for (Index done = 0; done < p.batch; done += plan.images) {
    const Index first = smaller(done, p.batch - plan.images);
    const auto* from = static_cast<const std::byte*>(x) + first * p.x.batch * element;
    widen_all(input, table, plan.threads, from, wide_x);
    if (Status status = compute(wide_x, wide_y); !status.ok()) return status;
    auto* to = static_cast<std::byte*>(y) + first * p.y.batch * element;
    narrow_all(output, table, plan.threads, wide_y, to);
  }
  return {};
}

ConvProblem simplified(const ConvProblem& problem) {
  ConvProblem simple = problem;
  simplify(simple);
  return simple;
}

// Whole images between parallel regions.
Status plan_images(const ConvProblem& p, const PlanOptions& options, ConvPlan& plan) {
  const int threads = options.threads > 0 ? options.threads : max_threads();
  const auto image = static_cast<Index>(widened_size(image_in(p)) + widened_size(image_out(p)));
  const Index cache = static_cast<Index>(second_level_cache()) * threads;
  const Index images = images_per_block(p.batch, image, cache);
  if (Status status = plan_conv(simplified(widened(p, images)), options, plan); !status.ok()) {
    return status;
  }
  plan.images = images;
  plan.widened_bytes = widened_size(image_in(p) * images) + widened_size(image_out(p) * images);
  return {};
}

Status run_images(const ConvProblem& p, const ConvPlan& plan, const void* x, const float* w,
                  const float* bias, void* y, std::byte* space) {
  ConvPlan wide_plan = plan;
  wide_plan.images = 0;
  const ConvProblem wide = simplified(widened(p, plan.images));
  return each_block(p, plan, x, y, space, [&](const float* wide_x, float* wide_y) {
    return run_conv(wide, wide_plan, {wide_x, w, bias, wide_y});
  });
}

}  // namespace

ConvProblem widened(const ConvProblem& problem, Index images) {
  ConvProblem wide = problem;
  wide.dtype = DType::float32;
  wide.batch = images;
  const bool x_last = problem.in_channels > 1 && problem.x.channel == 1;
  const bool y_last = problem.out_channels == 1 ? x_last : problem.y.channel == 1;
  wide.x = packed_strides(wide.in_channels, wide.in, x_last);
  wide.y = packed_strides(wide.out_channels, wide.out, y_last);
  wide.w = packed_strides(wide.transposed ? wide.group_out() : wide.group_in(), wide.kernel, false);
  return wide;
}

void widen_weights(const ConvProblem& p, const ConvPlan& plan, const void* w, const void* bias,
                   std::byte* space) {
  const DTypeTable& table = narrow_table(p, plan);
  widen_all(weight_conversion(p, widened(p, 1)), table, plan.threads, w,
            reinterpret_cast<float*>(space));
  if (bias == nullptr) return;
  auto* to = reinterpret_cast<float*>(space + widened_size(weight_count(p)));
  table.widen(to, bias, 1, p.out_channels);
}

std::size_t widened_weight_bytes(const ConvProblem& p) {
  return widened_size(weight_count(p)) + widened_size(p.out_channels);
}

Status plan_widened(const ConvProblem& p, const PlanOptions& options, ConvPlan& plan) {
  plan = ConvPlan{};
  if (Status status = plan_widened_groups(p, options, plan); !status.ok()) return status;
  if (plan.task_groups == 0) {
    if (Status status = plan_images(p, options, plan); !status.ok()) return status;
  }
  plan.widened_bytes += widened_weight_bytes(p);
  return {};
}

Status run_widened(const ConvProblem& p, const ConvPlan& plan, const ConvArrays& arrays) {
  if (p.batch == 0) return {};
  std::byte* space = widened_space(plan.widened_bytes);
  if (space == nullptr) return no_widened_space(plan.widened_bytes);
  widen_weights(p, plan, arrays.w, arrays.bias, space);
  if (plan.task_groups != 0) return run_widened_blocks(p, plan, arrays.x, space, arrays.y);
  const auto* w = reinterpret_cast<const float*>(space);
  const auto* bias = reinterpret_cast<const float*>(space + widened_size(weight_count(p)));
  return run_images(p, plan, arrays.x, w, arrays.bias == nullptr ? nullptr : bias, arrays.y,
                    space + widened_weight_bytes(p));
}

Status run_widened_blocks(const ConvProblem& p, const ConvPlan& plan, const void* x,
                          const std::byte* weights, void* y) {
  if (p.batch == 0) return {};
  const auto* w = reinterpret_cast<const float*>(weights);
  const auto* bias = p.has_bias
                         ? reinterpret_cast<const float*>(weights + widened_size(weight_count(p)))
                         : nullptr;
  unsigned char saw_nan = 0;
  if (Status status = run_widened_groups(p, plan, x, w, bias, y, &saw_nan); !status.ok()) {
    return status;
  }
  if (saw_nan == 0) return {};
  // Padding may have met a weight that is not finite: run_conv of whole images looks into that.
  ConvPlan images;
  PlanOptions options;
  options.threads = plan.threads;
  if (Status status = plan_images(p, options, images); !status.ok()) return status;
  const Workspace space = allocate_workspace(images.widened_bytes);
  if (!space) return no_widened_space(images.widened_bytes);
  return run_images(p, images, x, w, bias, y, space.get());
}

Status prepare_widened(const ConvProblem& p, const ConvPlan& plan, const PlanOptions& options,
                       const void* w, const void* bias, std::unique_ptr<PreparedConv>& made) {
  const std::size_t bytes = widened_weight_bytes(p);
  const Workspace space = allocate_workspace(bytes);
  if (!space) return no_widened_space(bytes);
  widen_weights(p, plan, w, bias, space.get());
  const void* wide_bias = space.get() + widened_size(weight_count(p));
  return PreparedConv::make(widened(p, plan.images), options, space.get(),
                            bias == nullptr ? nullptr : wide_bias, made);
}

Status run_prepared_widened(const ConvProblem& p, const ConvPlan& plan, const PreparedConv& wide,
                            const void* x, void* y) {
  if (p.batch == 0) return {};
  const std::size_t bytes =
      widened_size(image_in(p) * plan.images) + widened_size(image_out(p) * plan.images);
  std::byte* space = widened_space(bytes);
  if (space == nullptr) return no_widened_space(bytes);
  return each_block(p, plan, x, y, space,
                    [&](const float* wide_x, float* wide_y) { return wide.run(wide_x, wide_y); });
}

}  // namespace fastconv
