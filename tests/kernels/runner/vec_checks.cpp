#include "vec_checks.h"

#include <fastconv/problem.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "core/names.h"
#include "guarded_buffer.h"

namespace fastconv::runner {

namespace {

template <class T>
bool same(T a, T b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

template <class T>
class VecChecks {
 public:
  VecChecks(Isa isa, const VecTable<T>& table, Report& report)
      : isa_(isa), vec_(table), report_(report), width_(table.width) {}

  void run() {
    report_.group(std::string("vec ") + isa_name(isa_) +
                  (sizeof(T) == 4 ? " float32" : " float64"));
    report_.check(vec_.registers == 16 || vec_.registers == 32, "registers");
    for (Guard guard : {Guard::after, Guard::before}) {
      whole(guard);
      for (int n = 0; n <= width_; ++n) partial(guard, n);
      for (int lo = 0; lo <= width_; ++lo)
        for (int hi = lo; hi <= width_; ++hi) range(guard, lo, hi);
    }
    arithmetic();
    rounding();
    scaling();
    sums();
    transposition();
  }

 private:
  using Lanes = std::vector<T>;

  std::size_t bytes(int elements) const { return static_cast<std::size_t>(elements) * sizeof(T); }
  Lanes lanes() const { return Lanes(static_cast<std::size_t>(width_)); }
  Lanes ramp(int count) const {
    Lanes values(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = static_cast<T>(i + 1);
    return values;
  }

  void expect(const Lanes& got, const Lanes& want, const std::string& what) {
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (same(got[i], want[i])) continue;
      report_.fail(what + ": lane " + std::to_string(i) + " is " + std::to_string(got[i]) +
                   ", not " + std::to_string(want[i]));
      return;
    }
    report_.pass();
  }

  // Nothing but the data was written.
  static bool clean(const GuardedBuffer& target) {
    target.erase(0, target.bytes());
    return target.only_filler();
  }

  void whole(Guard guard) {
    Lanes out = lanes();
    vec_.zero(out.data());
    expect(out, lanes(), "zero");
    vec_.set(T(1.25), out.data());
    expect(out, Lanes(static_cast<std::size_t>(width_), T(1.25)), "set");

    const Lanes values = ramp(width_);
    GuardedBuffer memory(bytes(width_), guard);
    std::memcpy(memory.data(), values.data(), memory.bytes());
    vec_.load(memory.as<T>(), out.data());
    expect(out, values, "load");
    GuardedBuffer target(bytes(width_), guard);
    vec_.store(target.as<T>(), values.data());
    expect(Lanes(target.as<T>(), target.as<T>() + width_), values, "store");
    report_.check(clean(target), "store wrote outside");

    const int reach = 2 * width_ - 1;
    GuardedBuffer pairs(bytes(reach), guard);
    const Lanes source = ramp(reach);
    std::memcpy(pairs.data(), source.data(), pairs.bytes());
    vec_.load_step2(pairs.as<T>(), out.data());
    Lanes want = lanes();
    for (int i = 0; i < width_; ++i) want[static_cast<std::size_t>(i)] = static_cast<T>(2 * i + 1);
    expect(out, want, "load_step2");
  }

  void partial(Guard guard, int n) {
    const Lanes values = ramp(width_);
    const std::string count = " of " + std::to_string(n);
    GuardedBuffer memory(bytes(n), guard);
    std::memcpy(memory.data(), values.data(), memory.bytes());
    Lanes out = lanes(), want = lanes();
    vec_.load_first(memory.as<T>(), n, out.data());
    std::copy_n(values.begin(), n, want.begin());
    expect(out, want, "load_first" + count);

    GuardedBuffer target(bytes(n), guard);
    vec_.store_first(target.as<T>(), values.data(), n);
    expect(Lanes(target.as<T>(), target.as<T>() + n), Lanes(values.begin(), values.begin() + n),
           "store_first" + count);
    report_.check(clean(target), "store_first" + count + " wrote outside");
  }

  void range(Guard guard, int lo, int hi) {
    const Lanes values = ramp(width_);
    const std::string what = "store_range " + std::to_string(lo) + ".." + std::to_string(hi);
    GuardedBuffer target(bytes(hi - lo), guard);
    // The address of element 0 may be unmapped: only lo..hi-1 exist.
    T* origin = reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(target.data()) - bytes(lo));
    vec_.store_range(origin, values.data(), lo, hi);
    expect(Lanes(target.as<T>(), target.as<T>() + (hi - lo)),
           Lanes(values.begin() + lo, values.begin() + hi), what);
    report_.check(clean(target), what + " wrote outside");
  }

  static const Lanes& operands() {
    using L = std::numeric_limits<T>;
    static const Lanes kValues = {T(0),
                                  T(-0.0),
                                  T(1),
                                  T(-1),
                                  T(0.5),
                                  T(-2.5),
                                  T(3),
                                  T(1) / T(3),
                                  L::min(),
                                  -L::min(),
                                  L::denorm_min(),
                                  L::max(),
                                  L::lowest(),
                                  L::infinity(),
                                  -L::infinity(),
                                  L::quiet_NaN(),
                                  T(1) + L::epsilon()};
    return kValues;
  }

  template <class F>
  Lanes map(const Lanes& a, const Lanes& b, F f) const {
    Lanes out = lanes();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = f(a[i], b[i]);
    return out;
  }

  void arithmetic() {
    const Lanes& values = operands();
    const std::size_t count = values.size();
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < count; ++j) {
        Lanes a = lanes(), b = lanes(), c = lanes();
        for (std::size_t lane = 0; lane < a.size(); ++lane) {
          a[lane] = values[(i + lane) % count];
          b[lane] = values[(j + 3 * lane) % count];
          c[lane] = values[(i + 2 * j + 5 * lane) % count];
        }
        pair(a, b, c);
      }
    }
  }

