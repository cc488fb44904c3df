// Which kernel computes a pooling: a pure function of the problem and the device.
#include <string>

#include "core/pool.h"
#include "core/pool_layout.h"
#include "cuda/fastconv_cuda.h"
#include "cuda/launch/packs.h"

namespace fastconv::cuda {
namespace {

// Windows along which a whole warp finds work, and rows for which a block does.
constexpr Index kWarpWindow = 32, kBlockRow = 1024;
// Threads of a multiprocessor with which its memory is busy.
constexpr Index kBusyThreads = 1024;
constexpr int kMostRows = 4;

Index window_elements(const PoolProblem& p) {
  Index elements = 1;
  for (int a = 0; a < kAxes; ++a) {
    const PoolAxis axis = pool_axis(p, a);
    elements *= smaller(axis.uneven ? axis.kernel + 1 : axis.kernel, axis.in);
  }
  return elements;
}

// One window that is the whole plane, whose rows adjoin.
bool is_flat(const PoolProblem& p) {
  if (p.out.product() != 1) return false;
  for (int a = 0; a < kAxes; ++a) {
    if (p.adaptive) continue;
    if (p.kernel[a] != p.in[a] || p.pad_lo[a] != 0 || p.dilation[a] != 1) return false;
    if (p.pad_hi[a] != 0 && p.count_include_pad) return false;
  }
  Index next = p.x.spatial[2];
  for (int a = kAxes - 1; a >= 0; --a) {
    if (p.in[a] > 1 && p.x.spatial[a] != next) return false;
    next *= p.in[a];
  }
  return true;
}

int vector_of(const PoolProblem& p) {
  const int vector = static_cast<int>(kPackBytes / element_size(p.dtype));
  const bool fits = p.channels % vector == 0 && strides_take_packs(p.x, p.batch, p.in, vector) &&
                    strides_take_packs(p.y, p.batch, p.out, vector) &&
                    (!p.with_indices || strides_take_packs(p.indices, p.batch, p.out, vector));
  return fits ? vector : 1;
}

void schedule_outputs(const PoolProblem& p, Index busy, PoolPlan& plan) {
  plan.vector = vector_of(p);
  const Index threads = p.batch * p.channels / plan.vector * p.out.product();
  while (plan.rows < kMostRows && threads / (2 * plan.rows) >= 4 * busy &&
         p.out[1] >= 2 * plan.rows) {
    plan.rows *= 2;
  }
}

void schedule_windows(const PoolProblem& p, PoolPlan& plan) {
  plan.flat = is_flat(p);
  const Index row = plan.flat ? p.in.product() : smaller(pool_axis(p, 2).kernel, p.in[2]);
  while (plan.kernel == PoolKernel::windows && plan.warps < 8 && plan.warps * 32 * 4 < row &&
         row >= kBlockRow) {
    plan.warps *= 2;
  }
}

// Whether threads that each walk a window would read far-apart rows.
bool is_sparse(const PoolProblem& p) {
  const PoolAxis axis = pool_axis(p, 2);
  const Index step = axis.uneven ? axis.in / axis.out : axis.stride;
  return axis.out == 1 || step >= 8;
}

PoolKernel choose_kernel(const PoolProblem& p, Index busy, const char*& reason) {
  const bool large = window_elements(p) >= kWarpWindow;
  const Index outputs = p.batch * p.channels * p.out.product();
  if (p.channels >= 16 && p.x.channel == 1) {
    if (large && outputs < 4 * busy) {
      reason = "too few outputs to keep the device busy: warps share large windows";
      return PoolKernel::window_channels;
    }
    reason = "channels side by side: a thread for 16 bytes of channels";
    return PoolKernel::outputs;
  }
  if (large && (is_sparse(p) || outputs < busy)) {
    reason = "large windows that hardly overlap, or too few of them: lanes along the window";
    return PoolKernel::windows;
  }
  reason = "small or overlapping windows: a thread per output";
  return PoolKernel::outputs;
}

}  // namespace

const char* pool_kernel_name(PoolKernel kernel) {
  switch (kernel) {
    case PoolKernel::outputs:
      return "outputs";
    case PoolKernel::windows:
      return "windows";
    case PoolKernel::window_channels:
      break;
  }
  return "window_channels";
}

Status plan_pool(const PoolProblem& p, int kernel, const DeviceTraits& traits, PoolPlan& plan) {
  if (Status status = validate(p); !status.ok()) return status;
  if (kernel >= kPoolKernels) {
    return Status::error(StatusCode::value, "kernel is " + std::to_string(kernel) +
                                                "; it must be less than " +
                                                std::to_string(kPoolKernels));
  }
  plan = {};
  if (p.batch * p.channels * p.out.product() == 0) return {};
  const Index busy = kBusyThreads * traits.multiprocessors;
  plan.kernel = choose_kernel(p, busy, plan.reason);
  if (kernel >= 0) {
    plan.kernel = static_cast<PoolKernel>(kernel);
    plan.reason = "forced";
  }
  if (plan.kernel == PoolKernel::outputs) {
    schedule_outputs(p, busy, plan);
  } else {
    schedule_windows(p, plan);
  }
  return {};
}

}  // namespace fastconv::cuda
