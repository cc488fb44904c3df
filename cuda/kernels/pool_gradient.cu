// Launches of the gradients of poolings, and how much workspace they take.
//
// Averages, and max and min with the winners' positions at hand, are one launch. Without positions
// the winners of some images are found first, into the workspace; the gradient of a norm puts the
// slopes of its outputs there.
#include "cuda/kernels/pool_gradient.cuh"

#include <type_traits>

#include "core/convert.h"
#include "core/pool.h"
#include "cuda/fastconv_cuda.h"
#include "cuda/launch/launch.h"

namespace fastconv::cuda {
namespace {

// Rows of a thread where there are more threads than these.
constexpr Index kManyThreads = Index{1} << 19;
constexpr int kMostRows = 4;

dim3 blocks(Index threads) {
  return dim3(static_cast<unsigned>(ceil_div(threads, kGradientThreads)));
}

Index aligned(Index bytes) {
  return ceil_div(bytes, 256) * 256;
}

bool selects(const PoolProblem& p) {
  return p.kind == PoolKind::max || p.kind == PoolKind::min;
}

// What one image takes of the workspace: a pooled value and its position, or a slope.
struct ImageBytes {
  Index values, positions;
};

ImageBytes image_bytes(const PoolProblem& p) {
  const Index outputs = p.channels * p.out.product();
  if (!selects(p)) return {aligned(outputs * accumulator_size(p.dtype)), 0};
  return {aligned(outputs * element_size(p.dtype)), aligned(outputs * Index{sizeof(Index)})};
}

bool needs_workspace(const PoolProblem& p, bool has_indices) {
  return p.kind == PoolKind::lp || (selects(p) && !has_indices);
}

struct GradientRun {
  const PoolProblem& p;
  const Strides& result;
  const void* grad;
  const void* x;
  const Index* indices;
  void* to;
  Stream stream;

  template <class T>
  int vector() const {
    constexpr int kVector = kPackBytes / static_cast<int>(sizeof(T));
    const bool fits = p.channels % kVector == 0 && is_pack_aligned(grad) && is_pack_aligned(to) &&
                      is_pack_aligned(indices) &&
                      strides_take_packs(p.y, p.batch, p.out, kVector) &&
                      strides_take_packs(result, p.batch, p.in, kVector) &&
                      (indices == nullptr || strides_take_packs(p.indices, p.batch, p.out, 2));
    return fits ? kVector : 1;
  }
  PoolGradientTask task(int vector) const {
    const Index threads = p.batch * p.channels / vector * p.in.product();
    const int rows = threads >= kManyThreads && p.in[1] >= kMostRows ? kMostRows : 1;
    return pool_gradient_task(p, result, channels_are_dense(p.channels, result), vector, rows);
  }
  template <class G, class T, int kVector, bool kCommon>
  Status spread(const void* from) const {
    const PoolGradientTask t = task(kVector);
    return launch(pool_spread<T, G, kVector, kCommon>,
                  Launch{blocks(t.inputs.count()), kGradientThreads, 0, stream, "pool_spread"}, t,
                  static_cast<const G*>(from), static_cast<const T*>(x), static_cast<T*>(to));
  }
  template <class T, int kVector>
  Status winners() const {
    const PoolGradientTask t = task(kVector);
    return launch(pool_winners<T, kVector>,
                  Launch{blocks(t.inputs.count()), kGradientThreads, 0, stream, "pool_winners"}, t,
                  static_cast<const T*>(grad), indices, static_cast<T*>(to));
  }
  template <class T>
  Status norm(void* slopes) const {
    const Strides step = packed_strides(p.channels, p.out, channels_are_dense(p.channels, p.x));
    const PoolTask t = pool_task(p, channels_are_dense(p.channels, p.x), 1, 1);
    const Status status = launch(
        pool_norm_slopes<T>,
        Launch{blocks(t.outputs.count()), kGradientThreads, 0, stream, "pool_norm_slopes"}, t, step,
        static_cast<const T*>(x), static_cast<const T*>(grad), static_cast<Acc<T>*>(slopes));
    if (!status.ok()) return status;
    PoolProblem means = p;
    means.y = step;
    return GradientRun{means, result, grad, x, nullptr, to, stream}
        .template spread<Acc<T>, T, 1, false>(slopes);
  }

