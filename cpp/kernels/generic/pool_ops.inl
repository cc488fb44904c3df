// What pooling accumulates. An operation gives, for vectors (`first`, `take`) and for single
// elements (`first1`, `take1`), the value of one term and the value with one more term; `Merge`
// combines accumulated values, `lanes` those of one vector; `neutral` is what a term outside the
// input contributes to a merge.
#pragma once

template <class T, class Op>
static inline T pool_lanes(Op op, typename Vec<T>::Reg acc) {
  constexpr int width = Vec<T>::width;
  T lanes[width];
  Vec<T>::store(lanes, acc);
  for (int half = width / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = op.take1(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}

template <class T>
struct PoolMax {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Merge = PoolMax;
  static T neutral() { return -static_cast<T>(__builtin_inf()); }
  Reg first(Reg x) const { return x; }
  Reg take(Reg acc, Reg x) const { return V::max_nan(acc, x); }
  T first1(T x) const { return x; }
  T take1(T acc, T x) const { return x > acc || x != x ? x : acc; }
  T lanes(Reg acc) const { return pool_lanes<T>(*this, acc); }
};

template <class T>
struct PoolMin {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Merge = PoolMin;
  static T neutral() { return static_cast<T>(__builtin_inf()); }
  Reg first(Reg x) const { return x; }
  Reg take(Reg acc, Reg x) const { return V::min_nan(acc, x); }
  T first1(T x) const { return x; }
  T take1(T acc, T x) const { return x < acc || x != x ? x : acc; }
  T lanes(Reg acc) const { return pool_lanes<T>(*this, acc); }
};

template <class T>
struct PoolSum {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Merge = PoolSum;
  static T neutral() { return T(0); }
  Reg first(Reg x) const { return x; }
  Reg take(Reg acc, Reg x) const { return V::add(acc, x); }
  T first1(T x) const { return x; }
  T take1(T acc, T x) const { return acc + x; }
  T lanes(Reg acc) const { return V::sum(acc); }
};

template <class T>
struct PoolSquareSum {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Merge = PoolSum<T>;
  Reg first(Reg x) const { return V::mul(x, x); }
  Reg take(Reg acc, Reg x) const { return V::fma(x, x, acc); }
  T first1(T x) const { return x * x; }
  T take1(T acc, T x) const { return acc + x * x; }
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
  T power;
  Reg first(Reg x) const {
    T lanes[V::width];
    V::store(lanes, x);
    for (int i = 0; i < V::width; ++i) lanes[i] = pool_power(lanes[i], power);
    return V::load(lanes);
  }
  Reg take(Reg acc, Reg x) const { return V::add(acc, first(x)); }
  T first1(T x) const { return pool_power(x, power); }
  T take1(T acc, T x) const { return acc + first1(x); }
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
