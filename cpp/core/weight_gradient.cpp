#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "core/config.h"
#include "core/conv_schedule.h"
#include "core/cpu_features.h"
#include "core/gradient.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/unit.h"
#include "core/weight_schedule.h"

namespace fastconv {
namespace {

// Bytes of all partial sums, and of a thread's packed block.
constexpr Index kMostSums = Index{32} << 20, kMostBlock = Index{512} << 10;
constexpr Index kMostScratch = Index{64} << 20;

std::atomic<int> g_forced{-1};

Index line(Index elements, Index element) {
  return ceil_div(elements * element, 64) * 64;
}

Index round_up(Index count, Index unit) {
  return ceil_div(count, unit) * unit;
}

// Parts of pixels, or whole blocks of these.
Index most_parts(const ConvProblem& p, const WeightPlan& plan) {
  return smaller(p.batch * p.out.product() / kLeastPartPixels, weight_blocks(p, plan).count);
}

// Blocks of about kBlockPixels pixels: rows, parts of one, or several planes.
void cut_blocks(const ConvProblem& p, WeightPlan& plan) {
  const Index reach = p.dilation[2] * (p.kernel[2] - 1) / p.stride[2];
  plan.block_cols = even_share(p.out[2], larger(kBlockPixels, smaller(reach, 4 * kBlockPixels)));
  plan.block_rows = even_share(p.out[1], kBlockPixels / larger(1, plan.block_cols));
  if (plan.block_rows < p.out[1]) return;
  const Index plane = larger(1, plan.block_rows * plan.block_cols);
  const Index planes = p.batch * p.out[0] * ceil_div(p.out[2], larger(1, plan.block_cols));
  plan.block_planes = even_share(planes, kBlockPixels / plane);
}

void plan_panels(const ConvProblem& p, Index width, Index element, WeightPlan& plan) {
  cut_blocks(p, plan);
  const Index channels = round_up(larger(1, p.group_in()), width);
  const Index pixels = plan.block_planes * p.kernel[0] * packed_rows(p, plan.block_rows).count *
                       packed_cols(p, plan.block_cols).count;
  plan.block_channels =
      smaller(channels, larger(width, kMostBlock / (pixels * element) / width * width));
  plan.k_step = p.kernel.product() * channels;
  plan.tap_step = channels;
  plan.channel_step = 1;
  const Index share = p.kernel.product() > 1 ? 64 : 256;
  plan.shares = ceil_div(larger(1, p.group_out()), share);
  const Index most = plan.block_planes * plan.block_rows * plan.block_cols;
  plan.scratch_bytes =
      static_cast<std::size_t>(line(most * round_up(larger(1, p.group_out()), width), element) +
                               line(plan.block_planes * plan.block_rows, sizeof(Index) * 3) +
                               line(pixels * plan.block_channels, element));
  cut_parts(p, p.groups * plan.shares, most_parts(p, plan), element, plan);
}

void plan_unfolded(const ConvProblem& p, Index width, Index element, WeightPlan& plan) {
  cut_blocks(p, plan);
  const Index taps = p.kernel.product();
  plan.k_step = round_up(larger(1, p.group_in() * taps), width);
  plan.channel_step = taps;
  plan.tap_step = 1;
  plan.shares = ceil_div(larger(1, p.group_out()), 256);
  const Index most = plan.block_planes * plan.block_rows * plan.block_cols;
  plan.scratch_bytes = static_cast<std::size_t>(
      line(most * round_up(larger(1, p.group_out()), width), element) +
      line(width * plan.block_cols, element) + line(most * plan.k_step, element));
  cut_parts(p, p.groups * plan.shares, most_parts(p, plan), element, plan);
}

void plan_rows(const ConvProblem& p, Index width, Index element, WeightPlan& plan) {
  constexpr Index kPlanePixels = 16384;
  plan.block_cols = p.out[2];
  plan.block_rows = even_share(p.out[1], kPlanePixels / larger(1, p.out[2]));
  plan.k_step = p.group_in() * p.kernel.product();
  plan.channel_step = p.kernel.product();
  plan.tap_step = 1;
  const PackedAxis cols = packed_axis(
      conv_axis(p.out[2], p.kernel[2], p.stride[2], p.dilation[2], p.pad_lo[2]), p.out[2]);
  plan.scratch_bytes = static_cast<std::size_t>(
      line(p.kernel.product() * width, element) + line(plan.block_rows * p.out[2], element) +
      line(packed_rows(p, plan.block_rows).count * cols.copies * cols.length, element));
  cut_parts(p, p.out_channels * p.group_in(), most_parts(p, plan), element, plan);
}

void plan_depthwise_last(const ConvProblem& p, Index width, Index element, WeightPlan& plan) {
  plan.block_cols = p.out[2];
  const Index row = larger(1, (p.out[2] + p.stride[1] * p.in[2]) * p.out_channels * element);
  plan.block_rows = even_share(p.out[1], static_cast<Index>(second_level_cache()) / 2 / row);
  plan.k_step = plan.channel_step = p.kernel.product();
  plan.tap_step = 1;
  plan.scratch_bytes =
      static_cast<std::size_t>(line(round_up(p.out_channels, width) * p.kernel.product(), element));
  cut_parts(p, 1, most_parts(p, plan), element, plan);
}

Status no_memory(std::size_t bytes) {
  return Status::error(StatusCode::memory, "no memory for a workspace of " + std::to_string(bytes) +
                                               " bytes, partial sums of a weight gradient; use a "
                                               "smaller batch or fewer threads");
}

Status run_plan(const ConvProblem& p, const WeightPlan& plan, const void* grad, const void* x,
                void* to, bool& finite) {
  const DTypeTable& table = find_unit(plan.isa)->table[static_cast<int>(p.dtype)];
  const Workspace sums = allocate_workspace(plan.sums_bytes);
  if (!sums) return no_memory(plan.sums_bytes);
  unsigned char odd = 0;
  const WeightJob job{&p, &plan, x, grad, to, sums.get(), &odd};
  const Phase phases[2] = {{plan.tasks, table.weights[static_cast<int>(plan.family)]},
                           {p.out_channels, table.add_weights}};
  if (!run_phases(plan.threads, phases, 2, &job, plan.scratch_bytes)) {
    return no_memory(plan.scratch_bytes);
  }
  finite = odd == 0;
  return {};
}

bool is_padded(const ConvProblem& p) {
  for (int a = 0; a < kAxes; ++a) {
    const Index reach = (p.out[a] - 1) * p.stride[a] + dilated_extent(p.kernel[a], p.dilation[a]);
    if (p.pad_lo[a] != 0 || reach > p.in[a] + p.pad_lo[a]) return true;
  }
  return false;
}

}  // namespace

void cut_parts(const ConvProblem& p, Index others, Index most, Index element, WeightPlan& plan) {
  const Index sums = larger(1, p.out_channels * plan.k_step * element);
  plan.parts = smaller(ceil_div(kWeightTasks, larger(1, others)), smaller(most, kMostSums / sums));
  plan.parts = larger(1, plan.parts);
  plan.tasks = others * plan.parts;
  plan.sums_bytes = static_cast<std::size_t>(plan.parts * sums + 64);
}

WeightPlan plan_weight_family(const ConvProblem& p, WeightFamily family, Isa isa, int threads) {
  constexpr Index kLeastWork = 250'000;  // multiply-adds that repay waking a thread
  const DTypeTable& table = find_unit(isa)->table[static_cast<int>(p.dtype)];
  const Index element = accumulator_size(p.dtype);
  WeightPlan plan;
  plan.family = family;
  plan.isa = isa;
  switch (family) {
    case WeightFamily::panels:
      plan_panels(p, table.width, element, plan);
      break;
    case WeightFamily::unfolded:
      plan_unfolded(p, table.width, element, plan);
      break;
    case WeightFamily::rows:
      plan_rows(p, table.width, element, plan);
      break;
    case WeightFamily::depthwise_last:
      plan_depthwise_last(p, table.width, element, plan);
      break;
    case WeightFamily::winograd:
      plan_weights_winograd(p, table.width, plan);
      break;
  }
  const bool brief = multiply_adds(p) < kLeastWork;
  plan.threads = brief ? 1 : static_cast<int>(larger(1, smaller(threads, plan.tasks)));
  return plan;
}

void force_weight_family(int family) {
  g_forced.store(family, std::memory_order_relaxed);
}

WeightPlan plan_weight_gradient(const ConvProblem& p, Isa isa, int threads) {
  const DTypeTable& table = find_unit(isa)->table[static_cast<int>(p.dtype)];
  const int forced = g_forced.load(std::memory_order_relaxed);
  const WeightFamily family =
      forced >= 0 && takes_weights(p, static_cast<WeightFamily>(forced), table.width)
          ? static_cast<WeightFamily>(forced)
          : choose_weights(p, table);
  const WeightPlan plan = plan_weight_family(p, family, isa, threads);
  // Steps so large that packed blocks would be mostly holes.
  if (plan.scratch_bytes <= kMostScratch) return plan;
  return plan_weight_family(p, WeightFamily::rows, isa, threads);
}

ConvProblem weight_gradient_problem(const ConvProblem& p) {
  ConvProblem q = p;
  q.has_bias = false;
  q.activation = Activation::none;
  if (!p.transposed) return q;
  q.transposed = false;
  q.in_channels = p.out_channels;
  q.out_channels = p.in_channels;
  q.in = p.out;
  q.out = p.in;
  q.x = p.y;
  q.y = p.x;
  return q;
}

Status run_weight_gradient(const ConvProblem& problem, const void* grad, const void* x, void* to) {
  ConvProblem p = weight_gradient_problem(problem);
  if (problem.transposed) std::swap(grad, x);
  simplify(p);
  const WeightPlan plan = plan_weight_gradient(p, active_isa(), max_threads());
  bool finite = true;
  if (Status status = run_plan(p, plan, grad, x, to, finite); !status.ok()) return status;
  if (finite) return {};
  // Infinite gradients may have met the zeros of padding, or one pixel another in Winograd's
  // transforms: rows and panels multiply no padding and mix nothing.
  WeightFamily exact = WeightFamily::rows;
  if (plan.family == WeightFamily::winograd) {
    exact = WeightFamily::panels;
  } else if (plan.family != WeightFamily::unfolded || !is_padded(p)) {
    return {};
  }
  return run_plan(p, plan_weight_family(p, exact, active_isa(), max_threads()), grad, x, to,
                  finite);
}

Status run_bias_gradient(const ConvProblem& p, const void* grad, void* to) {
  const Isa isa = active_isa();
  const DTypeTable& table = find_unit(isa)->table[static_cast<int>(p.dtype)];
  const ChannelSums sums{p.dtype, p.batch, p.out_channels, p.out, p.y, grad, to};
  const Index tasks =
      p.y.channel == 1 ? ceil_div(p.out_channels, Index{table.width}) : p.out_channels;
  constexpr Index kElementsPerThread = 32768;
  const Index useful = p.batch * p.out_channels * p.out.product() / kElementsPerThread;
  const int threads =
      static_cast<int>(larger(1, smaller(smaller(useful, tasks), Index{max_threads()})));
  const Phase phase{tasks, table.channel_sums};
  (void)run_phases(threads, &phase, 1, &sums, 0);  // without scratch memory nothing can fail
  return {};
}

}  // namespace fastconv
