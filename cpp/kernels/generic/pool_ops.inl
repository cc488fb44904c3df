// What pooling accumulates. `first` is the value of one term, `take` the value with one more;
// `Merge` combines accumulated values; `neutral` is what a term outside the input contributes to a
// merge. `kPlainSum`: terms are added as they are.
#pragma once

template <class T>
struct PoolMax {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Merge = PoolMax;
  static constexpr bool kPlainSum = false;
  static T neutral() { return -static_cast<T>(__builtin_inf()); }
  Reg first(Reg x) const { return x; }
  Reg take(Reg acc, Reg x) const { return V::max_nan(acc, x); }
};

template <class T>
struct PoolMin {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Merge = PoolMin;
  static constexpr bool kPlainSum = false;
  static T neutral() { return static_cast<T>(__builtin_inf()); }
  Reg first(Reg x) const { return x; }
  Reg take(Reg acc, Reg x) const { return V::min_nan(acc, x); }
};

template <class T>
struct PoolSum {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Merge = PoolSum;
  static constexpr bool kPlainSum = true;
  static T neutral() { return T(0); }
  Reg first(Reg x) const { return x; }
  Reg take(Reg acc, Reg x) const { return V::add(acc, x); }
};

template <class T>
struct PoolSquareSum {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Merge = PoolSum<T>;
  static constexpr bool kPlainSum = false;
  Reg first(Reg x) const { return V::mul(x, x); }
  Reg take(Reg acc, Reg x) const { return V::fma(x, x, acc); }
};

static inline float pool_power(float x, float p) {
  return __builtin_powf(x, p);
}
static inline double pool_power(double x, double p) {
  return __builtin_pow(x, p);
}

template <class T>
struct PoolPowerSum {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Merge = PoolSum<T>;
  static constexpr bool kPlainSum = false;
  T power;
  Reg first(Reg x) const {
    T lanes[V::width];
    V::store(lanes, x);
    for (int i = 0; i < V::width; ++i) lanes[i] = pool_power(lanes[i], power);
    return V::load(lanes);
  }
  Reg take(Reg acc, Reg x) const { return V::add(acc, first(x)); }
};

// Calls run(operation) with the operation of a problem.
template <class T, class Run>
static void pool_with_op(const PoolProblem& p, Run run) {
  switch (p.kind) {
    case PoolKind::max:
      return run(PoolMax<T>{});
    case PoolKind::min:
      return run(PoolMin<T>{});
    case PoolKind::average:
      return run(PoolSum<T>{});
    case PoolKind::lp:
      if (p.norm == 1.0) return run(PoolSum<T>{});
      if (p.norm == 2.0) return run(PoolSquareSum<T>{});
      return run(PoolPowerSum<T>{static_cast<T>(p.norm)});
  }
}
