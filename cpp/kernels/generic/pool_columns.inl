// The first pass of planar pooling: the input rows of a window combined into one row of a buffer.
//
// Loop order: output rows, vectors along the row, taps. With up to seven taps the loop over them is
// unrolled and a vector is one load per tap and one store; more taps take four vectors at a time,
// whose independent chains hide the latency of the combination, in groups of 16 that bound the
// number of streams and the error of long sums.
//
// Tall windows that overlap enough (pool_is_tall) are combined by blocks as in van Herk's and
// Gil and Werman's running maximum: within blocks of K input rows, combinations of the block's last
// rows (kept in `tail`) and of its first rows (a running one); every window is one of the former
// and one of the latter. That is two operations per input row and one per output row whatever K is.
// Sums are never subtracted, so an infinity or NaN does not outlive its window.
#pragma once

#include "pool_reduce.inl"
#include "pool_rows.inl"

// Input rows of one plane that feed consecutive output rows: the first tap of output row i starts
// at `at + i*step`.
template <class S>
struct PoolColumns {
  const S* at;
  Index step;                  // from one output row to the next
  Index depths, depth_step;    // outer taps
  Index heights, height_step;  // inner taps
  Index length;                // elements of a row, side by side
};

template <class T, class S, class Op, int K>
static inline void pool_columns_few(Op op, T* dst, Index pitch, const PoolColumns<S>& c,
                                    Index rows) {
  using V = Vec<T>;
  const int rest = static_cast<int>(c.length % V::width);
  const Index whole = c.length - rest;
  const S* from = c.at;
  for (Index r = 0; r < rows; ++r, from += c.step, dst += pitch) {
    Index i = 0;
    for (; i < whole; i += V::width) {
      typename V::Reg acc = op.first(Vec<S>::load(from + i));
      for (int k = 1; k < K; ++k) acc = op.take(acc, Vec<S>::load(from + i + k * c.height_step));
      V::store(dst + i, acc);
    }
    if (rest == 0) continue;
    typename V::Reg acc = op.first(Vec<S>::load_first(from + i, rest));
    for (int k = 1; k < K; ++k) {
      acc = op.take(acc, Vec<S>::load_first(from + i + k * c.height_step, rest));
    }
    V::store_first(dst + i, acc, rest);
  }
}

// Combines `rows` output rows into rows of `dst`.
template <class T, class S, class Op>
static void pool_columns(Op op, T* dst, Index pitch, const PoolColumns<S>& c, Index rows) {
  if (c.depths == 0 || c.heights == 0) {
    for (Index r = 0; r < rows; ++r) pool_fill(dst + r * pitch, c.length, Op::Merge::neutral());
    return;
  }
  if (c.depths == 1) {
    if (c.heights == 1) return pool_columns_few<T, S, Op, 1>(op, dst, pitch, c, rows);
    if (c.heights == 2) return pool_columns_few<T, S, Op, 2>(op, dst, pitch, c, rows);
    if (c.heights == 3) return pool_columns_few<T, S, Op, 3>(op, dst, pitch, c, rows);
    if (c.heights == 4) return pool_columns_few<T, S, Op, 4>(op, dst, pitch, c, rows);
    if (c.heights == 5) return pool_columns_few<T, S, Op, 5>(op, dst, pitch, c, rows);
    if (c.heights == 6) return pool_columns_few<T, S, Op, 6>(op, dst, pitch, c, rows);
    if (c.heights == 7) return pool_columns_few<T, S, Op, 7>(op, dst, pitch, c, rows);
  }
  for (Index r = 0; r < rows; ++r) {
    for (Index d = 0; d < c.depths; ++d) {
      pool_combine<T, S>(op, d > 0, dst + r * pitch, c.at + r * c.step + d * c.depth_step, c.length,
                         c.heights, c.height_step);
    }
  }
}

// dst[i] = op of `acc` and the row `from`, which lies outside the input where it is null.
template <class T, class S, class Op>
static inline void pool_take_row(Op op, T* dst, const T* acc, const S* from, Index length) {
  using V = Vec<T>;
  Index i = 0;
  for (; i + V::width <= length; i += V::width) {
    V::store(dst + i, op.take(V::load(acc + i), Vec<S>::load(from + i)));
  }
  if (i == length) return;
  const int rest = static_cast<int>(length - i);
  V::store_first(dst + i, op.take(V::load_first(acc + i, rest), Vec<S>::load_first(from + i, rest)),
                 rest);
}

// As pool_columns for output rows [first, first+rows) of tall windows at one depth. `plane` is row
// 0 of the plane; `tail` has room for kernel+1 rows of c.length.
template <class T, class S, class Op>
static void pool_columns_tall(Op op, T* dst, Index pitch, const S* plane, Index row_step,
                              const PoolAxis& axis, Index first, Index rows, Index length, T* tail,
                              Index tail_pitch) {
  using Merge = typename Op::Merge;
  const Merge merged{};
  const Index taps = axis.kernel, origin = axis.start(first);
  const auto inside = [&](Index row) { return row >= 0 && row < axis.in; };
  T* const head = tail + taps * tail_pitch;
  for (Index r = 0; r < rows;) {
    const Index block = origin + r * axis.stride;  // a window starts where its block does
    for (Index t = taps - 1; t >= 0; --t) {
      T* to = tail + t * tail_pitch;
      if (t == taps - 1) pool_fill(to, length, Merge::neutral());
      const T* acc = t == taps - 1 ? to : to + tail_pitch;
      if (inside(block + t)) {
        pool_take_row(op, to, acc, plane + (block + t) * row_step, length);
      } else if (t < taps - 1) {
        copy_strided(to, acc, 1, length);
      }
    }
    pool_fill(head, length, Merge::neutral());
    Index headed = 0;
    for (Index shift = 0; shift < taps && r < rows; shift += axis.stride, ++r) {
      for (; headed < shift; ++headed) {
        const Index row = block + taps + headed;
        if (inside(row)) pool_take_row(op, head, head, plane + row * row_step, length);
      }
      pool_take_row(merged, dst + r * pitch, head, tail + shift * tail_pitch, length);
    }
  }
}
