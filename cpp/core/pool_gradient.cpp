#include "core/pool_gradient.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/convert.h"
#include "core/cpu_features.h"
#include "core/half.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/pool.h"
#include "core/unit.h"
#include "core/widen_space.h"

namespace fastconv {
namespace {

constexpr Index kElementsPerThread = 32768;

int useful_threads(Index tasks, Index elements) {
  return static_cast<int>(
      larger(1, smaller(smaller(tasks, max_threads()), elements / kElementsPerThread)));
}

Status no_memory(std::size_t bytes) {
  return Status::error(StatusCode::memory, "no memory for a workspace of " + std::to_string(bytes) +
                                               " bytes for the gradient of pooling; use a smaller "
                                               "batch");
}

std::size_t elements_size(Index elements, Index size) {
  return static_cast<std::size_t>((elements * size + 63) / 64 * 64);
}

// Windows along one axis: which outputs cover each input, and each output's share.
struct AxisWindows {
  std::vector<Range> covering;
  std::vector<double> share;

  AxisWindows(const PoolProblem& p, int axis)
      : covering(static_cast<std::size_t>(p.in[axis]), Range{0, 0}),
        share(static_cast<std::size_t>(p.out[axis])) {
    const PoolAxis a = pool_axis(p, axis);
    for (Index o = p.out[axis] - 1; o >= 0; --o) {
      const PoolTaps taps = pool_taps(a, o);
      const bool divides = p.divisor_override == 0;
      const Index count = pool_count(a, !p.adaptive && p.count_include_pad, o);
      share[static_cast<std::size_t>(o)] = divides ? 1.0 / static_cast<double>(count) : 1.0;
      for (Index i = taps.first; i < taps.first + taps.count; ++i) {
        Range& over = covering[static_cast<std::size_t>(i)];
        if (over.empty()) over.hi = o + 1;
        over.lo = o;
      }
    }
    if (p.divisor_override != 0 && axis == 0) {
      for (double& s : share) s = 1.0 / static_cast<double>(p.divisor_override);
    }
  }
};

std::size_t spread_scratch(const PoolProblem& p, const PoolAxis& cols, Index width, Index size) {
  const Index taps = cols.uneven ? 0 : ceil_div(cols.kernel, cols.stride);
  const Index length = cols.uneven ? p.out[2] : ceil_div(p.in[2] + cols.pad_lo, cols.stride);
  const Index parts = cols.uneven ? p.in[2] : cols.stride * length + width;
  return 2 * elements_size(p.out[2], size) +
         elements_size(taps + larger(p.out[2], length) + width, size) +
         2 * elements_size(parts, size);
}

}  // namespace

Status run_average_gradient(const PoolProblem& p, const Strides& result, const void* grad,
                            void* to) {
  const DTypeTable& table = find_unit(active_isa())->table[static_cast<int>(p.dtype)];
  if (p.batch == 0 || p.channels == 0) return {};
  const AxisWindows windows[kAxes] = {{p, 0}, {p, 1}, {p, 2}};
  SpreadJob job{&p, result, grad, to, {}, {}, pool_axis(p, 2)};
  for (int a = 0; a < kAxes; ++a) {
    job.covering[a] = windows[a].covering.data();
    job.share[a] = windows[a].share.data();
  }
  const bool last = p.channels > 1 && result.channel == 1 && p.y.channel == 1;
  const Index rows = p.batch * p.in[0] * p.in[1], planes = p.batch * p.channels;
  const Phase phase{last ? rows : planes, last ? table.spread_channels_last : table.spread_planar};
  const std::size_t scratch =
      last ? 0 : spread_scratch(p, job.cols, table.width, accumulator_size(p.dtype));
  const int threads = useful_threads(phase.tasks, planes * p.in.product());
  return run_phases(threads, &phase, 1, &job, scratch) ? Status{} : no_memory(scratch);
}

namespace {

struct WinnerJob {
  const PoolProblem& p;
  const Strides& result;
  const void* grad;
  const Index* indices;
  void* to;
  Index channels;          // of a task
  unsigned char* outside;  // set to 1 where an index lies outside the plane
};

// Memory offset of a flat position in a plane.
struct PlaneOffsets {
  Axes in;
  Strides s;
  bool flat;

