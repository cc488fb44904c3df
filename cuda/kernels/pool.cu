// Launches of the pooling kernels.
#include "cuda/kernels/pool.cuh"

#include <type_traits>

#include "cuda/launch/launch.h"

namespace fastconv::cuda {
namespace {

// The problem with the plane as one row, as `flat` plans see it. Positions stay the same.
PoolProblem flattened(const PoolProblem& p) {
  PoolProblem flat = p;
  flat.in = flat.kernel = {{1, 1, p.in.product()}};
  flat.stride = flat.dilation = {{1, 1, 1}};
  flat.pad_lo = flat.pad_hi = {{0, 0, 0}};
  return flat;
}

struct PoolRun {
  const PoolProblem& p;
  const PoolPlan& plan;
  const void* x;
  void* y;
  Index* indices;
  Stream stream;

  template <class T, class Op, int kVector>
  Status outputs() const {
    const PoolTask task = pool_task(p, channels_are_dense(p.channels, p.y), kVector, plan.rows);
    const dim3 grid(static_cast<unsigned>(ceil_div(task.outputs.count(), kPoolThreads)));
    return launch(pool_outputs<T, Op, kVector>,
                  Launch{grid, kPoolThreads, 0, stream, "pool_outputs"}, task,
                  static_cast<const T*>(x), static_cast<T*>(y), indices);
  }

  template <class T, class Op>
  Status windows() const {
    const PoolTask task = pool_task(p, false, 1, 1);
    const Index outputs = kPoolWarps / plan.warps;
    const dim3 grid(static_cast<unsigned>(ceil_div(task.outputs.count(), outputs)));
    return launch(pool_windows<T, Op>,
                  Launch{grid, kPoolThreads, kPoolWarps * sizeof(Op), stream, "pool_windows"}, task,
                  plan.warps, static_cast<const T*>(x), static_cast<T*>(y), indices);
  }

  template <class T, class Op>
  Status window_channels() const {
    const PoolTask task = pool_task(p, true, 1, 1);
    const Elements blocks(p.batch, ceil_div(p.channels, 32), p.out, true);
    const dim3 grid(static_cast<unsigned>(blocks.count()));
    return launch(
        pool_window_channels<T, Op>,
        Launch{grid, kPoolThreads, kPoolThreads * sizeof(Op), stream, "pool_window_channels"}, task,
        blocks, static_cast<const T*>(x), static_cast<T*>(y), indices);
  }

  // `Any` does what `Op` does and more: it spares kernels that are not used for small windows.
  template <class T, class Op, class Any, int kVector>
  Status run() const {
    if (plan.kernel == PoolKernel::windows) return windows<T, Any>();
    if (plan.kernel == PoolKernel::window_channels) return window_channels<T, Any>();
    const bool aligned = is_pack_aligned(x) && is_pack_aligned(y) && is_pack_aligned(indices);
    return plan.vector > 1 && aligned ? outputs<T, Op, kVector>() : outputs<T, Op, 1>();
  }
};

}  // namespace

Status run_pool(const PoolProblem& problem, const PoolPlan& plan, const void* x, void* y,
                Index* indices, Stream stream) {
  const PoolProblem p = plan.flat ? flattened(problem) : problem;
  if (p.batch * p.channels * p.out.product() == 0) return {};
  const PoolRun run{p, plan, x, y, indices, stream};
  return with_element(p.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    using A = Acc<T>;
    constexpr int kVector = kPackBytes / static_cast<int>(sizeof(T));
    switch (p.kind) {
      case PoolKind::max:
      case PoolKind::min:
        return p.with_indices ? run.template run<T, GreatestAt<A>, GreatestAt<A>, kVector>()
                              : run.template run<T, Greatest<A>, GreatestAt<A>, kVector>();
      case PoolKind::average:
        return run.template run<T, Sum<A>, PowerSum<A>, kVector>();
      case PoolKind::lp:
        break;
    }
    return run.template run<T, PowerSum<A>, PowerSum<A>, 1>();
  });
}

}  // namespace fastconv::cuda