  Status run(void* slopes) const {
    return with_element(p.dtype, [&](auto* element) {
      using T = std::remove_pointer_t<decltype(element)>;
      constexpr int kVector = kPackBytes / static_cast<int>(sizeof(T));
      if (p.kind == PoolKind::lp) return norm<T>(slopes);
      const bool wide = vector<T>() > 1;
      if (p.kind == PoolKind::average) {
        if (common_divisor(p) == 0.0) return spread<T, T, 1, false>(grad);
        return wide ? spread<T, T, kVector, true>(grad) : spread<T, T, 1, true>(grad);
      }
      return wide ? winners<T, kVector>() : winners<T, 1>();
    });
  }
};

const void* advance(const void* base, Index elements, DType dtype) {
  return static_cast<const std::byte*>(base) + elements * element_size(dtype);
}

}  // namespace

Status plan_pool_gradient(const PoolProblem& p, bool has_indices, std::size_t workspace_limit,
                          PoolGradientPlan& plan) {
  if (Status status = validate(p); !status.ok()) return status;
  plan = {};
  plan.images = p.batch;
  if (!needs_workspace(p, has_indices)) {
    plan.reason = "gathered in one step";
    return {};
  }
  plan.reason = selects(p) ? "winners first, then gathered" : "slopes first, then gathered";
  const ImageBytes bytes = image_bytes(p);
  const Index image = larger(1, bytes.values + bytes.positions);
  plan.images = smaller(p.batch, larger(1, static_cast<Index>(workspace_limit) / image));
  plan.workspace_bytes = static_cast<std::size_t>(plan.images * image);
  return {};
}

Status run_pool_gradient(const PoolProblem& p, const PoolGradientPlan& plan, const Strides& result,
                         const void* grad, const void* x, const Index* indices, void* to,
                         void* workspace, const DeviceTraits& traits, Stream stream) {
  if (p.batch * p.channels == 0) return {};
  if (p.out.product() == 0) {
    return fill_zero(p.dtype, p.batch, p.channels, p.in, result, to, stream);
  }
  if (!needs_workspace(p, indices != nullptr)) {
    return GradientRun{p, result, grad, x, indices, to, stream}.run(nullptr);
  }
  for (Index done = 0; done < p.batch; done += plan.images) {
    PoolProblem lot = p;
    lot.batch = smaller(plan.images, p.batch - done);
    const void* lot_x = advance(x, done * p.x.batch, p.dtype);
    const void* lot_grad = advance(grad, done * p.y.batch, p.dtype);
    void* lot_to = const_cast<void*>(advance(to, done * result.batch, p.dtype));
    Index* positions = nullptr;
    if (selects(p)) {
      positions = reinterpret_cast<Index*>(static_cast<std::byte*>(workspace) +
                                           plan.images * image_bytes(p).values);
      PoolProblem forward = lot;
      forward.with_indices = true;
      forward.y = forward.indices = lot.indices =
          packed_strides(p.channels, p.out, channels_are_dense(p.channels, p.x));
      PoolPlan pooling;
      if (Status s = plan_pool(forward, -1, traits, pooling); !s.ok()) return s;
      const Status s = run_pool(forward, pooling, lot_x, workspace, positions, stream);
      if (!s.ok()) return s;
    }
    const GradientRun run{lot, result, lot_grad, lot_x, positions, lot_to, stream};
    if (Status status = run.run(workspace); !status.ok()) return status;
  }
  return {};
}

Status check_pool_indices(const PoolProblem& p, const Index* indices, int* wrong, Stream stream) {
  const PoolTask task = pool_task(p, channels_are_dense(p.channels, p.indices), 1, 1);
  if (task.outputs.count() == 0) return {};
  return launch(
      pool_check_indices,
      Launch{blocks(task.outputs.count()), kGradientThreads, 0, stream, "pool_check_indices"}, task,
      indices, wrong);
}

}  // namespace fastconv::cuda
