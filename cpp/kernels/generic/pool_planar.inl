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

// Combines rows of one plane into dst[0, count), column 0 of `plane` first.
template <class T, class Op>
static inline void pool_combine_rows(const PoolProblem& p, Op op, const PoolTaps& deep,
                                     const PoolTaps& high, const T* plane, T* dst, T* gathered,
                                     Index count) {
  const Index row_step = high.step * p.x.spatial[1];
  const T* row = plane + deep.first * p.x.spatial[0] + high.first * p.x.spatial[1];
  if (p.x.spatial[2] == 1 && count <= Vec<T>::width && deep.count == 1 &&
      high.count <= kPoolTapGroup && high.count > 0) {
    pool_combine_tail(op, false, dst, row, static_cast<int>(count), high.count, row_step);
    return;
  }
  if (deep.count == 0 || high.count == 0) pool_fill(dst, count, Op::Merge::neutral());
  for (Index d = 0; d < deep.count; ++d, row += deep.step * p.x.spatial[0]) {
    if (p.x.spatial[2] == 1) {
      pool_combine<T, Op, 1>(op, d > 0, dst, row, count, high.count, row_step);
      continue;
    }
    for (Index h = 0; h < high.count; ++h) {
      copy_strided(gathered, row + h * row_step, p.x.spatial[2], count);
      pool_combine<T, Op, 1>(op, d + h > 0, dst, gathered, count, 1, 0);
    }
  }
}

// One block of one pooling, as the planar kernel sees it while it works on it.
template <class T>
struct PoolBlock {
  T *buffer, *result, *spare;  // l.buffer elements each
  Index rows, out_first, out_count;
  Index start;  // input column of buffer column 0
};

// Reduces the windows of the combined rows; returns where the values of row 0 are, and their pitch.
template <class T, class Merge>
static T* pool_along_rows(const PoolLayout& l, const PoolAxis& wide, Merge merge,
                          const PoolBlock<T>& block, Index* pitch) {
  const Index positions = block.rows * l.pitch;
  if (wide.even && !l.windows) {
    pool_slide(merge, block.result, block.buffer, positions, wide.kernel, wide.dilation,
               wide.stride);
    *pitch = l.pitch / wide.stride;
    return block.result;
  }
  *pitch = l.block_out;
  T* values = block.result;
  if (!l.windows) {  // every position, then those where a window starts
    copy_strided(block.spare, block.buffer, 1, positions);
    pool_slide(merge, block.result, block.spare, positions, wide.kernel, 1, 1);
    values = block.spare;
  }
  for (Index o = 0; o < block.out_count; ++o) {
    const Index from = wide.start(block.out_first + o) - block.start;
    const Index length = wide.even ? wide.kernel : pool_taps(wide, block.out_first + o).count;
    for (Index i = 0; i < block.rows; ++i) {
      const T* row = block.buffer + i * l.pitch + from;
      T& value = values[i * l.block_out + o];
      if (l.windows) {
        value = pool_reduce_run(merge, row, length);
        continue;
      }
      value = block.result[i * l.pitch + from];
      if (length > wide.kernel) value = merge.take1(value, row[wide.kernel]);
    }
  }
  return values;
}

// Divides or takes the root where the operation asks for it, and stores the rows of a block.
template <class T>
static void pool_store_rows(const PoolProblem& p, PoolDivisors<T>& divisors,
                            const PoolBlock<T>& block, PoolRow r, T* values, Index pitch, T* y) {
  const Index count = block.out_count, step = p.y.spatial[2];
  bool divides = p.kind == PoolKind::average || p.kind == PoolKind::lp;
  if (divides && divisors.constant()) {
    pool_finish(p, values, block.rows * pitch - (pitch - count), divisors.value());
    divides = false;
  }
  if (divides) divisors.set_block(block.out_first, count);
  for (Index i = 0; i < block.rows;) {
    const Index run = smaller(block.rows - i, p.out[1] - r.height);
    T* to = y + pool_offset(p.y, r, block.out_first);
    for (Index h = r.height; h < r.height + run; ++h, ++i, values += pitch) {
      T* row = to + (h - r.height) * p.y.spatial[1];
      if (divides) {
        divisors.set_row(r.depth, h);
        if (p.kind == PoolKind::average) {
          divisors.divide(values, values);
        } else {
          for (Index o = 0; o < count; ++o) pool_finish(p, values + o, 1, divisors.at(o));
        }
      }
      if (step == 1) {
        copy_strided(row, values, 1, count);
      } else {
        for (Index o = 0; o < count; ++o) row[o * step] = values[o];
      }
    }
    r.skip(p, run);
  }
}

template <class T, class Op>
static void pool_planes(const PoolJob& job, const PoolLayout& l, Op op, Index begin, Index end,
                        std::byte* scratch) {
  using Merge = typename Op::Merge;
  const PoolProblem& p = *job.problem;
  const T* x = static_cast<const T*>(job.x);
  T* y = static_cast<T*>(job.y);
  PoolBlock<T> block{};
  block.buffer = reinterpret_cast<T*>(scratch);
  block.result = block.buffer + l.buffer;
  block.spare = block.result + l.buffer;
  PoolDivisors<T> divisors(p, block.spare + l.buffer, l.divisor_elements(Vec<T>::width));
  const PoolAxis axes[kAxes] = {pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)};
  const PoolAxis& wide = axes[2];
  const bool spoiled = wide.even && !l.windows && pool_slide_spoils(wide.kernel, wide.stride);
  Index filled = -1;

  for (Index task = begin; task < end; ++task) {
    const Index first_row = task / l.width_blocks * l.rows;
    block.out_first = task % l.width_blocks * l.block_out;
    block.out_count = smaller(l.block_out, p.out[2] - block.out_first);
    block.rows = smaller(l.rows, l.row_count - first_row);
    block.start = wide.start(block.out_first);
    // [lo, hi) of a buffered row lies inside the input; the rest stays neutral from task to task.
    const Index lo = larger(0, -block.start);
    const Index hi = larger(lo, smaller(l.pitch, wide.in - block.start));
    if (spoiled || filled != block.out_first) {
      pool_fill(block.buffer, l.buffer, Merge::neutral());
      filled = block.out_first;
    }

    PoolRow r = PoolRow::at(p, first_row);
    for (Index i = 0; i < block.rows;) {
      const Index run = smaller(block.rows - i, p.out[1] - r.height);
      const PoolTaps deep = pool_taps(axes[0], r.depth);
      const T* plane =
          x + r.batch * p.x.batch + r.channel * p.x.channel + (block.start + lo) * p.x.spatial[2];
      for (Index h = r.height; h < r.height + run; ++h, ++i) {
        pool_combine_rows(p, op, deep, pool_taps(axes[1], h), plane,
                          block.buffer + i * l.pitch + lo, block.spare, hi - lo);
      }
      r.skip(p, run);
    }

    Index pitch = 0;
    T* values = pool_along_rows(l, wide, Merge{}, block, &pitch);
    pool_store_rows(p, divisors, block, PoolRow::at(p, first_row), values, pitch, y);
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
