// Pooling of planes, for any strides in memory; NCHW is the case that it is made for.
//
// Loop order: tasks; output rows of a task, each combining its input rows into one row of a buffer
// (pool_reduce.inl), with the operation's neutral element where the padding is; one slide along all
// those rows together (pool_slide.inl); the store (pool_finish.inl). Buffer and result are 16 KiB
// each and stay in the first-level cache; the input is read from memory once, because the rows that
// neighbouring outputs share are still in the cache.
// A window of KxK costs 2K vector operations per vector of outputs instead of K*K scalar loads, and
// nothing tests for the padding. Rows of several planes share a task, so small planes fill vectors
// in the slide; combining rows shorter than a vector wastes the rest of it. Loses where rows are
// not contiguous: they are gathered element by element first.
#pragma once

#include "pool_arg.inl"
#include "pool_finish.inl"
#include "pool_global.inl"
#include "pool_ops.inl"
#include "pool_reduce.inl"
#include "pool_rows.inl"
#include "pool_slide.inl"

// Combines the input rows of output row `r` into dst: pixels [first, first+count) of the input row.
template <class T, class Op>
static void pool_combine_rows(const PoolProblem& p, const PoolAxis* axes, Op op, const PoolRow& r,
                              const T* x, T* dst, T* gathered, Index first, Index count) {
  const PoolTaps deep = pool_taps(axes[0], r.depth), high = pool_taps(axes[1], r.height);
  if (deep.count == 0 || high.count == 0) {
    pool_fill(dst, count, Op::Merge::neutral());
    return;
  }
  const Index step = p.x.spatial[2];
  const T* plane = x + r.batch * p.x.batch + r.channel * p.x.channel + first * step;
  for (Index d = 0; d < deep.count; ++d) {
    const T* row =
        plane + (deep.first + d * deep.step) * p.x.spatial[0] + high.first * p.x.spatial[1];
    const Index row_step = high.step * p.x.spatial[1];
    if (step == 1) {
      pool_combine<T, Op, 1>(op, d > 0, dst, row, count, high.count, row_step);
      continue;
    }
    for (Index h = 0; h < high.count; ++h, row += row_step) {
      copy_strided(gathered, row, step, count);
      pool_combine<T, Op, 1>(op, d + h > 0, dst, gathered, count, 1, 0);
    }
  }
}

template <class T, class Op>
static void pool_planes(const PoolJob& job, const PoolLayout& l, Op op, Index begin, Index end,
                        std::byte* scratch) {
  using V = Vec<T>;
  using Merge = typename Op::Merge;
  const PoolProblem& p = *job.problem;
  const T* x = static_cast<const T*>(job.x);
  T* y = static_cast<T*>(job.y);
  T* buffer = reinterpret_cast<T*>(scratch);
  T* result = buffer + l.buffer;
  T* gathered = result + l.buffer;
  PoolDivisors<T> divisors(p, gathered + l.buffer, l.divisor_elements(V::width));
  const PoolAxis axes[kAxes] = {pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)};
  const PoolAxis& wide = axes[2];
  const Index result_pitch = l.windows ? l.block_out : l.pitch / wide.stride;
  pool_fill(buffer, l.buffer, Merge::neutral());

  for (Index task = begin; task < end; ++task) {
    const Index row = task / l.width_blocks * l.rows;
    const Index out_first = task % l.width_blocks * l.block_out;
    const Index out_count = smaller(l.block_out, p.out[2] - out_first);
    const Index rows = smaller(l.rows, l.row_count - row);
    // Pixel 0 of the buffered row is pixel `start` of the input row; [lo, hi) of it lies inside.
    const Index start = wide.start(out_first);
    const Index lo = larger(0, -start);
    const Index hi = larger(lo, smaller(l.pitch, wide.in - start));

    PoolRow r = PoolRow::at(p, row);
    for (Index i = 0; i < rows; ++i, r.next(p)) {
      T* at = buffer + i * l.pitch;
      pool_fill(at, lo, Merge::neutral());
      pool_combine_rows(p, axes, op, r, x, at + lo, gathered, start + lo, hi - lo);
      pool_fill(at + hi, l.pitch - hi, Merge::neutral());
    }

    if (l.windows) {
      for (Index i = 0; i < rows; ++i) {
        for (Index o = 0; o < out_count; ++o) {
          const Index from = wide.start(out_first + o) - start;
          const Index length = wide.even ? wide.kernel : pool_taps(wide, out_first + o).count;
          result[i * result_pitch + o] =
              pool_reduce_run(Merge{}, buffer + i * l.pitch + from, length);
        }
      }
    } else {
      pool_slide(Merge{}, result, buffer, rows * l.pitch, wide.kernel, wide.dilation, wide.stride);
    }

    const bool divides = p.kind == PoolKind::average || p.kind == PoolKind::lp;
    if (divides) divisors.set_block(out_first, out_count);
    r = PoolRow::at(p, row);
    for (Index i = 0; i < rows; ++i, r.next(p)) {
      if (divides) divisors.set_row(r.depth, r.height);
      T* values = result + i * result_pitch;
      T* to = y + pool_offset(p.y, r, out_first);
      if (p.y.spatial[2] == 1) {
        pool_finish_row(p, divisors, to, values, out_count);
        continue;
      }
      pool_finish_row(p, divisors, values, values, out_count);
      for (Index o = 0; o < out_count; ++o) to[o * p.y.spatial[2]] = values[o];
    }
  }
}

template <class T, class Op>
static void pool_planar_with(const PoolJob& job, Op op, Index begin, Index end,
                             std::byte* scratch) {
  const PoolLayout l = pool_layout(*job.problem, Vec<T>::width, false);
  if constexpr (!__is_same(Op, PoolPowerSum<T>)) {
    if (l.form == PoolForm::global) {
      pool_global<T>(job, l, op, begin, end);
      return;
    }
  }
  pool_planes<T>(job, l, op, begin, end, scratch);
}

template <class T>
static void pool_planar(const void* context, Index begin, Index end, std::byte* scratch) {
  const PoolJob& job = *static_cast<const PoolJob*>(context);
  if (job.problem->with_indices) {
    pool_arg<T>(job, false, begin, end, scratch);
    return;
  }
  pool_with_op<T>(*job.problem,
                  [&](auto op) { pool_planar_with<T>(job, op, begin, end, scratch); });
}
