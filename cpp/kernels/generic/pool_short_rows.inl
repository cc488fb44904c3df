// Pooling of planes whose rows fit a register, or two where the results fit one.
//
// Loop order of a task: planes, rows of outputs, input rows of the window, combined in one
// register; then kernel columns, each a permutation of that register; division and store. Nothing
// is buffered: a row of outputs costs a load for each input row and a permutation for each kernel
// column, where the kernel for long rows (pool_planar.inl) spends more on setting out (3x3 at
// stride 2 on 512 planes of 14x14: from 18 to 11 us). Lanes beyond the row are lost: rows of 7 fill
// 7 of 16.
#pragma once

#include "pool_finish.inl"
#include "pool_slide.inl"

template <class T, class Op>
class PoolShortRows {
 public:
  PoolShortRows(const PoolJob& job, const PoolLayout& l, Op op, Carver carver)
      : p_(*job.problem),
        op_(op),
        x_(static_cast<const T*>(job.x)),
        y_(static_cast<T*>(job.y)),
        taps_(l.pitch),
        lines_(l.tail),
        columns_(carver.take<Lanes>(taps_)),
        rows_(carver.take<WindowRows>(lines_)),
        divisors_(p_, ones(carver, 3 * l.divisor_elements(V::width)),
                  l.divisor_elements(V::width)) {
    list_columns(pool_axis(p_, 2));
    const PoolAxis deep_axis = pool_axis(p_, 0), high_axis = pool_axis(p_, 1);
    for (Index i = 0; i < lines_; ++i) {
      const PoolTaps deep = pool_taps(deep_axis, i / p_.out[1]);
      const PoolTaps high = pool_taps(high_axis, i % p_.out[1]);
      rows_[i] = {deep.first * p_.x.spatial[0] + high.first * p_.x.spatial[1], deep.count,
                  high.count, deep.step * p_.x.spatial[0], high.step * p_.x.spatial[1]};
    }
    if constexpr (Op::kPlainSum) divisors_.set_block(0, p_.out[2]);
  }

  void run(Index first, Index last) {
    if (p_.in[2] <= V::width) return run_rows<false>(first, last);
    run_rows<true>(first, last);
  }

 private:
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Lanes = PoolLanes<T>;
  using Merge = typename Op::Merge;
  // The input rows of one row of outputs.
  struct WindowRows {
    Index first, slices, lines, slice, line;
  };

  // Lanes beyond the row are divided too: what lay there might be subnormal, which is slow.
  static T* ones(Carver& carver, Index count) {
    T* const memory = carver.take<T>(count);
    pool_fill(memory, count, T(1));
    return memory;
  }

  // For each kernel column the lanes that outputs take. Where a window has no such column: of a row
  // of one register, the second holds neutral values; a longer row of a sum ends with zeros; and an
  // extreme may take one of the window's elements twice.
  void list_columns(const PoolAxis& wide) {
    const Index neutral = p_.in[2] <= V::width ? V::width : p_.in[2];
    const bool repeats = !Op::kPlainSum && p_.in[2] > V::width;
    for (Index t = 0; t < taps_; ++t) {
      for (Index o = 0; o < V::width; ++o) {
        const PoolTaps taps = pool_taps(wide, smaller(o, p_.out[2] - 1));
        const Index lane = t < taps.count ? taps.first + t * taps.step
                           : repeats      ? taps.first
                                          : neutral;
        columns_[t][o] = static_cast<PoolLane<T>>(lane);
      }
    }
  }

  // A known number of kernel columns keeps its permutations in registers.
  template <bool Long>
  void run_rows(Index first, Index last) {
    if (taps_ == 2) return run_columns<2, Long>(first, last);
    if (taps_ == 3) return run_columns<3, Long>(first, last);
    run_columns<0, Long>(first, last);
  }

  template <int K, bool Long>
  void run_columns(Index first, Index last) {
    const Reg neutral = V::set(Merge::neutral());
    const int length = static_cast<int>(p_.in[2]);
    const typename V::Mask inside = V::range(0, Long ? V::width : length);
    const typename V::Mask rest = V::range(0, Long ? length - V::width : 0);
    Lanes columns[K > 0 ? K : 1];
    for (int t = 0; t < K; ++t) columns[t] = columns_[t];
    for (Index plane = first; plane < last; ++plane) {
      const Index image = plane / p_.channels, channel = plane - image * p_.channels;
      const T* x = x_ + image * p_.x.batch + channel * p_.x.channel;
      T* y = y_ + image * p_.y.batch + channel * p_.y.channel;
      Index i = 0;
      for (Index depth = 0; depth < p_.out[0]; ++depth) {
        T* to = y + depth * p_.y.spatial[0];
        for (Index height = 0; height < p_.out[1]; ++height, ++i, to += p_.y.spatial[1]) {
          const Reg row = combine(x, rows_[i], inside);
          const Reg more = Long ? combine(x + V::width, rows_[i], rest) : neutral;
          Reg value = __builtin_shuffle(row, more, K > 0 ? columns[0] : columns_[0]);
          for (Index t = 1; t < (K > 0 ? K : taps_); ++t) {
            const Reg next = __builtin_shuffle(row, more, K > 0 ? columns[t] : columns_[t]);
            value = Merge{}.take(value, next);
          }
          if constexpr (Op::kPlainSum) value = divide(value, depth, height);
          V::store_first(to, value, static_cast<int>(p_.out[2]));
        }
      }
    }
  }

  // The rows of a window, combined; up to three of them without a loop.
  Reg combine(const T* x, const WindowRows& rows, typename V::Mask inside) const {
    const T* slice = x + rows.first;
    if (rows.slices == 1 && rows.lines >= 1 && rows.lines <= 3) {
      Reg value = op_.first(V::load_masked(slice, inside));
      if (rows.lines == 1) return value;
      value = op_.take(value, V::load_masked(slice + rows.line, inside));
      if (rows.lines == 2) return value;
      return op_.take(value, V::load_masked(slice + 2 * rows.line, inside));
    }
    if (rows.slices == 0 || rows.lines == 0) return V::set(Merge::neutral());
    Reg value = op_.first(V::load_masked(slice, inside));
    for (Index z = 0; z < rows.slices; ++z, slice += rows.slice) {
      const T* line = slice;
      for (Index r = 0; r < rows.lines; ++r, line += rows.line) {
        if (z > 0 || r > 0) value = op_.take(value, V::load_masked(line, inside));
      }
    }
    return value;
  }

  Reg divide(Reg sum, Index depth, Index height) {
    if (divisors_.constant()) return PoolDivide<T>::by(divisors_.value()).done(sum, 0);
    divisors_.set_row(depth, height);
    return divisors_.finish().done(sum, 0);
  }

  const PoolProblem& p_;
  Op op_;
  const T* x_;
  T* y_;
  Index taps_, lines_;  // kernel columns; rows of outputs of a plane
  Lanes* columns_;
  WindowRows* rows_;
  PoolDivisors<T> divisors_;
};

template <class T, class Op>
static void pool_short_rows(const PoolJob& job, const PoolLayout& l, Op op, Index begin, Index end,
                            std::byte* scratch) {
  PoolShortRows<T, Op> planes(job, l, op, Carver{scratch});
  for (Index task = begin; task < end; ++task) {
    const Index last = smaller(l.row_count, (task + 1) * l.rows);
    planes.run(task * l.rows, last);
  }
}
