// How far convolutions on tensor cores are off, on numbers that are kind and unkind to parts of
// floats: the bounds of docs/numerics.md, and at "highest" that of a plain float32 loop. Infinite,
// NaN and huge numbers must give what the direct kernel gives.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "checks.h"
#include "crash.h"
#include "cuda/fastconv_cuda.h"

namespace fastconv::runner {
namespace {

constexpr double kEps = 0x1p-23;
// Of the error of a plain loop: two orders of summation differ by a few per cent.
constexpr double kLoopFactor = 1.1;

struct Level {
  Precision precision;
  const char* name;
  double left_out;
};
constexpr Level kLevels[] = {{Precision::highest, "highest", 0.0},
                             {Precision::high, "high", 3 * 0x1p-16},
                             {Precision::medium, "medium", 0x1p-7}};

struct Numbers {
  std::vector<float> x, w;
};

ConvProblem make_problem(Index channels, Index size, Index kernel) {
  ConvProblem p;
  p.batch = 1;
  p.in_channels = channels;
  p.out_channels = 24;
  p.in = {{1, size, size}};
  p.kernel = {{1, kernel, kernel}};
  p.pad_lo = p.pad_hi = {{0, kernel / 2, kernel / 2}};
  complete(p);
  return p;
}

// Calls `visit(output, x, w)` for every product, in the order of a plain loop.
template <class Visit>
void each_product(const ConvProblem& p, const Visit& visit) {
  for (Index k = 0; k < p.out_channels; ++k) {
    for (Index oy = 0; oy < p.out[1]; ++oy) {
      for (Index ox = 0; ox < p.out[2]; ++ox) {
        for (Index c = 0; c < p.in_channels; ++c) {
          for (Index r = 0; r < p.kernel[1]; ++r) {
            for (Index s = 0; s < p.kernel[2]; ++s) {
              const Index y = oy + r - p.pad_lo[1], x = ox + s - p.pad_lo[2];
              if (y < 0 || y >= p.in[1] || x < 0 || x >= p.in[2]) continue;
              visit(static_cast<std::size_t>((k * p.out[1] + oy) * p.out[2] + ox),
                    static_cast<std::size_t>((c * p.in[1] + y) * p.in[2] + x),
                    static_cast<std::size_t>(
                        ((k * p.in_channels + c) * p.kernel[1] + r) * p.kernel[2] + s));
            }
          }
        }
      }
    }
  }
}

std::vector<float> convolve(ConvProblem p, cuda::ConvKernel kernel, Precision precision,
                            const Numbers& n, Report& report) {
  p.precision = precision;
  cuda::PlanOptions options;
  options.kernel = static_cast<int>(kernel);
  cuda::ConvPlan plan;
  Status status = cuda::plan_conv(p, options, {}, plan);
  std::vector<float> y(static_cast<std::size_t>(p.out_channels * p.out.product()));
  std::vector<float> workspace(plan.workspace_bytes / sizeof(float) + 64);
  void* at = workspace.data();
  std::size_t room = workspace.size() * sizeof(float);
  std::align(128, plan.workspace_bytes, at, room);
  if (status.ok())
    status = cuda::run_conv(p, plan, {n.x.data(), n.w.data(), nullptr, y.data()}, at, nullptr);
  report.check(status.ok(), status.message);
  return y;
}

using Random = std::mt19937;

std::vector<float> gaussian(Random& random, std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> made(count);
  for (float& value : made) value = normal(random);
  return made;
}

struct Kind {
  const char* name;
  void (*change)(Random&, Numbers&);
};

template <class Change>
void each(std::vector<float>& values, const Change& change) {
  for (float& value : values) value = change(value);
}

// All bits of a float, such that rounding to bfloat16, and the rest again, errs the most.
float worst(Random& random) {
  return std::ldexp(static_cast<float>(0b1'00000000'11111110'1111111) * 0x1p-23f,
                    static_cast<int>(random() % 5) - 2);
}

constexpr Kind kKinds[] = {
    {"gaussian", [](Random&, Numbers&) {}},
    {"positive",
     [](Random&, Numbers& n) {
       each(n.x, [](float a) { return std::fabs(a); });
       each(n.w, [](float a) { return std::fabs(a); });
     }},
    {"many scales",
     [](Random& random, Numbers& n) {
       const auto scale = [&](float a) {
         return std::ldexp(a, static_cast<int>(random() % 41) - 20);
       };
       each(n.x, scale);
       each(n.w, scale);
     }},
    {"worst bits",
     [](Random& random, Numbers& n) {
       each(n.x, [&](float) { return worst(random); });
       each(n.w, [&](float) { return worst(random); });
     }},
    {"tiny", [](Random&, Numbers& n) { each(n.x, [](float a) { return a * 1e-35f; }); }},
    {"subnormal", [](Random&, Numbers& n) { each(n.x, [](float a) { return a * 1e-40f; }); }},
    {"subnormal weights",
     [](Random&, Numbers& n) { each(n.w, [](float a) { return a * 1e-40f; }); }},
    {"subnormal products",
     [](Random&, Numbers& n) {
       each(n.x, [](float a) { return a * 1e-20f; });
       each(n.w, [](float a) { return a * 1e-20f; });
     }},
    {"large", [](Random&, Numbers& n) { each(n.x, [](float a) { return a * 1e25f; }); }},
    {"largest",
     [](Random& random, Numbers& n) {
       for (int i = 0; i < 5; ++i) n.x[random() % n.x.size()] = 0x1.fffffep127f;
       each(n.w, [](float a) { return a * 1e-3f; });
     }},
};

void check_bound(const ConvProblem& p, const Kind& kind, Report& report) {
  Random random(7);
  Numbers n{gaussian(random, static_cast<std::size_t>(p.in_channels * p.in.product())),
            gaussian(random, static_cast<std::size_t>(p.out_channels * p.in_channels *
                                                      p.kernel.product()))};
  kind.change(random, n);
  const auto outputs = static_cast<std::size_t>(p.out_channels * p.out.product());
  std::vector<double> exact(outputs), size(outputs);
  std::vector<float> loop(outputs);
  each_product(p, [&](std::size_t y, std::size_t x, std::size_t w) {
    const double product = double{n.x[x]} * double{n.w[w]};
    exact[y] += product;
    size[y] += std::fabs(product);
    loop[y] += n.x[x] * n.w[w];
  });
  const double terms = static_cast<double>(p.in_channels * p.kernel.product() + 1);
  for (const Level& level : kLevels) {
    const std::string what = std::string(kind.name) + ", " + level.name;
    report.group("precision of tensor cores");
    now_running(what);
    const std::vector<float> y = convolve(p, cuda::ConvKernel::mma, level.precision, n, report);
    double most = 0, error = 0, loop_error = 0;
    for (std::size_t i = 0; i < outputs; ++i) {
      const double allowed =
          (level.left_out * (1 + 0x1p-7) + (8 + std::sqrt(terms)) * kEps) * size[i] +
          terms * 0x1p-149;
      const double off = std::fabs(double{y[i]} - exact[i]);
      most = std::max(most, off <= allowed ? off / allowed : 2 + off / allowed);
      error += off * off / (size[i] * size[i]);
      loop_error += (loop[i] - exact[i]) * (loop[i] - exact[i]) / (size[i] * size[i]);
    }
    report.check(most <= 1, what + ": " + std::to_string(most) + " of the bound");
    const bool ordinary =
        std::string(kind.name) == "gaussian" || std::string(kind.name) == "positive";
    if (level.precision == Precision::highest && ordinary) {
      const double ratio = std::sqrt(error / loop_error);
      report.check(ratio <= kLoopFactor,
                   what + ": " + std::to_string(ratio) + " times the error of a float32 loop");
    }
  }
}

// Infinities and NaN among inputs, then among weights, with padding that must not meet them.
void check_not_finite(const ConvProblem& p, Report& report) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const bool in_weights : {false, true}) {
    Random random(11);
    Numbers n{gaussian(random, static_cast<std::size_t>(p.in_channels * p.in.product())),
              gaussian(random, static_cast<std::size_t>(p.out_channels * p.in_channels *
                                                        p.kernel.product()))};
    // Whole numbers, so that the results of both kernels are the same where they are finite.
    const auto whole = [](float a) { return std::round(a); };
    each(n.x, whole);
    each(n.w, whole);
    std::vector<float>& some = in_weights ? n.w : n.x;
    for (const float value : {kInfinity, -kInfinity, std::nanf(""), 3e38f}) {
      some[random() % some.size()] = value;
    }
    const std::vector<float> want =
        convolve(p, cuda::ConvKernel::direct, Precision::highest, n, report);
    for (const Level& level : kLevels) {
      report.group("infinite and NaN on tensor cores");
      const std::vector<float> y = convolve(p, cuda::ConvKernel::mma, level.precision, n, report);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < y.size(); ++i) {
        const bool both_nan = std::isnan(y[i]) && std::isnan(want[i]);
        // A sum that 3e38 dominates is not exact in either.
        const bool near =
            std::fabs(y[i] - want[i]) <= (level.left_out + 16 * kEps) * std::fabs(want[i]);
        wrong += !both_nan && y[i] != want[i] && !near;
      }
      report.check(wrong == 0, std::string(in_weights ? "weights, " : "inputs, ") + level.name +
                                   ": " + std::to_string(wrong) + " results are wrong");
    }
  }
}

}  // namespace

void check_mma_precision(Report& report) {
  for (const Kind& kind : kKinds) {
    check_bound(make_problem(40, 6, 3), kind, report);
    check_bound(make_problem(256, 4, 1), kind, report);
  }
  check_not_finite(make_problem(40, 6, 3), report);
  report.print_groups();
}

}  // namespace fastconv::runner