  PlaneOffsets(const Axes& size, const Strides& strides) : in(size), s(strides) {
    flat = true;
    Index next = strides.spatial[2];
    for (int a = kAxes - 1; a >= 0; --a) {
      flat = flat && (size[a] == 1 || strides.spatial[a] == next);
      next *= size[a];
    }
  }
  Index of(Index position) const {
    if (flat) return position * s.spatial[2];
    const Index x = position % in[2], line = position / in[2];
    return x * s.spatial[2] + line % in[1] * s.spatial[1] + line / in[1] * s.spatial[0];
  }
};

// Calls visit(offset in the gradient, offset in the indices) for every output of an image, in
// order.
template <class Visit>
void each_output(const PoolProblem& p, const Visit& visit) {
  for (Index z = 0; z < p.out[0]; ++z) {
    for (Index y = 0; y < p.out[1]; ++y) {
      Index g = z * p.y.spatial[0] + y * p.y.spatial[1];
      Index i = z * p.indices.spatial[0] + y * p.indices.spatial[1];
      for (Index x = 0; x < p.out[2]; ++x) {
        visit(g, i);
        g += p.y.spatial[2];
        i += p.indices.spatial[2];
      }
    }
  }
}

// A task is a plane: its sums lie in the result itself, or in scratch memory where elements have 16
// bits or do not adjoin.
template <class T>
void add_planes(const void* context, Index begin, Index end, std::byte* scratch) {
  using A = Acc<T>;
  const WinnerJob& job = *static_cast<const WinnerJob*>(context);
  const PoolProblem& p = job.p;
  const Index size = p.in.product();
  const PlaneOffsets offsets(p.in, job.result);
  const bool direct = sizeof(A) == sizeof(T) && offsets.flat && job.result.spatial[2] == 1;
  for (Index plane = begin; plane < end; ++plane) {
    const Index n = plane / p.channels, c = plane % p.channels;
    const T* grad = static_cast<const T*>(job.grad) + n * p.y.batch + c * p.y.channel;
    const Index* indices = job.indices + n * p.indices.batch + c * p.indices.channel;
    T* to = static_cast<T*>(job.to) + n * job.result.batch + c * job.result.channel;
    A* sums = direct ? reinterpret_cast<A*>(to) : reinterpret_cast<A*>(scratch);
    std::fill(sums, sums + size, A(0));
    bool outside = false;
    each_output(p, [&](Index g, Index i) {
      const Index at = indices[i];
      if (at >= 0 && at < size) {
        sums[at] += widen(grad[g]);
      } else {
        outside = true;
      }
    });
    if (outside) *job.outside = 1;
    if (direct) continue;
    for (Index i = 0; i < size; ++i) to[offsets.of(i)] = Narrowed<T>::of(sums[i]);
  }
}

// Channels-last arrays: a task is some channels of an image.
template <class T>
void add_pixels(const void* context, Index begin, Index end, std::byte*) {
  const WinnerJob& job = *static_cast<const WinnerJob*>(context);
  const PoolProblem& p = job.p;
  const Index size = p.in.product(), blocks = ceil_div(p.channels, job.channels);
  const PlaneOffsets offsets(p.in, job.result);
  for (Index task = begin; task < end; ++task) {
    const Index n = task / blocks, c = task % blocks * job.channels;
    const Index channels = smaller(job.channels, p.channels - c);
    const T* grad = static_cast<const T*>(job.grad) + n * p.y.batch + c;
    const Index* indices = job.indices + n * p.indices.batch + c;
    T* to = static_cast<T*>(job.to) + n * job.result.batch + c;
    for (Index i = 0; i < size; ++i) {
      T* pixel = to + offsets.of(i);
      std::fill(pixel, pixel + channels, T(0));
    }
    bool outside = false;
    each_output(p, [&](Index g, Index i) {
      for (Index k = 0; k < channels; ++k) {
        const Index at = indices[i + k];
        if (at >= 0 && at < size) {
          to[offsets.of(at) + k] += grad[g + k];
        } else {
          outside = true;
        }
      }
    });
    if (outside) *job.outside = 1;
  }
}

template <class T>
Status add_winners(WinnerJob job) {
  const PoolProblem& p = job.p;
  const Index planes = p.batch * p.channels;
  const Index elements = planes * (p.in.product() + 4 * p.out.product());
  if constexpr (sizeof(T) == sizeof(Acc<T>)) {
    if (p.channels > 1 && job.result.channel == 1 && p.y.channel == 1 && p.indices.channel == 1) {
      job.channels = smaller(p.channels, 64);
      const Phase phase{p.batch * ceil_div(p.channels, job.channels), add_pixels<T>};
      (void)run_phases(useful_threads(phase.tasks, elements), &phase, 1, &job, 0);
      return {};
    }
  }
  const PlaneOffsets offsets(p.in, job.result);
  const bool direct = sizeof(T) == sizeof(Acc<T>) && offsets.flat && job.result.spatial[2] == 1;
  const std::size_t scratch = direct ? 0 : elements_size(p.in.product(), accumulator_size(p.dtype));
  const Phase phase{planes, add_planes<T>};
  return run_phases(useful_threads(planes, elements), &phase, 1, &job, scratch)
             ? Status{}
             : no_memory(scratch);
}

Status add_winners(const PoolProblem& p, const Strides& result, const void* grad,
                   const Index* indices, void* to) {
  unsigned char outside = 0;
  const WinnerJob job{p, result, grad, indices, to, 1, &outside};
  Status status;
  switch (p.dtype) {
    case DType::float32:
      status = add_winners<float>(job);
      break;
    case DType::float64:
      status = add_winners<double>(job);
      break;
    case DType::float16:
      status = add_winners<Half>(job);
      break;
    case DType::bfloat16:
      status = add_winners<BFloat16>(job);
      break;
  }
  if (!status.ok() || outside == 0) return status;
  return Status::error(StatusCode::value,
                       "indices must lie between 0 and " + std::to_string(p.in.product() - 1) +
                           ", positions in a plane of x, and one does not; pass the indices that "
                           "pooling gave for this x");
}

}  // namespace

Status run_winner_gradient(const PoolProblem& p, const Strides& result, const void* grad,
                           const void* x, const Index* indices, void* to) {
  if (p.batch == 0 || p.channels == 0) return {};
  if (indices != nullptr) return add_winners(p, result, grad, indices, to);
  // Images by the lot, so that values and positions stay in the cache between the two steps.
  const Index element = element_size(p.dtype);
  const Index outputs = p.channels * p.out.product();
  const Index image = outputs * (element + static_cast<Index>(sizeof(Index)));
  const Index cache = static_cast<Index>(second_level_cache()) * max_threads();
  PoolProblem lot = p;
  lot.batch = images_per_block(p.batch, image, cache / 2);
  lot.with_indices = true;
  const bool last = p.channels > 1 && p.x.channel == 1;
  lot.y = lot.indices = packed_strides(p.channels, p.out, last);
  PoolPlan plan;
  if (Status s = choose_pool(lot, active_isa(), max_threads(), plan); !s.ok()) return s;
  const std::size_t values = elements_size(outputs * lot.batch, element);
  const std::size_t bytes = values + elements_size(outputs * lot.batch, sizeof(Index));
  // Pooling of 16-bit arrays has the calling thread's kept memory for itself.
  const Workspace own = plan.images != 0 ? allocate_workspace(bytes) : Workspace{};
  std::byte* space = plan.images != 0 ? own.get() : widened_space(bytes);
  if (space == nullptr) return no_memory(bytes);
  auto* positions = reinterpret_cast<Index*>(space + values);
  PoolProblem scatter = lot;
  scatter.y = p.y;
  for (Index done = 0; done < p.batch; done += lot.batch) {
    const Index first = smaller(done, p.batch - lot.batch);
    const auto at = [&](const void* base, Index stride) {
      return static_cast<const std::byte*>(base) + first * stride * element;
    };
    if (Status s = run_pool(lot, plan, at(x, p.x.batch), space, positions); !s.ok()) return s;
    auto* target = static_cast<std::byte*>(to) + first * result.batch * element;
    if (Status s = add_winners(scatter, result, at(grad, p.y.batch), positions, target); !s.ok()) {
      return s;
    }
  }
  return {};
}

}  // namespace fastconv
