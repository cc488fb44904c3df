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

// Divisors of the outputs of one block along the row.
template <class T>
class PoolDivisors {
 public:
  // `memory`: three rows of `room` elements.
  PoolDivisors(const PoolProblem& p, T* memory, Index room)
      : problem_(p),
        counts_(memory),
        divisors_(memory + room),
        reciprocals_(memory + 2 * room),
        axes_{pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)} {}

  void set_block(Index first, Index count) {
    if (first == first_ && count == count_) return;
    first_ = first;
    count_ = count;
    lines_ = 0;
    uniform_ = true;
    if (problem_.divisor_override != 0) return;
    for (Index i = 0; i < count; ++i) {
      counts_[i] = static_cast<T>(pool_count(axes_[2], problem_.count_include_pad, first + i));
      uniform_ = uniform_ && counts_[i] == counts_[0];
    }
  }

  // Depth and height of the row whose outputs are divided next.
  void set_row(Index depth, Index height) {
    if (problem_.divisor_override != 0) return;
    const bool padding = problem_.count_include_pad;
    const Index lines =
        pool_count(axes_[0], padding, depth) * pool_count(axes_[1], padding, height);
    if (lines == lines_) return;
    lines_ = lines;
    if (uniform_) return;
    for (Index i = 0; i < count_; ++i) {
      divisors_[i] = static_cast<T>(lines) * counts_[i];
      reciprocals_[i] = T(1) / divisors_[i];
    }
  }

  bool uniform() const { return uniform_; }
  // The divisor of output i of the block.
  T at(Index i) const {
    if (problem_.divisor_override != 0) return static_cast<T>(problem_.divisor_override);
    return static_cast<T>(lines_) * counts_[i];
  }

  void divide(T* dst, const T* src) const {
    using V = Vec<T>;
    if (uniform_) {
      pool_divide(dst, src, count_, at(0));
      return;
    }
    for (Index i = 0; i < count_; i += V::width) {
      const int n = static_cast<int>(smaller(V::width, count_ - i));
      V::store_first(dst + i,
                     pool_quotient<T>(V::load_first(src + i, n), V::load_first(divisors_ + i, n),
                                      V::load_first(reciprocals_ + i, n)),
                     n);
    }
  }

 private:
  const PoolProblem& problem_;
  T* counts_;
  T* divisors_;
  T* reciprocals_;
  PoolAxis axes_[kAxes];
  Index first_ = -1, count_ = 0, lines_ = 0;
  bool uniform_ = true;
};

// Writes one row of results to contiguous memory; `values` may be changed on the way, and may be
// dst.
template <class T>
static void pool_finish_row(const PoolProblem& p, const PoolDivisors<T>& divisors, T* dst,
                            T* values, Index count) {
  if (p.kind == PoolKind::average) {
    divisors.divide(dst, values);
    return;
  }
  if (p.kind == PoolKind::lp) {
    const T elements = static_cast<T>(p.kernel.product()), norm = static_cast<T>(p.norm);
    if (divisors.uniform()) {
      pool_norm(values, count, divisors.at(0), elements, norm);
    } else {
      for (Index i = 0; i < count; ++i) pool_norm(values + i, 1, divisors.at(i), elements, norm);
    }
  }
  if (dst != values) copy_strided(dst, values, 1, count);
}
