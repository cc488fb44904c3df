#include <fastconv/problem.h>

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "core/names.h"
#include "vec_checks.h"

namespace fastconv::runner {

namespace {

// The type in which the C library's value counts as exact.
template <class T>
struct Wider;
template <>
struct Wider<float> {
  using Type = double;
  using Bits = std::uint32_t;
  static constexpr int bound = 4;  // in units of epsilon * |result|
};
template <>
struct Wider<double> {
  using Type = long double;
  using Bits = std::uint64_t;
  static constexpr int bound = 8;
};

template <class W, class T>
W expected(T value, Activation activation) {
  const W x = static_cast<W>(value);
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::relu6:
      return x < 0 ? 0 : x > 6 ? 6 : x;
    case Activation::leaky_relu:
      return x < 0 ? x * static_cast<W>(T(0.01)) : x;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::gelu:
      return x * (std::erfc(-x / std::sqrt(W(2))) / 2);
    default:
      return x <= -3 ? x * W(0) : x >= 3 ? x : x * ((x + 3) / 6);
  }
}

// Bit patterns spread over the whole type (subnormal numbers, infinities and NaN among them), and a
// dense range around zero, where the functions bend.
template <class T>
std::vector<T> samples(int width) {
  using Bits = typename Wider<T>::Bits;
  constexpr int kPatterns = 40000, kDense = 40000;
  constexpr Bits kStep = std::numeric_limits<Bits>::max() / kPatterns;
  std::vector<T> x;
  for (Bits i = 0; i < kPatterns; ++i) x.push_back(std::bit_cast<T>(i * kStep));
  for (int i = 0; i < kDense; ++i) x.push_back(static_cast<T>(-50 + 100.0 * (i + 0.5) / kDense));
  using L = std::numeric_limits<T>;
  for (T value : {T(0), T(-0.0), L::infinity(), -L::infinity(), L::quiet_NaN(), L::max(),
                  L::lowest(), L::min(), L::denorm_min(), -L::denorm_min(), T(0.625), T(-3), T(3)})
    x.push_back(value);
  while (x.size() % static_cast<std::size_t>(width) != 0) x.push_back(T(1));
  return x;
}

template <class T>
void check(Isa isa, const VecTable<T>& table, Report& report) {
  using W = typename Wider<T>::Type;
  using L = std::numeric_limits<T>;
  const std::vector<T> x = samples<T>(table.width);
  std::vector<T> y(x.size());
  for (int a = 0; a < kActivations; ++a) {
    const Activation activation = static_cast<Activation>(a);
    report.group(std::string("activation ") + kActivationNames.names[a] + " " + isa_name(isa) +
                 (sizeof(T) == 4 ? " float32" : " float64"));
    std::feclearexcept(FE_ALL_EXCEPT);
    table.activate(x.data(), y.data(), static_cast<Index>(x.size()), activation);
    report.check(std::fetestexcept(FE_OVERFLOW | FE_DIVBYZERO) == 0, "raised overflow");
    double worst = 0;
    std::string wrong;
    for (std::size_t i = 0; i < x.size() && wrong.empty(); ++i) {
      const W want = expected<W>(x[i], activation);
      const W got = static_cast<W>(y[i]);
      W error = 0, allowed = 0;
      if (std::isnan(want) || std::isinf(want)) {
        error = (std::isnan(want) ? std::isnan(got) : got == want) ? 0 : 1;
      } else {
        // Where the result is subnormal, its last bit is worth more; silu multiplies it by x.
        const W grain = static_cast<W>(L::denorm_min()) * std::fmax(W(2), std::fabs(W(x[i])));
        const W unit = static_cast<W>(L::epsilon()) * std::fabs(want);
        error = std::fabs(got - want);
        allowed = Wider<T>::bound * unit + grain;
        if (error > grain) worst = std::fmax(worst, static_cast<double>(error / unit));
      }
      if (error <= allowed) continue;
      char text[160];
      std::snprintf(text, sizeof text, "at %.17g: %.17g, not %.17g", static_cast<double>(x[i]),
                    static_cast<double>(got), static_cast<double>(want));
      wrong = text;
    }
    report.check(wrong.empty(), wrong);
    char remark[64];
    std::snprintf(remark, sizeof remark, "largest error %.2f epsilon", worst);
    report.remark(remark);
  }
}

}  // namespace

void check_activations(const VecTables& tables, Report& report) {
  check<float>(tables.isa, *tables.float32, report);
  check<double>(tables.isa, *tables.float64, report);
}

}  // namespace fastconv::runner
