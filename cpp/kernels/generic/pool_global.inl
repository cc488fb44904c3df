// Pooling whose one window is the whole plane.
//
// Loop order: planes, then runs of the plane (one run where it is contiguous), each reduced with
// four vector accumulators (pool_reduce_run): the plane is read once at memory speed and nothing is
// buffered. The row kernel would store and reload every row. Runs are merged as a balanced tree.
// Loses on a single huge plane, which one thread reads alone.
#pragma once

#include "pool_finish.inl"
#include "pool_reduce.inl"
#include "pool_rows.inl"

// Joins axes that lie behind one another in memory, so that the last axis is as long as possible.
static inline void pool_join_axes(Axes& size, Axes& step) {
  int inner = 2;
  for (int a = 1; a >= 0; --a) {
    if (size[a] == 1) continue;
    if (size[inner] == 1) {
      size[inner] = size[a];
      step[inner] = step[a];
      size[a] = 1;
    } else if (step[a] == size[inner] * step[inner]) {
      size[inner] *= size[a];
      size[a] = 1;
    } else {
      inner = a;
    }
  }
}

// Reduces runs [lo, hi) of a plane, counted through depth and height.
template <class T, class Op>
static T pool_reduce_lines(Op op, const T* plane, const Axes& size, const Axes& step, Index lo,
                           Index hi) {
  const typename Op::Merge merged{};
  if (hi - lo > 1) {
    const Index half = lo + (hi - lo) / 2;
    return merged.take1(pool_reduce_lines(op, plane, size, step, lo, half),
                        pool_reduce_lines(op, plane, size, step, half, hi));
  }
  const T* run = plane + lo / size[1] * step[0] + lo % size[1] * step[1];
  if (step[2] == 1) return pool_reduce_run(op, run, size[2]);
  constexpr Index piece = 256;
  T gathered[piece];
  T result = Op::Merge::neutral();
  for (Index w = 0; w < size[2]; w += piece) {
    const Index count = smaller(piece, size[2] - w);
    copy_strided(gathered, run + w * step[2], step[2], count);
    result = merged.take1(result, pool_reduce_run(op, gathered, count));
  }
  return result;
}

template <class T, class Op>
static void pool_global(const PoolJob& job, const PoolLayout& l, Op op, Index begin, Index end) {
  const PoolProblem& p = *job.problem;
  const T* x = static_cast<const T*>(job.x);
  T* y = static_cast<T*>(job.y);
  Axes size = p.in, step = p.x.spatial;
  pool_join_axes(size, step);
  T divisor = static_cast<T>(p.divisor_override);
  if (p.divisor_override == 0) {
    divisor = T(1);
    for (int a = 0; a < kAxes; ++a) {
      divisor *= static_cast<T>(pool_count(pool_axis(p, a), p.count_include_pad, 0));
    }
  }
  const Index lines = size[0] * size[1];
  constexpr Index batch_planes = 64;
  T totals[batch_planes];
  const Index last = smaller(end * l.rows, l.row_count);
  for (Index plane = begin * l.rows; plane < last;) {
    const Index count = smaller(batch_planes, last - plane);
    PoolRow r = PoolRow::at(p, plane);
    for (Index i = 0; i < count; ++i, r.skip(p, 1)) {
      totals[i] = pool_reduce_lines(op, x + pool_offset(p.x, r, 0), size, step, 0, lines);
    }
    pool_finish(p, totals, count, divisor);
    r = PoolRow::at(p, plane);
    for (Index i = 0; i < count; ++i, r.skip(p, 1)) y[pool_offset(p.y, r, 0)] = totals[i];
    plane += count;
  }
}
