// The index arithmetic of kernels that does without divisions, against plain loops and divisions.
#include <random>
#include <string>

#include "checks.h"
#include "core/grid.h"
#include "core/pool_layout.h"
#include "cuda/kernels/axis_walk.cuh"
#include "cuda/kernels/pool_gradient.cuh"

namespace fastconv::runner {
namespace {

using cuda::Divider;
using cuda::PoolCovering;
using cuda::PoolWindows;
using cuda::Walk;
using cuda::WalkAxis;

std::string numbers(std::initializer_list<Index> values) {
  std::string text;
  for (const Index value : values) text += " " + std::to_string(value);
  return text;
}

void check_dividers(Report& report) {
  report.group("divider");
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const auto n = static_cast<Index>(random() >> (1 + random() % 63));
    const Index d = 1 + static_cast<Index>(random() >> (2 + random() % 62));
    for (const Index number : {n, n / d * d, larger(0, n / d * d - 1)}) {
      const cuda::Quotient q = Divider(d).divide(number);
      report.check(q.quotient == number / d && q.remainder == number % d,
                   "of" + numbers({number, d}));
    }
  }
}

// Every kernel element that meets the input from an output, in order.
void check_walk(const ConvProblem& p, Report& report) {
  const WalkAxis axis(p, 2);
  for (Index o = 0; o < p.out[2]; ++o) {
    const Walk walk = axis.walk(o);
    Index met = 0;
    bool good = true;
    for (Index k = 0; k < p.kernel[2]; ++k) {
      Index at = p.transposed ? o + p.pad_lo[2] - k * p.dilation[2]
                              : o * p.stride[2] - p.pad_lo[2] + k * p.dilation[2];
      if (p.transposed && (at < 0 || at % p.stride[2] != 0)) continue;
      if (p.transposed) at /= p.stride[2];
      if (at < 0 || at >= p.in[2]) continue;
      good = good && walk.tap + met * axis.tap_step == k && walk.at + met * axis.at_step == at;
      ++met;
    }
    report.check(good && met == walk.count,
                 "output, in, kernel, stride, dilation, padding" +
                     numbers({o, p.in[2], p.kernel[2], p.stride[2], p.dilation[2], p.pad_lo[2]}));
  }
}

void check_walks(Report& report) {
  for (const bool transposed : {false, true}) {
    report.group(transposed ? "walk, transposed" : "walk");
    std::mt19937 random(2);
    const auto draw = [&](unsigned most) { return 1 + static_cast<Index>(random() % most); };
    for (int i = 0; i < 1000; ++i) {
      ConvProblem p;
      p.transposed = transposed;
      p.in[2] = draw(12);
      p.kernel[2] = draw(7);
      p.stride[2] = draw(5);
      p.dilation[2] = draw(6);
      p.pad_lo[2] = draw(9) - 1;
      p.out[2] = draw(40);
      check_walk(p, report);
    }
  }
}

// Windows against pool_taps, and the outputs that cover an input against a search among all.
void check_pool_axis(const PoolAxis& axis, Report& report) {
  const PoolWindows windows(axis);
  const PoolCovering covering(axis);
  const std::string where =
      numbers({axis.uneven, axis.in, axis.out, axis.kernel, axis.stride, axis.dilation});
  for (Index o = 0; o < axis.out; ++o) {
    const PoolTaps want = pool_taps(axis, o), got = windows.taps(o);
    report.check(want.count == got.count && (got.count == 0 || want.first == got.first) &&
                     want.step == got.step,
                 "taps of" + where);
  }
  for (Index i = 0; i < axis.in; ++i) {
    const Range over = covering.outputs(i);
    for (Index o = 0; o < axis.out; ++o) {
      const PoolTaps taps = pool_taps(axis, o);
      bool inside = false;
      for (Index k = 0; k < taps.count; ++k) inside = inside || taps.first + k * taps.step == i;
      const bool covered = o >= over.lo && o < over.hi;
      // A dilated window may step over an input between its ends.
      report.check(inside ? covered : !covered || axis.dilation > 1, "covering of" + where);
    }
  }
}

void check_pool_axes(Report& report) {
  report.group("pool windows");
  std::mt19937 random(3);
  const auto draw = [&](unsigned most) { return 1 + static_cast<Index>(random() % most); };
  for (int i = 0; i < 400; ++i) {
    PoolProblem p;
    p.adaptive = i % 2 == 0;
    p.in[2] = draw(20);
    p.out[2] = draw(20);
    p.kernel[2] = draw(6);
    p.stride[2] = draw(5);
    p.dilation[2] = draw(3);
    p.pad_lo[2] = p.pad_hi[2] =
        static_cast<Index>(random()) % (dilated_extent(p.kernel[2], p.dilation[2]) / 2 + 1);
    if (!p.adaptive) {
      p.out[2] = pool_output_size(p.in[2], p.kernel[2], p.stride[2], p.dilation[2], p.pad_lo[2],
                                  p.pad_hi[2], i % 4 == 1);
      if (p.out[2] < 1) continue;
    }
    check_pool_axis(pool_axis(p, 2), report);
  }
}

}  // namespace

void check_cuda_arithmetic(Report& report) {
  check_dividers(report);
  check_walks(report);
  check_pool_axes(report);
  report.print_groups();
}

}  // namespace fastconv::runner