  void pair(const Lanes& a, const Lanes& b, const Lanes& c) {
    Lanes out = lanes();
    const auto binary = [&](auto member, const char* name, auto f) {
      member(a.data(), b.data(), out.data());
      expect(out, map(a, b, f), name);
    };
    binary(vec_.add, "add", [](T x, T y) { return x + y; });
    binary(vec_.sub, "sub", [](T x, T y) { return x - y; });
    binary(vec_.mul, "mul", [](T x, T y) { return x * y; });
    binary(vec_.div, "div", [](T x, T y) { return x / y; });
    const auto nan_or = [](T x, T y, T other) {
      return std::isnan(x) || std::isnan(y) ? std::numeric_limits<T>::quiet_NaN() : other;
    };
    binary(vec_.max_nan, "max_nan", [&](T x, T y) { return nan_or(x, y, x > y ? x : y); });
    binary(vec_.min_nan, "min_nan", [&](T x, T y) { return nan_or(x, y, x < y ? x : y); });

    Lanes numbers_a = a, numbers_b = b;
    for (Lanes* lanes_of : {&numbers_a, &numbers_b})
      for (T& value : *lanes_of)
        if (std::isnan(value)) value = T(7);
    vec_.max(numbers_a.data(), numbers_b.data(), out.data());
    expect(out, map(numbers_a, numbers_b, [](T x, T y) { return x > y ? x : y; }), "max");
    vec_.min(numbers_a.data(), numbers_b.data(), out.data());
    expect(out, map(numbers_a, numbers_b, [](T x, T y) { return x < y ? x : y; }), "min");

    Lanes want = lanes();
    vec_.fma(a.data(), b.data(), c.data(), out.data());
    for (std::size_t i = 0; i < want.size(); ++i)
      want[i] = isa_ == Isa::scalar ? a[i] * b[i] + c[i] : std::fma(a[i], b[i], c[i]);
    expect(out, want, "fma");
    vec_.fnma(a.data(), b.data(), c.data(), out.data());
    for (std::size_t i = 0; i < want.size(); ++i) {
      want[i] = isa_ == Isa::scalar ? c[i] - a[i] * b[i] : std::fma(-a[i], b[i], c[i]);
    }
    expect(out, want, "fnma");
    vec_.abs(a.data(), out.data());
    expect(out, map(a, a, [](T x, T) { return std::fabs(x); }), "abs");

    vec_.less_select(a.data(), b.data(), c.data(), b.data(), out.data());
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = a[i] < b[i] ? c[i] : b[i];
    expect(out, want, "less_select");
    vec_.nan_select(a.data(), b.data(), c.data(), out.data());
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = std::isnan(a[i]) ? b[i] : c[i];
    expect(out, want, "nan_select");
    bool any = false;
    for (T value : a) any = any || std::isnan(value);
    report_.check(vec_.any_nan(a.data()) == any, "any_nan");
  }

  void rounding() {
    for (int eighths = -4 * 8 * 16; eighths < 4 * 8 * 16; eighths += width_) {
      Lanes a = lanes(), want = lanes(), out = lanes();
      for (int lane = 0; lane < width_; ++lane) {
        const T value = static_cast<T>(eighths + lane) / T(8);
        a[static_cast<std::size_t>(lane)] = value;
        want[static_cast<std::size_t>(lane)] = std::nearbyint(value);
      }
      vec_.round(a.data(), out.data());
      expect(out, want, "round");
    }
  }

  void scaling() {
    using L = std::numeric_limits<T>;
    for (int e = L::min_exponent - 1; e < L::max_exponent; ++e) {
      const Lanes exponent(static_cast<std::size_t>(width_), static_cast<T>(e));
      Lanes out = lanes();
      for (const T value : {T(1), T(-1.5), T(0), L::infinity(), L::quiet_NaN(), T(1) / T(3)}) {
        const Lanes a(static_cast<std::size_t>(width_), value);
        vec_.scale(a.data(), exponent.data(), out.data());
        expect(out, Lanes(static_cast<std::size_t>(width_), std::ldexp(value, e)), "scale");
      }
    }
  }

  void sums() {
    const Lanes a = ramp(width_);
    report_.check(vec_.sum(a.data()) == static_cast<T>(width_ * (width_ + 1) / 2), "sum");
    for (int lane = 0; lane < width_; ++lane) {
      Lanes one = lanes();
      one[static_cast<std::size_t>(lane)] = std::numeric_limits<T>::quiet_NaN();
      report_.check(std::isnan(vec_.sum(one.data())), "sum with a NaN");
      report_.check(vec_.any_nan(one.data()), "any_nan of one lane");
    }
  }

  void transposition() {
    const Lanes rows = ramp(width_ * width_);
    Lanes out(rows.size()), want(rows.size());
    vec_.transpose(rows.data(), out.data());
    for (int i = 0; i < width_; ++i) {
      for (int j = 0; j < width_; ++j)
        want[static_cast<std::size_t>(i * width_ + j)] =
            rows[static_cast<std::size_t>(j * width_ + i)];
    }
    expect(out, want, "transpose");
  }

  Isa isa_;
  const VecTable<T>& vec_;
  Report& report_;
  int width_;
};

}  // namespace

void check_vec(const VecTables& tables, Report& report) {
  VecChecks<float>(tables.isa, *tables.float32, report).run();
  VecChecks<double>(tables.isa, *tables.float64, report).run();
}

}  // namespace fastconv::runner
