// From accumulated values to results: the division of an average, the root of an Lp norm, the
// store.
//
// Runs once per output row on data that the slide has just left in the first-level cache. Divisors
// change along a row only near its ends and from row to row only near the plane's ends, so their
// reciprocals are kept until the row's count changes and a division costs four multiply-adds.
#pragma once

// s / c, rounded correctly, from r = 1/c: q = s*r, then one Newton step with the exact remainder.
// An infinite or NaN s makes the step NaN and keeps q.
template <class T>
static inline typename Vec<T>::Reg pool_quotient(typename Vec<T>::Reg s, typename Vec<T>::Reg c,
                                                 typename Vec<T>::Reg r) {
  using V = Vec<T>;
  if constexpr (V::width == 1) return V::div(s, c);
  const typename V::Reg q = V::mul(s, r);
  const typename V::Reg rest = V::fma(V::sub(V::zero(), q), c, s);
  const typename V::Reg better = V::fma(rest, r, q);
  return V::nan_select(better, q, better);
}

// dst[i] = src[i] / divisor, exactly rounded; dst may be src.
template <class T>
static void pool_divide(T* dst, const T* src, Index count, T divisor) {
  using V = Vec<T>;
  const typename V::Reg c = V::set(divisor), r = V::set(T(1) / divisor);
  Index i = 0;
  for (; i + V::width <= count; i += V::width) {
    V::store(dst + i, pool_quotient<T>(V::load(src + i), c, r));
  }
  const int rest = static_cast<int>(count - i);
  if (rest > 0) V::store_first(dst + i, pool_quotient<T>(V::load_first(src + i, rest), c, r), rest);
}

static inline float pool_sqrt(float x) {
  return __builtin_sqrtf(x);
}
static inline double pool_sqrt(double x) {
  return __builtin_sqrt(x);
}

// (mean * window elements)^(1/p), as torch defines the Lp norm of a clipped window too. `sums` are
// the sums of p-th powers, `divisor` what the mean divides by.
template <class T>
static void pool_norm(T* values, Index count, T divisor, T elements, T norm) {
  if (divisor != elements) {
    pool_divide(values, values, count, divisor);
    for (Index i = 0; i < count; ++i) values[i] *= elements;
  }
  if (norm == T(1)) return;
  if (norm == T(2)) {
    for (Index i = 0; i < count; ++i) values[i] = pool_sqrt(values[i]);
    return;
  }
  const T inverse = T(1) / norm;
  for (Index i = 0; i < count; ++i) values[i] = pool_power(values[i], inverse);
}

// Averages that share one divisor.
template <class T>
struct PoolDivide {
  using Reg = typename Vec<T>::Reg;
  Reg divisor, reciprocal;
  static PoolDivide by(T divisor) { return {Vec<T>::set(divisor), Vec<T>::set(T(1) / divisor)}; }
  Reg done(Reg sum, Index) const { return pool_quotient<T>(sum, divisor, reciprocal); }
};

// Euclidean norms of whole windows.
template <class T>
struct PoolRoot {
  using Reg = typename Vec<T>::Reg;
  Reg done(Reg sum, Index) const { return Vec<T>::sqrt(sum); }
};

// Averages with a divisor for each output of a row. Rows of divisors have room for whole vectors.
template <class T>
struct PoolDivideEach {
  using Reg = typename Vec<T>::Reg;
  const T *divisors, *reciprocals;
  Reg done(Reg sum, Index o) const {
    return pool_quotient<T>(sum, Vec<T>::load(divisors + o), Vec<T>::load(reciprocals + o));
  }
};

