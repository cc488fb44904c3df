#include "core/pool_widen.h"

#include "core/convert.h"
#include "core/cpu_features.h"
#include "core/parallel.h"
#include "core/pool.h"
#include "core/widen_space.h"

namespace fastconv {
namespace {

PoolProblem widened(const PoolProblem& problem, Index images) {
  PoolProblem wide = problem;
  wide.dtype = DType::float32;
  wide.batch = images;
  const bool last = problem.channels > 1 && problem.x.channel == 1;
  wide.x = packed_strides(wide.channels, wide.in, last);
  wide.y = packed_strides(wide.channels, wide.out, last);
  return wide;
}

Index image_in(const PoolProblem& p) {
  return p.channels * p.in.product();
}
Index image_out(const PoolProblem& p) {
  return p.channels * p.out.product();
}

std::size_t input_bytes(const PoolProblem& p) {
  return widened_size(image_in(p));
}
std::size_t output_bytes(const PoolProblem& p) {
  return widened_size(image_out(p));
}

PoolProblem block_of(const PoolProblem& p, Index channels) {
  PoolProblem block = p;
  block.batch = 1;
  block.channels = channels;
  return block;
}

// Channels of a block: what half of a second-level cache holds, in several blocks for each thread;
// 0 where one is too large or there are too few.
Index block_channels(const PoolProblem& p, int threads) {
  if (p.x.spatial[2] != 1) return 0;
  const PoolProblem one = block_of(p, 1);
  const std::size_t plane = input_bytes(one) + output_bytes(one);
  const std::size_t cache = second_level_cache() / 2;
  if (plane > cache || p.batch * p.channels < threads) return 0;
  Index channels = smaller(p.channels, static_cast<Index>(cache / plane));
  if (p.batch < 4 * threads) {
    channels = smaller(channels, larger(1, p.channels * p.batch / (4 * threads)));
  }
  while (p.channels % channels != 0) --channels;
  return channels;
}

struct BlocksJob {
  const PoolProblem& p;
  const PoolPlan& plan;
  const PoolProblem &block, &wide;
  const Conversion &input, &output;
  const DTypeTable& table;
  TaskFunction kernel;
  const std::byte* x;
  std::byte* y;
  Index* indices;
};

void run_blocks(const void* context, Index begin, Index end, std::byte* scratch) {
  const BlocksJob& job = *static_cast<const BlocksJob*>(context);
  const PoolProblem& p = job.p;
  auto* x = reinterpret_cast<float*>(scratch);
  auto* y = reinterpret_cast<float*>(scratch + input_bytes(job.block));
  std::byte* rest = scratch + input_bytes(job.block) + output_bytes(job.block);
  const Index blocks = p.channels / job.block.channels, element = element_size(p.dtype);
  for (Index task = begin; task < end; ++task) {
    const Index batch = task / blocks, channel = task % blocks * job.block.channels;
    const Index from = batch * p.x.batch + channel * p.x.channel;
    const Index to = batch * p.y.batch + channel * p.y.channel;
    widen_rows(job.input, job.table, job.x + from * element, x);
    Index* indices = job.indices == nullptr
                         ? nullptr
                         : job.indices + batch * p.indices.batch + channel * p.indices.channel;
    const PoolJob inner{&job.wide, &job.plan, x, y, indices};
    job.kernel(&inner, 0, job.plan.tasks, rest);
    narrow_rows(job.output, job.table, y, job.y + to * element);
  }
}

Status run_widened_blocks(const PoolProblem& p, const PoolPlan& plan, const void* x, void* y,
                          Index* indices) {
  const PoolProblem block = block_of(p, plan.task_channels), wide = widened(block, 1);
  const Conversion input(1, block.channels, block.in, block.x, wide.x);
  const Conversion output(1, block.channels, block.out, block.y, wide.y);
  const Unit& unit = *find_unit(plan.isa);
  const BlocksJob job{p,
                      plan,
                      block,
                      wide,
                      input,
                      output,
                      unit.table[static_cast<int>(p.dtype)],
                      unit.table[static_cast<int>(DType::float32)].pool_planar,
                      static_cast<const std::byte*>(x),
                      static_cast<std::byte*>(y),
                      indices};
  const Phase phase{p.batch * (p.channels / block.channels), run_blocks};
  if (!run_phases(plan.threads, &phase, 1, &job, plan.scratch_bytes)) {
    return no_widened_space(plan.scratch_bytes);
  }
  return {};
}

}  // namespace

Status choose_widened(const PoolProblem& p, Isa isa, int threads, PoolPlan& plan) {
  if (const Index channels = block_channels(p, threads); channels != 0) {
    PoolPlan whole;
    if (Status status = choose_pool(widened(p, 1), isa, threads, whole); !status.ok()) {
      return status;
    }
    const PoolProblem block = block_of(p, channels), wide = widened(block, 1);
    if (Status status = choose_pool(wide, isa, 1, plan); !status.ok()) return status;
    if (!plan.channels_last) {
      plan.threads = p.batch > 1 ? threads : whole.threads;
      plan.images = 1;
      plan.task_channels = channels;
      plan.scratch_bytes += input_bytes(block) + output_bytes(block);
      return {};
    }
  }
  const auto image = static_cast<Index>(widened_size(image_in(p)) + widened_size(image_out(p)));
  const Index cache = static_cast<Index>(second_level_cache()) * threads;
  const Index images = images_per_block(p.batch, image, cache);
  if (Status status = choose_pool(widened(p, images), isa, threads, plan); !status.ok()) {
    return status;
  }
  plan.images = images;
  plan.widened_bytes = widened_size(image_in(p) * images) + widened_size(image_out(p) * images);
  return {};
}

Status run_widened(const PoolProblem& p, const PoolPlan& plan, const void* x, void* y,
                   Index* indices) {
  if (plan.task_channels != 0) return run_widened_blocks(p, plan, x, y, indices);
  std::byte* space = widened_space(plan.widened_bytes);
  if (space == nullptr) return no_widened_space(plan.widened_bytes);
  auto* wide_x = reinterpret_cast<float*>(space);
  auto* wide_y = reinterpret_cast<float*>(space + widened_size(image_in(p) * plan.images));
  const PoolProblem wide = widened(p, plan.images);
  const Conversion input(wide.batch, p.channels, p.in, p.x, wide.x);
  const Conversion output(wide.batch, p.channels, p.out, p.y, wide.y);
  const DTypeTable& table = find_unit(plan.isa)->table[static_cast<int>(p.dtype)];
  PoolPlan wide_plan = plan;
  wide_plan.images = 0;
  const Index element = element_size(p.dtype);
  for (Index done = 0; done < p.batch; done += plan.images) {
    const Index first = smaller(done, p.batch - plan.images);
    const auto* from = static_cast<const std::byte*>(x) + first * p.x.batch * element;
    widen_all(input, table, plan.threads, from, wide_x);
    Index* positions = indices == nullptr ? nullptr : indices + first * p.indices.batch;
    if (Status status = run_pool(wide, wide_plan, wide_x, wide_y, positions); !status.ok()) {
      return status;
    }
    auto* to = static_cast<std::byte*>(y) + first * p.y.batch * element;
    narrow_all(output, table, plan.threads, wide_y, to);
  }
  return {};
}

}  // namespace fastconv
