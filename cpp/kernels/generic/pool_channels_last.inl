// Pooling of pixels whose channels lie side by side (NHWC in memory), in and out.
//
// Loop order: tasks (an output row, a block of it, a block of at most 128 channels); the input rows
// of the window combined into one row of [pixel][channel] (pool_columns.inl); neighbouring pixels
// combined, finished and stored (pool_slide.inl). The buffer of 8192 elements stays in the
// first-level cache. Where one block holds all channels and pixels are dense, a row is one long run
// and even 3 channels fill vectors. A KxK window costs 2K vector operations per vector of outputs
// where one that visits each tap costs K*K. Loses with few channels and a stride above 1, where
// vectors are mostly empty while sliding.
#pragma once

#include "pool_arg.inl"
#include "pool_columns.inl"
#include "pool_finish.inl"
#include "pool_global.inl"
#include "pool_ops.inl"
#include "pool_rows.inl"
#include "pool_slide.inl"

// One block of one output row, as the channels-last kernel sees it while it works on it.
template <class T>
struct PixelBlock {
  const PoolProblem& p;
  const PoolLayout& l;
  PoolAxis deep, high, wide;
  T *buffer, *result;
  PoolRow row;  // its channel is the first of the block
  Index channels, out_first, out_count;
  Index start;  // input pixel of buffer pixel 0
};

// Combines the input rows of one output row into the buffer; pixels outside the input are neutral.
template <class T, class S, class Op>
static void pool_combine_pixels(Op op, const PixelBlock<T>& b, const S* x) {
  using Merge = typename Op::Merge;
  const PoolProblem& p = b.p;
  const Index channels = b.channels, pixel = p.x.spatial[2];
  const Index lo = larger(0, -b.start);
  const Index hi = larger(lo, smaller(b.l.pitch, b.wide.in - b.start));
  const PoolTaps deep = pool_taps(b.deep, b.row.depth), high = pool_taps(b.high, b.row.height);
  pool_fill(b.buffer, lo * channels, Merge::neutral());
  const S* from = x + b.row.batch * p.x.batch + b.row.channel + deep.first * p.x.spatial[0] +
                  high.first * p.x.spatial[1] + (b.start + lo) * pixel;
  PoolColumns<S> c{from,       pixel,
                   deep.count, deep.step * p.x.spatial[0],
                   high.count, high.step * p.x.spatial[1],
                   channels};
  Index rows = hi - lo;  // every pixel is one, unless they adjoin
  if (pixel == channels) {
    c.length = rows * channels;
    rows = 1;
  }
  pool_columns<T, S>(op, b.buffer + lo * channels, channels, c, rows);
  pool_fill(b.buffer + hi * channels, (b.l.pitch - hi) * channels, Merge::neutral());
}

// Combines neighbouring pixels of which windows differ in length: pixel by pixel, to the result.
template <class T, class Merge>
static void pool_uneven_pixels(Merge merge, const PixelBlock<T>& b) {
  for (Index o = 0; o < b.out_count; ++o) {
    const PoolTaps taps = pool_taps(b.wide, b.out_first + o);
    T* to = b.result + o * b.channels;
    if (taps.count == 0) {
      pool_fill(to, b.channels, Merge::neutral());
      continue;
    }
    pool_combine<T, T>(merge, false, to, b.buffer + (taps.first - b.start) * b.channels, b.channels,
                       taps.count, taps.step * b.channels);
  }
}

// Stores the outputs of a strip whose rows are pixels.
template <class T, class S, class Merge>
static void pool_store_pixels(Merge merge, const PixelBlock<T>& b, PoolDivisors<T>& divisors,
                              PoolStrip<S, T> strip) {
  const PoolProblem& p = b.p;
  const Index channels = b.channels;
  const bool divides = p.kind == PoolKind::average || p.kind == PoolKind::lp;
  const bool each = divides && !divisors.constant();
  if (each) {
    divisors.set_block(b.out_first, b.out_count);
    divisors.set_row(b.row.depth, b.row.height);
  } else if (strip.to_pitch == channels && strip.from_pitch == channels) {
    strip.count = strip.rows * channels;
    strip.rows = 1;
  }
  if (p.kind == PoolKind::lp && !pool_is_plain_norm(p, divisors)) {
    T* norms = b.result + b.l.buffer;
    PoolStrip<T, T> row{norms,      channels,    strip.from, strip.from_pitch,
                        strip.rows, strip.count, strip.taps, strip.tap_step};
    pool_slide<T>(merge, PoolKeep<T>{}, row, 1);
    for (Index o = 0; o < strip.rows; ++o) {
      pool_finish(p, norms + o * strip.count, strip.count, divisors.at(o));
      scatter_strided(strip.to + o * strip.to_pitch, 1, norms + o * strip.count, strip.count);
    }
    return;
  }
  if constexpr (Merge::kPlainSum) {
    if (p.kind == PoolKind::lp) {
      if (p.norm == 1.0) return pool_slide<T>(merge, PoolKeep<T>{}, strip, 1);
      return pool_slide<T>(merge, PoolRoot<T>{}, strip, 1);
    }
    if (!each) {
      pool_slide<T>(merge, PoolDivide<T>::by(divisors.value()), strip, 1);
      return;
    }
    const Index pixels = strip.rows;
    strip.rows = 1;
    for (Index o = 0; o < pixels; ++o) {
      pool_slide<T>(merge, divisors.finish_all(o), strip, 1);
      strip.to += strip.to_pitch;
      strip.from += strip.from_pitch;
    }
  } else {
    pool_slide<T>(merge, PoolKeep<T>{}, strip, 1);
  }
}

