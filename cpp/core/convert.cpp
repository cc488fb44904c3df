// Axes are put in the order of the float32 side's memory and joined where both sides run on, so
// that most tensors are one long run; long runs are cut into tasks, short ones are one each.
#include "core/convert.h"

#include <utility>

#include "core/parallel.h"

namespace fastconv {
namespace {

// Elements of a task, and of what one more thread converts in the time it takes to wake.
constexpr Index kRun = 8192, kElementsPerThread = 32768;

struct ConvertJob {
  Conversion shape;
  const DTypeTable* table;
  const std::byte* from;
  std::byte* to;
  Index runs;  // tasks along axis 0
  bool widens;
};

constexpr Index kNarrow = 2, kWide = 4;  // bytes

void convert(const void* context, Index begin, Index end, std::byte*) {
  const ConvertJob& job = *static_cast<const ConvertJob*>(context);
  const Conversion& s = job.shape;
  for (Index task = begin; task < end; ++task) {
    const Index first = task % job.runs * kRun;
    const Index count = smaller(kRun, s.count[0] - first);
    Index narrow = first * s.narrow_step[0], wide = first * s.wide_step[0];
    Index rest = task / job.runs;
    for (int a = 1; a < Conversion::kMostAxes; ++a) {
      narrow += rest % s.count[a] * s.narrow_step[a];
      wide += rest % s.count[a] * s.wide_step[a];
      rest /= s.count[a];
    }
    if (job.widens) {
      job.table->widen(reinterpret_cast<float*>(job.to + wide * kWide), job.from + narrow * kNarrow,
                       s.narrow_step[0], count);
    } else {
      job.table->narrow(job.to + narrow * kNarrow, s.narrow_step[0],
                        reinterpret_cast<const float*>(job.from + wide * kWide), count);
    }
  }
}

ConvertJob convert_job(const Conversion& shape, const DTypeTable& table, const void* from, void* to,
                       bool widens) {
  return {shape,
          &table,
          static_cast<const std::byte*>(from),
          static_cast<std::byte*>(to),
          ceil_div(shape.count[0], kRun),
          widens};
}

Index tasks_of(const ConvertJob& job) {
  Index tasks = job.runs;
  for (int a = 1; a < Conversion::kMostAxes; ++a) tasks *= job.shape.count[a];
  return tasks;
}

void run(const ConvertJob& job, int threads) {
  const Index tasks = tasks_of(job);
  const Index elements = tasks / larger(1, job.runs) * job.shape.count[0];
  const Index useful = smaller(smaller(threads, tasks), elements / kElementsPerThread);
  const Phase phase{tasks, convert};
  // Without scratch memory nothing can fail.
  (void)run_phases(static_cast<int>(larger(1, useful)), &phase, 1, &job, 0);
}

void run_alone(const ConvertJob& job) {
  convert(&job, 0, tasks_of(job), nullptr);
}

}  // namespace

Conversion::Conversion(Index first, Index second, const Axes& spatial, const Strides& narrow,
                       const Strides& wide)
    : count{spatial[2], spatial[1], spatial[0], second, first},
      narrow_step{narrow.spatial[2], narrow.spatial[1], narrow.spatial[0], narrow.channel,
                  narrow.batch},
      wide_step{wide.spatial[2], wide.spatial[1], wide.spatial[0], wide.channel, wide.batch} {
  const auto move = [this](int from, int to) {
    std::swap(count[from], count[to]);
    std::swap(narrow_step[from], narrow_step[to]);
    std::swap(wide_step[from], wide_step[to]);
  };
  int axes = 0;  // those of more than one element, in front
  for (int a = 0; a < kMostAxes; ++a) {
    if (count[a] == 1) continue;
    move(a, axes);
    for (int at = axes++; at > 0 && wide_step[at] < wide_step[at - 1]; --at) move(at, at - 1);
  }
  int last = 0;
  for (int a = 1; a < axes; ++a) {
    if (narrow_step[a] == count[last] * narrow_step[last] &&
        wide_step[a] == count[last] * wide_step[last]) {
      count[last] *= count[a];
      count[a] = 1;
      continue;
    }
    move(a, ++last);
  }
  if (axes == 0) narrow_step[0] = wide_step[0] = 1;
}

void widen_all(const Conversion& shape, const DTypeTable& table, int threads, const void* from,
               float* to) {
  run(convert_job(shape, table, from, to, true), threads);
}

void narrow_all(const Conversion& shape, const DTypeTable& table, int threads, const float* from,
                void* to) {
  run(convert_job(shape, table, from, to, false), threads);
}

void widen_rows(const Conversion& shape, const DTypeTable& table, const void* from, float* to) {
  run_alone(convert_job(shape, table, from, to, true));
}

void narrow_rows(const Conversion& shape, const DTypeTable& table, const float* from, void* to) {
  run_alone(convert_job(shape, table, from, to, false));
}

Strides packed_strides(Index channels, const Axes& size, bool channels_last) {
  const Index step = channels_last ? channels : 1;
  Strides s{};
  s.spatial = {{size[1] * size[2] * step, size[2] * step, step}};
  s.channel = channels_last ? 1 : size.product();
  s.batch = channels * size.product();
  return s;
}

}  // namespace fastconv
