// Pooling whose one window is the whole plane.
//
// Loop order: batches of 64 planes; each plane reduced to one vector of partial results, four
// accumulators at a time; then the lanes of all vectors of the batch reduced together, neighbours
// pairwise, so that a plane of 49 elements costs four loads and two shuffles and no horizontal sum
// of its own. The planes are read once at memory speed. Partial results of long planes are merged
// as a balanced tree. Loses on a single huge plane, which one thread reads alone.
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
template <class T, class S, class Op>
static typename Vec<T>::Reg pool_reduce_lines(Op op, const S* plane, const Axes& size,
                                              const Axes& step, Index lo, Index hi) {
  using V = Vec<T>;
  const typename Op::Merge merged{};
  if (hi - lo > 1) {
    const Index half = lo + (hi - lo) / 2;
    return merged.take(pool_reduce_lines<T>(op, plane, size, step, lo, half),
                       pool_reduce_lines<T>(op, plane, size, step, half, hi));
  }
  const S* run = plane + lo / size[1] * step[0] + lo % size[1] * step[1];
  if (step[2] == 1) return pool_reduce_lanes<T>(op, run, size[2]);
  constexpr Index piece = 256;
  S gathered[piece];
  typename V::Reg result = V::set(Op::Merge::neutral());
  for (Index w = 0; w < size[2]; w += piece) {
    const Index count = smaller(piece, size[2] - w);
    copy_strided(gathered, run + w * step[2], step[2], count);
    result = merged.take(result, pool_reduce_lanes<T>(op, gathered, count));
  }
  return result;
}

template <class T>
static T pool_global_divisor(const PoolProblem& p) {
  if (p.divisor_override != 0) return static_cast<T>(p.divisor_override);
  T divisor = T(1);
  for (int a = 0; a < kAxes; ++a) {
    divisor *= static_cast<T>(pool_count(pool_axis(p, a), p.count_include_pad, 0));
  }
  return divisor;
}

template <class T, class S, class Op>
static void pool_global(const PoolJob& job, const PoolLayout& l, Op op, Index begin, Index end) {
  using V = Vec<T>;
  const PoolProblem& p = *job.problem;
  const S* x = static_cast<const S*>(job.x);
  S* y = static_cast<S*>(job.y);
  Axes size = p.in, step = p.x.spatial;
  pool_join_axes(size, step);
  const T divisor = pool_global_divisor<T>(p);
  const Index lines = size[0] * size[1];
  const bool small = lines == 1 && step[2] == 1 && size[2] <= kPoolReduceVectors * V::width;
  alignas(64) T totals[kPoolFoldRoom<T>];
  pool_fill(totals, kPoolFoldRoom<T>, Op::Merge::neutral());
  const Index last = smaller(end * l.rows, l.row_count);
  for (Index plane = begin * l.rows; plane < last;) {
    const Index count = smaller(kPoolFoldBatch, last - plane);
    const PoolRow first = PoolRow::at(p, plane);
    PoolRow r = first;
    for (Index i = 0; i < count; ++i, r.skip(p, 1)) {
      const S* from = x + pool_offset(p.x, r, 0);
      V::store(totals + i * V::width, small ? pool_reduce_short<T>(op, from, size[2])
                                            : pool_reduce_lines<T>(op, from, size, step, 0, lines));
    }
    pool_fold_lanes(typename Op::Merge{}, totals, count);
    pool_finish(p, totals, count, divisor);
    if (p.y.channel == 1 && (p.batch == 1 || p.y.batch == p.channels)) {
      scatter_strided(y + pool_offset(p.y, first, 0), 1, totals, count);
    } else {
      r = first;
      for (Index i = 0; i < count; ++i, r.skip(p, 1)) {
        scatter_strided(y + pool_offset(p.y, r, 0), 1, totals + i, 1);
      }
    }
    plane += count;
  }
}

// Combines pixels [0, count), `step` apart, into N vectors of channels, of which the last has
// `last` channels. Groups of 16 are combined on their own, so that long sums err little.
template <class T, int N, class S, class Op>
static inline void pool_take_pixels(Op op, typename Vec<T>::Reg* total, const S* at, Index step,
                                    Index count, int last) {
  using V = Vec<T>;
  const typename Op::Merge merged{};
  const auto load = [&](const S* p, int n) {
    return n < N - 1 ? Vec<S>::load(p + n * V::width) : Vec<S>::load_first(p + n * V::width, last);
  };
  for (Index done = 0; done < count; done += kPoolTapGroup) {
    typename V::Reg acc[N];
    for (int n = 0; n < N; ++n) acc[n] = op.first(load(at, n));
    const Index group = smaller(kPoolTapGroup, count - done);
    at += step;
    for (Index i = 1; i < group; ++i, at += step) {
      for (int n = 0; n < N; ++n) acc[n] = op.take(acc[n], load(at, n));
    }
    for (int n = 0; n < N; ++n) total[n] = merged.take(total[n], acc[n]);
  }
}

// One block of channels of one image whose channels lie side by side.
template <class T, int N, class S, class Op>
static void pool_global_block(const PoolProblem& p, Op op, const S* x, S* y, Index channels,
                              T divisor) {
  using V = Vec<T>;
  const typename Op::Merge merged{};
  const int last = static_cast<int>(channels - (N - 1) * V::width);
  Axes size = p.in, step = p.x.spatial;
  pool_join_axes(size, step);
  typename V::Reg total[N], line[N];
  for (int n = 0; n < N; ++n) total[n] = V::set(Op::Merge::neutral());
  for (Index d = 0; d < size[0]; ++d) {
    for (Index h = 0; h < size[1]; ++h) {
      const S* row = x + d * step[0] + h * step[1];
      for (Index w = 0; w < size[2]; w += kPoolTapGroup * kPoolTapGroup) {
        for (int n = 0; n < N; ++n) line[n] = V::set(Op::Merge::neutral());
        pool_take_pixels<T, N>(op, line, row + w * step[2], step[2],
                               smaller(kPoolTapGroup * kPoolTapGroup, size[2] - w), last);
        for (int n = 0; n < N; ++n) total[n] = merged.take(total[n], line[n]);
      }
    }
  }
  T values[N * V::width];
  for (int n = 0; n < N; ++n) V::store(values + n * V::width, total[n]);
  pool_finish(p, values, channels, divisor);
  scatter_strided(y, 1, values, channels);
}

// As pool_global where channels lie side by side: tasks are blocks of one to four vectors of
// channels, which accumulate in registers while the pixels pass.
template <class T, class S, class Op>
static void pool_global_pixels(const PoolJob& job, const PoolLayout& l, Op op, Index begin,
                               Index end) {
  const PoolProblem& p = *job.problem;
  const T divisor = pool_global_divisor<T>(p);
  for (Index task = begin; task < end; ++task) {
    const Index batch = task / l.channel_blocks, c = task % l.channel_blocks * l.channel_block;
    const Index channels = smaller(l.channel_block, p.channels - c);
    const S* x = static_cast<const S*>(job.x) + batch * p.x.batch + c;
    S* y = static_cast<S*>(job.y) + batch * p.y.batch + c;
    switch (ceil_div(channels, Vec<T>::width)) {
      case 1:
        pool_global_block<T, 1>(p, op, x, y, channels, divisor);
        break;
      case 2:
        pool_global_block<T, 2>(p, op, x, y, channels, divisor);
        break;
      case 3:
        pool_global_block<T, 3>(p, op, x, y, channels, divisor);
        break;
      default:
        pool_global_block<T, 4>(p, op, x, y, channels, divisor);
    }
  }
}