// Combines neighbouring pixels of the buffer, finishes and stores.
//
// Long kernels slide along the row as one run of elements (pool_double). So does a stride above 1
// where a pixel fills only a part of a vector: every position, of which one in `stride` is kept.
template <class T, class S, class Merge>
static void pool_along_pixels(Merge merge, const PixelBlock<T>& b, PoolDivisors<T>& divisors,
                              S* y) {
  const PoolAxis& wide = b.wide;
  const Index channels = b.channels, step = wide.dilation * channels;
  PoolStrip<S, T> strip{y + pool_offset(b.p.y, b.row, b.out_first),
                        b.p.y.spatial[2],
                        b.result,
                        channels,
                        b.out_count,
                        channels,
                        1,
                        0};
  const Index positions = (b.out_count - 1) * wide.stride + 1;
  if (!wide.even()) {
    pool_uneven_pixels(merge, b);
  } else if (wide.kernel >= kPoolDirectTaps && wide.kernel >= 2 * wide.stride) {
    pool_double(merge, b.result, b.buffer, positions * channels, wide.kernel, step);
    strip.from_pitch = wide.stride * channels;
  } else if (wide.stride > 1 && wide.stride * b.l.channel_block <= 2 * Vec<T>::width) {
    const PoolStrip<T, T> run{b.result, 0, b.buffer, 0, 1, positions * channels, wide.kernel, step};
    pool_slide<T>(merge, PoolKeep<T>{}, run, 1);
    for (Index o = 1; o < b.out_count; ++o) {
      const T* from = b.result + o * wide.stride * channels;
      for (Index c = 0; c < channels; ++c) b.result[o * channels + c] = from[c];
    }
  } else {
    strip.from = b.buffer;
    strip.from_pitch = wide.stride * channels;
    strip.taps = wide.kernel;
    strip.tap_step = step;
  }
  pool_store_pixels(merge, b, divisors, strip);
}

template <class T, class S, class Op>
static void pool_pixels(const PoolJob& job, const PoolLayout& l, Op op, Index begin, Index end,
                        std::byte* scratch) {
  using Merge = typename Op::Merge;
  const PoolProblem& p = *job.problem;
  const S* x = static_cast<const S*>(job.x);
  S* y = static_cast<S*>(job.y);
  T* memory = reinterpret_cast<T*>(scratch);
  PixelBlock<T> b{
      p, l, pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2), memory, memory + l.buffer, {}, 0, 0,
      0, 0};
  PoolDivisors<T> divisors(p, memory + 4 * l.buffer, l.divisor_elements(Vec<T>::width));
  pool_fill(b.buffer, l.buffer, Merge::neutral());

  for (Index task = begin; task < end; ++task) {
    const Index c0 = task % l.channel_blocks * l.channel_block;
    const Index block = task / l.channel_blocks;
    b.channels = smaller(l.channel_block, p.channels - c0);
    b.out_first = block % l.width_blocks * l.block_out;
    b.out_count = smaller(l.block_out, p.out[2] - b.out_first);
    b.row = PoolRow::pixel_row(p, block / l.width_blocks);
    b.row.channel = c0;
    b.start = b.wide.uneven || b.wide.even() ? b.wide.start(b.out_first) : 0;
    pool_combine_pixels<T, S>(op, b, x);
    pool_along_pixels<T, S>(Merge{}, b, divisors, y);
  }
}

template <class S, class T = S>
static void pool_channels_last(const void* context, Index begin, Index end, std::byte* scratch) {
  const PoolJob& job = *static_cast<const PoolJob*>(context);
  const PoolLayout l = pool_layout(*job.problem, Vec<T>::width, true);
  if (job.problem->with_indices) {
    pool_arg<T, S>(job, l, true, begin, end, scratch);
    return;
  }
  pool_with_op<T>(*job.problem, [&](auto op) {
    if constexpr (!__is_same(decltype(op), PoolPowerSum<T>)) {
      if (l.form == PoolForm::global) return pool_global_pixels<T, S>(job, l, op, begin, end);
    }
    pool_pixels<T, S>(job, l, op, begin, end, scratch);
  });
}
