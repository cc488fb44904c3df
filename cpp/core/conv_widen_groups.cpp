// A block of groups is what half of a second-level cache holds, input and output together, so the
// float32 copies never leave it, and no barrier stands between widening, computing and rounding. It
// needs planes that adjoin, several blocks for each thread, and a family that does not pack
// weights. Depthwise 3x3 layers of 56 x 56 and 112 x 112 planes still take 1.4 to 1.9 times as long
// as in float32 (measured): the copies cost as much as the products do.
#include "core/conv_widen_groups.h"

#include "core/conv_choose.h"
#include "core/conv_widen.h"
#include "core/convert.h"
#include "core/cpu_features.h"
#include "core/parallel.h"
#include "core/unit.h"
#include "core/widen_space.h"

namespace fastconv {
namespace {

ConvProblem block_of(const ConvProblem& p, Index groups) {
  ConvProblem block = p;
  block.batch = 1;
  block.groups = groups;
  block.in_channels = groups * p.group_in();
  block.out_channels = groups * p.group_out();
  return block;
}

std::size_t input_bytes(const ConvProblem& block) {
  return widened_size(block.in_channels * block.in.product());
}
std::size_t output_bytes(const ConvProblem& block) {
  return widened_size(block.out_channels * block.out.product());
}

struct GroupsJob {
  const ConvProblem& p;
  const ConvPlan& plan;  // of a block
  const ConvProblem &block, &wide;
  const Conversion &input, &output;
  const DTypeTable& table;
  TaskFunction kernel;
  const std::byte* x;
  const float* w;
  const float* bias;
  std::byte* y;
  unsigned char* saw_nan;
};

void run_blocks(const void* context, Index begin, Index end, std::byte* scratch) {
  const GroupsJob& job = *static_cast<const GroupsJob*>(context);
  const ConvProblem& p = job.p;
  auto* x = reinterpret_cast<float*>(scratch);
  auto* y = reinterpret_cast<float*>(scratch + input_bytes(job.block));
  std::byte* rest = scratch + input_bytes(job.block) + output_bytes(job.block);
  const Index blocks = p.groups / job.block.groups, element = element_size(p.dtype);
  for (Index task = begin; task < end; ++task) {
    const Index batch = task / blocks, group = task % blocks * job.block.groups;
    const Index from = batch * p.x.batch + group * p.group_in() * p.x.channel;
    const Index to = batch * p.y.batch + group * p.group_out() * p.y.channel;
    widen_rows(job.input, job.table, job.x + from * element, x);
    const Index first = group * p.group_out();
    // Both layouts of weights have the group's channels in front.
    const Index rows = group * (p.transposed ? p.group_in() : p.group_out());
    const ConvJob inner{&job.wide,
                        &job.plan,
                        x,
                        job.w + rows * job.wide.w.batch,
                        job.bias == nullptr ? nullptr : job.bias + first,
                        y,
                        nullptr,
                        job.saw_nan};
    job.kernel(&inner, 0, job.plan.tasks[1], rest);
    narrow_rows(job.output, job.table, y, job.y + to * element);
  }
}

}  // namespace

Status plan_widened_groups(const ConvProblem& p, const PlanOptions& options, ConvPlan& plan) {
  const bool planes = p.x.spatial[2] == 1 && p.y.spatial[2] == 1;
  const int threads = options.threads > 0 ? options.threads : max_threads();
  if (p.groups == 1 || !planes) return {};
  const ConvProblem one = block_of(p, 1);
  const std::size_t cache = second_level_cache() / 2;
  const std::size_t group = input_bytes(one) + output_bytes(one);
  if (group > cache) return {};
  Index groups = smaller(p.groups, static_cast<Index>(cache / group));
  if (p.batch < 4 * threads) {
    groups = smaller(groups, larger(1, p.groups * p.batch / (4 * threads)));
  }
  while (p.groups % groups != 0) --groups;
  if (p.groups / groups * p.batch < threads) return {};

  ConvPlan whole, part;
  PlanOptions single = options;
  single.threads = 1;
  if (Status status = plan_conv(widened(p, 1), options, whole); !status.ok()) return status;
  const ConvProblem block = block_of(p, groups);
  if (Status status = plan_conv(widened(block, 1), single, part); !status.ok()) return status;
  if (part.tasks[0] != 0 || !takes_every_value(part.family)) return {};
  part.threads = whole.threads;  // none but one where waking another costs more
  part.task_groups = groups;
  part.images = 1;
  part.scratch_bytes += input_bytes(block) + output_bytes(block);
  plan = part;
  return {};
}

Status run_widened_groups(const ConvProblem& p, const ConvPlan& plan, const void* x, const float* w,
                          const float* bias, void* y, unsigned char* saw_nan) {
  const ConvProblem block = block_of(p, plan.task_groups), wide = widened(block, 1);
  const Conversion input(1, block.in_channels, block.in, block.x, wide.x);
  const Conversion output(1, block.out_channels, block.out, block.y, wide.y);
  const Unit& unit = *find_unit(plan.isa);
  const GroupsJob job{
      p,
      plan,
      block,
      wide,
      input,
      output,
      unit.table[static_cast<int>(p.dtype)],
      unit.table[static_cast<int>(DType::float32)].conv[static_cast<int>(plan.family)].run,
      static_cast<const std::byte*>(x),
      w,
      bias,
      static_cast<std::byte*>(y),
      saw_nan};
  const Phase phase{p.batch * (p.groups / block.groups), run_blocks};
  if (!run_phases(plan.threads, &phase, 1, &job, plan.scratch_bytes)) {
    return no_widened_space(plan.scratch_bytes);
  }
  return {};
}

}  // namespace fastconv
