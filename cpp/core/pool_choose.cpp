// Which pooling kernel computes a problem, with how many threads and how much scratch; and the
// call.
#include "core/parallel.h"
#include "core/pool.h"
#include "core/pool_layout.h"
#include "core/pool_widen.h"
#include "core/registry.h"

namespace fastconv {
namespace {

// Elements that one thread handles in about the time that waking another takes.
constexpr Index kElementsPerThread = 32768;

// Vectors along channels need them side by side on both sides. With one channel, or where every
// pixel is its own row of memory anyway, planes are the better view.
bool takes_channels_last(const PoolProblem& p) {
  if (p.channels < 2 || p.x.channel != 1 || p.y.channel != 1) return false;
  if (p.with_indices && p.indices.channel != 1) return false;
  return p.in[2] == 1 || p.x.spatial[2] != 1;
}

// Work in units of an element that is loaded, combined and stored along a long row.
Index cost(const PoolProblem& p, bool channels_last) {
  constexpr Index row = 16;  // what a planar row costs before its first element
  const Index planes = p.batch * p.channels;
  const Index rows = channels_last ? 0 : planes * p.out[0] * p.out[1] * row;
  const Index elements = planes * (p.in.product() + p.out.product());
  const bool powers = p.kind == PoolKind::lp && p.norm != 1.0 && p.norm != 2.0;
  return (elements + rows) * (powers ? 16 : p.with_indices ? 4 : 1);
}

}  // namespace

Status choose_pool(const PoolProblem& p, Isa isa, int threads, PoolPlan& plan) {
  const Unit* unit = find_unit(isa);
  if (unit == nullptr) {
    return Status::error(
        StatusCode::unsupported,
        "this build or machine cannot run the instruction set asked for; allowed: " +
            runnable_isas());
  }
  plan = {};
  plan.isa = isa;
  plan.channels_last = takes_channels_last(p);
  plan.reason = plan.channels_last ? "channels lie side by side: vectors along channels"
                                   : "vectors along the rows of each plane";
  if (p.batch == 0 || p.channels == 0 || p.out.product() == 0) return {};

  const DTypeTable& table = unit->table[static_cast<int>(p.dtype)];
  if ((plan.channels_last ? table.pool_channels_last : table.pool_planar) == nullptr) {
    return choose_widened(p, isa, threads, plan);
  }
  const PoolLayout layout = pool_layout(p, table.width, plan.channels_last);
  plan.tasks = layout.tasks;
  plan.scratch_bytes =
      layout.scratch_bytes(table.width, static_cast<std::size_t>(element_size(p.dtype)));
  const Index useful = smaller(plan.tasks, cost(p, plan.channels_last) / kElementsPerThread);
  plan.threads = static_cast<int>(larger(1, smaller(useful, threads)));
  return {};
}

Status run_pool(const PoolProblem& p, const PoolPlan& plan, const void* x, void* y,
                Index* indices) {
  if (plan.tasks == 0) return {};
  if (plan.images != 0) return run_widened(p, plan, x, y, indices);
  const DTypeTable& table = find_unit(plan.isa)->table[static_cast<int>(p.dtype)];
  const PoolJob job{&p, &plan, x, y, indices};
  const Phase phase{plan.tasks, plan.channels_last ? table.pool_channels_last : table.pool_planar};
  if (!run_phases(plan.threads, &phase, 1, &job, plan.scratch_bytes)) {
    return Status::error(StatusCode::memory,
                         "no memory for the workspace of " + std::to_string(plan.scratch_bytes) +
                             " bytes per thread that pooling needs; use a smaller kernel_size or "
                             "fewer threads");
  }
  return {};
}

}  // namespace fastconv
