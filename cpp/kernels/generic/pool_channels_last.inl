// Pooling of pixels whose channels lie side by side (NHWC in memory), in and out.
//
// Loop order: tasks (an output row, a block of it, a block of at most 128 channels); the input rows
// of the window combined into one row of [pixel][channel] (pool_reduce.inl); neighbouring pixels
// combined (pool_slide.inl); the store. The buffer of 8192 elements stays in the first-level cache.
// Where one block holds all channels and pixels are dense, a row is one long run and even 3
// channels fill vectors. A KxK window costs 2K vector operations per vector of outputs where one
// that visits each tap costs K*K. Loses with few channels and a stride above 1, where vectors are
// mostly empty while sliding.
#pragma once

#include "pool_arg.inl"
#include "pool_finish.inl"
#include "pool_ops.inl"
#include "pool_reduce.inl"
#include "pool_rows.inl"
#include "pool_slide.inl"

// Combines the input rows of one output row: pixels [first, first+count), channels side by side.
template <class T, class Op>
static void pool_combine_pixels(const PoolProblem& p, const PoolAxis* axes, Op op, const PoolRow& r,
                                const T* x, T* dst, Index first, Index count, Index channels) {
  const PoolTaps deep = pool_taps(axes[0], r.depth), high = pool_taps(axes[1], r.height);
  if (deep.count == 0 || high.count == 0) {
    pool_fill(dst, count * channels, Op::Merge::neutral());
    return;
  }
  const Index pixel = p.x.spatial[2], row_step = high.step * p.x.spatial[1];
  const bool dense = pixel == channels;
  const Index runs = dense ? 1 : count, length = dense ? count * channels : channels;
  for (Index d = 0; d < deep.count; ++d) {
    const T* row = x + r.batch * p.x.batch + r.channel +
                   (deep.first + d * deep.step) * p.x.spatial[0] + high.first * p.x.spatial[1] +
                   first * pixel;
    for (Index i = 0; i < runs; ++i) {
      pool_combine<T, Op, 1>(op, d > 0, dst + i * channels, row + i * pixel, length, high.count,
                             row_step);
    }
  }
}

// Combines neighbouring pixels of the combined rows into outputs, channels side by side.
//
// Stride 1 slides along the row as one run of elements. So does a larger stride where a pixel fills
// only a part of a vector: every position, of which one in `stride` is kept.
template <class T, class Merge>
static void pool_along_pixels(const PoolLayout& l, const PoolAxis& wide, Merge merge, T* result,
                              T* buffer, Index out_first, Index out_count, Index channels) {
  const Index step = wide.dilation * channels;
  const bool run = wide.stride == 1 || wide.stride * l.channel_block <= 2 * Vec<T>::width;
  if (!wide.even || !run) {
    for (Index o = 0; o < out_count; ++o) {
      const Index from = wide.start(out_first + o) - wide.start(out_first);
      const Index taps = wide.even ? wide.kernel : pool_taps(wide, out_first + o).count;
      pool_combine<T, Merge, 1>(merge, false, result + o * channels, buffer + from * channels,
                                channels, taps, step);
    }
    return;
  }
  const Index positions = (out_count - 1) * wide.stride + 1;
  pool_slide(merge, result, buffer, positions * channels, wide.kernel, step, 1);
  if (wide.stride == 1) return;
  for (Index o = 1; o < out_count; ++o) {
    const T* from = result + o * wide.stride * channels;
    for (Index c = 0; c < channels; ++c) result[o * channels + c] = from[c];
  }
}

template <class T, class Op>
static void pool_pixels(const PoolJob& job, Op op, Index begin, Index end, std::byte* scratch) {
  using V = Vec<T>;
  using Merge = typename Op::Merge;
  const PoolProblem& p = *job.problem;
  const PoolLayout l = pool_layout(p, V::width, true);
  const T* x = static_cast<const T*>(job.x);
  T* y = static_cast<T*>(job.y);
  T* buffer = reinterpret_cast<T*>(scratch);
  T* result = buffer + l.buffer;
  PoolDivisors<T> divisors(p, buffer + 3 * l.buffer, l.divisor_elements(V::width));
  const PoolAxis axes[kAxes] = {pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)};
  const PoolAxis& wide = axes[2];
  const bool divides = p.kind == PoolKind::average || p.kind == PoolKind::lp;
  pool_fill(buffer, l.buffer, Merge::neutral());

  for (Index task = begin; task < end; ++task) {
    const Index c0 = task % l.channel_blocks * l.channel_block;
    const Index channels = smaller(l.channel_block, p.channels - c0);
    const Index block = task / l.channel_blocks;
    const Index out_first = block % l.width_blocks * l.block_out;
    const Index out_count = smaller(l.block_out, p.out[2] - out_first);
    PoolRow r = PoolRow::pixel_row(p, block / l.width_blocks);
    r.channel = c0;
    const Index start = wide.start(out_first);
    const Index lo = larger(0, -start);
    const Index hi = larger(lo, smaller(l.pitch, wide.in - start));

    pool_fill(buffer, lo * channels, Merge::neutral());
    pool_combine_pixels(p, axes, op, r, x, buffer + lo * channels, start + lo, hi - lo, channels);
    pool_fill(buffer + hi * channels, (l.pitch - hi) * channels, Merge::neutral());

    pool_along_pixels(l, wide, Merge{}, result, buffer, out_first, out_count, channels);
    if (divides && divisors.constant()) {
      pool_finish(p, result, out_count * channels, divisors.value());
    } else if (divides) {
      divisors.set_block(out_first, out_count);
      divisors.set_row(r.depth, r.height);
      for (Index o = 0; o < out_count; ++o) {
        pool_finish(p, result + o * channels, channels, divisors.at(o));
      }
    }
    T* to = y + pool_offset(p.y, r, out_first);
    const bool dense = p.y.spatial[2] == channels;
    const Index runs = dense ? 1 : out_count, length = dense ? out_count * channels : channels;
    for (Index o = 0; o < runs; ++o) {
      copy_strided(to + o * p.y.spatial[2], result + o * channels, 1, length);
    }
  }
}

template <class T>
static void pool_channels_last(const void* context, Index begin, Index end, std::byte* scratch) {
  const PoolJob& job = *static_cast<const PoolJob*>(context);
  if (job.problem->with_indices) {
    pool_arg<T>(job, true, begin, end, scratch);
    return;
  }
  pool_with_op<T>(*job.problem, [&](auto op) { pool_pixels<T>(job, op, begin, end, scratch); });
}