// Divisors of the outputs of one block along the row.
template <class T>
class PoolDivisors {
 public:
  // `memory`: three rows of `room` elements.
  PoolDivisors(const PoolProblem& p, T* memory, Index room)
      : padding_(p.count_include_pad && !p.adaptive),
        counts_(memory),
        divisors_(memory + room),
        reciprocals_(memory + 2 * room),
        axes_{pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)} {
    if (p.divisor_override != 0) {
      value_ = static_cast<T>(p.divisor_override);
      return;
    }
    for (const PoolAxis& axis : axes_) {
      const Index first = pool_count(axis, padding_, 0);
      value_ *= static_cast<T>(first);
      // Windows in between reach no further out than the first and the last.
      const bool equal = !axis.uneven && first == axis.kernel &&
                         pool_count(axis, padding_, axis.out - 1) == axis.kernel;
      constant_ = constant_ && (equal || axis.out == 1);
    }
  }

  // Whether all outputs of the problem share one divisor, and which.
  bool constant() const { return constant_; }
  T value() const { return value_; }

  void set_block(Index first, Index count) {
    if (constant_ || (first == first_ && count == count_)) return;
    first_ = first;
    count_ = count;
    lines_ = T(0);
    for (Index i = 0; i < count; ++i) {
      counts_[i] = static_cast<T>(pool_count(axes_[2], padding_, first + i));
    }
  }

  // Depth and height of the row whose outputs are divided next.
  void set_row(Index depth, Index height) {
    if (constant_) return;
    const T lines = static_cast<T>(pool_count(axes_[0], padding_, depth)) *
                    static_cast<T>(pool_count(axes_[1], padding_, height));
    if (lines == lines_) return;
    lines_ = lines;
    using V = Vec<T>;
    const typename V::Reg all = V::set(lines), one = V::set(T(1));
    for (Index i = 0; i < count_; i += V::width) {  // rows have room for whole vectors
      const typename V::Reg divisor = V::mul(all, V::load(counts_ + i));
      V::store(divisors_ + i, divisor);
      V::store(reciprocals_ + i, V::div(one, divisor));
    }
  }

  // The divisor of output i of the row.
  T at(Index i) const { return constant_ ? value_ : divisors_[i]; }

  // Averages of the row; only where divisors are not constant.
  PoolDivideEach<T> finish() const { return {divisors_, reciprocals_}; }
  // Averages that all have the divisor of output o.
  PoolDivide<T> finish_all(Index o) const {
    return {Vec<T>::set(divisors_[o]), Vec<T>::set(reciprocals_[o])};
  }

 private:
  bool padding_;
  T* counts_;
  T* divisors_;
  T* reciprocals_;
  PoolAxis axes_[kAxes];
  bool constant_ = true;
  T value_ = T(1);
  Index first_ = -1, count_ = 0;
  T lines_ = T(0);
};

template <class T>
static T pool_window_elements(const PoolProblem& p) {
  return static_cast<T>(p.kernel[0]) * static_cast<T>(p.kernel[1]) * static_cast<T>(p.kernel[2]);
}

// Values that share one divisor, in place.
template <class T>
static void pool_finish(const PoolProblem& p, T* values, Index count, T divisor) {
  if (p.kind == PoolKind::average) pool_divide(values, values, count, divisor);
  if (p.kind == PoolKind::lp) {
    pool_norm(values, count, divisor, pool_window_elements<T>(p), static_cast<T>(p.norm));
  }
}

// Norms of one row of outputs, from its sums of powers, in place.
template <class T>
static void pool_norm_row(const PoolProblem& p, const PoolDivisors<T>& divisors, T* values,
                          Index count) {
  if (divisors.constant()) return pool_finish(p, values, count, divisors.value());
  for (Index o = 0; o < count; ++o) pool_finish(p, values + o, 1, divisors.at(o));
}

// Whether a norm is a sum of powers or the root of one, without the scaling that clipped windows
// need.
template <class T>
static bool pool_is_plain_norm(const PoolProblem& p, const PoolDivisors<T>& divisors) {
  return p.kind == PoolKind::lp && (p.norm == 1.0 || p.norm == 2.0) && divisors.constant() &&
         divisors.value() == pool_window_elements<T>(p);
}
