// Pooling of planes, for any strides in memory; NCHW is the case that it is made for.
//
// Loop order: tasks; output rows of a task, each combining its input rows into one row of a buffer
// (pool_columns.inl), with the operation's neutral element where the padding is; a pass along those
// rows that finishes and stores (pool_slide.inl). The buffer of 8 KiB stays in the first-level
// cache; the input is read from memory once, because the rows that neighbouring outputs share are
// still in the cache. Where a window is a single row, inner outputs read the input.
// A window of KxK costs 2K vector operations per vector of outputs instead of K*K scalar loads
// (three and 2*log2(K) for tall and wide ones), and nothing tests for the padding. Rows shorter
// than a vector waste the rest of it. Loses where rows are not contiguous: they are gathered first.
#pragma once

#include "pool_arg.inl"
#include "pool_columns.inl"
#include "pool_finish.inl"
#include "pool_global.inl"
#include "pool_ops.inl"
#include "pool_reduce.inl"
#include "pool_rows.inl"
#include "pool_short_rows.inl"
#include "pool_slide.inl"

// Vectors of inner outputs that repay a pass of their own.
constexpr Index kPoolInPlaceVectors = 16;

// One block of one pooling, as the planar kernel sees it while it works on it.
template <class T>
struct PoolBlock {
  const PoolProblem& p;
  const PoolLayout& l;
  PoolAxis deep, high, wide;
  T *buffer, *result, *spare, *line;  // l.buffer elements each
  T* tail;
  Index first_row, rows, out_first, out_count;
  Index start;  // input column of buffer column 0

  void at(Index row, Index row_count, Index first, Index count) {
    first_row = row;
    rows = row_count;
    out_first = first;
    out_count = count;
    start = wide.uneven || wide.even() ? wide.start(first) : 0;
  }
};

// Combines rows of one plane that do not lie side by side in memory, gathering each.
template <class T, class S, class Op>
static void pool_gathered_columns(Op op, const PoolBlock<T>& b, T* dst, const PoolColumns<S>& c) {
  if (c.depths == 0 || c.heights == 0) pool_fill(dst, c.length, Op::Merge::neutral());
  for (Index d = 0; d < c.depths; ++d) {
    for (Index h = 0; h < c.heights; ++h) {
      S* gathered = reinterpret_cast<S*>(b.line);
      copy_strided(gathered, c.at + d * c.depth_step + h * c.height_step, b.p.x.spatial[2],
                   c.length);
      pool_combine<T, S>(op, d + h > 0, dst, gathered, c.length, 1, 0);
    }
  }
}

// Fills the buffer with the combined rows of a block; columns outside the input stay as they are.
template <class T, class S, class Op>
static void pool_combine_rows(Op op, const PoolBlock<T>& b, const S* x) {
  const PoolProblem& p = b.p;
  // [lo, hi) of a buffered row lies inside the input.
  const Index lo = larger(0, -b.start);
  const Index hi = larger(lo, smaller(b.l.pitch, b.wide.in - b.start));
  // The last output row whose window does not reach beyond the plane.
  const Index last_whole =
      b.high.uneven ? -1 : floor_div(b.high.in - b.high.extent() + b.high.pad_lo, b.high.stride);
  PoolRow r = PoolRow::at(p, b.first_row);
  T* dst = b.buffer + lo;
  for (Index i = 0; i < b.rows;) {
    const Index end = r.height + smaller(b.rows - i, p.out[1] - r.height);
    const PoolTaps deep = pool_taps(b.deep, r.depth);
    const S* plane = x + r.batch * p.x.batch + r.channel * p.x.channel +
                     deep.first * p.x.spatial[0] + (b.start + lo) * p.x.spatial[2];
    PoolColumns<S> c{plane, 0, deep.count, deep.step * p.x.spatial[0], 0, 0, hi - lo};
    const bool dense = p.x.spatial[2] == 1;
    for (Index h = r.height, run; h < end; h += run, i += run, dst += run * b.l.pitch) {
      run = 1;
      if (dense && b.l.tall && deep.count == 1 && pool_is_tall(b.high, end - h)) {
        run = end - h;
        pool_columns_tall<T, S>(op, dst, b.l.pitch, plane, p.x.spatial[1], b.high, h, run, hi - lo,
                                b.tail, b.l.pitch);
        continue;
      }
      const PoolTaps high = pool_taps(b.high, h);
      c.at = plane + high.first * p.x.spatial[1];
      c.step = b.high.stride * p.x.spatial[1];
      c.heights = high.count;
      c.height_step = high.step * p.x.spatial[1];
      if (!dense) {
        pool_gathered_columns<T, S>(op, b, dst, c);
        continue;
      }
      if (high.count == b.high.kernel) run = larger(1, smaller(end, last_whole + 1) - h);
      pool_columns<T, S>(op, dst, b.l.pitch, c, run);
    }
    r.skip(p, end - r.height);
  }
}

// Windows that are reduced one by one, to rows of `pitch` values: each to a vector, and the lanes
// of a batch of them together.
template <class T, class Merge>
static void pool_reduce_windows(Merge merge, const PoolBlock<T>& b, T* values, Index pitch) {
  using V = Vec<T>;
  alignas(64) T lanes[kPoolFoldRoom<T>];
  pool_fill(lanes, kPoolFoldRoom<T>, Merge::neutral());
  Index held = 0, row = 0, column = 0;  // of the batch's first window
  const auto flush = [&] {
    pool_fold_lanes(merge, lanes, held);
    for (Index i = 0; i < held; ++i) {
      values[row * pitch + column] = lanes[i];
      if (++row < b.rows) continue;
      row = 0;
      ++column;
    }
    held = 0;
  };
  PoolTaps last{0, -1, 1};
  for (Index o = 0; o < b.out_count; ++o) {
    const PoolTaps taps = pool_taps(b.wide, b.out_first + o);
    const bool same = taps.first == last.first && taps.count == last.count;
    last = taps;
    if (same) {  // windows that cover the whole row
      flush();
      for (Index i = 0; i < b.rows; ++i) values[i * pitch + o] = values[i * pitch + o - 1];
      ++column;
      continue;
    }
    const T* from = b.buffer + (taps.first - b.start);
    for (Index i = 0; i < b.rows; ++i, from += b.l.pitch) {
      const T* run = from;
      if (taps.step != 1) {
        copy_strided(b.line, from, taps.step, taps.count);
        run = b.line;
      }
      V::store(lanes + held * V::width, pool_reduce_lanes<T>(merge, run, taps.count));
      if (++held == kPoolFoldBatch) flush();
    }
  }
  flush();
}

// Windows of which some have one element more than others, to rows of `pitch` values: both lengths
// are computed at every position, then each window picks its own.
template <class T, class Merge>
static void pool_reduce_uneven(Merge merge, const PoolBlock<T>& b, T* values, Index pitch) {
  const Index positions = b.rows * b.l.pitch, shorter = b.wide.kernel;
  PoolStrip<T, T> strip{b.result, 0, b.buffer, 0, 1, positions, shorter, 1};
  pool_slide<T>(merge, PoolKeep<T>{}, strip, 1);
  strip.to = b.line;
  strip.taps = shorter + 1;
  pool_slide<T>(merge, PoolKeep<T>{}, strip, 1);
  for (Index o = 0; o < b.out_count; ++o) {
    const PoolTaps taps = pool_taps(b.wide, b.out_first + o);
    const T* from = (taps.count > shorter ? b.line : b.result) + (taps.first - b.start);
    for (Index i = 0; i < b.rows; ++i) values[i * pitch + o] = from[i * b.l.pitch];
  }
}

// Brings combined rows into a form that pool_slide can follow, for strides and windows that it
// cannot; `step` becomes the stride that is left.
template <class T, class Merge>
static PoolStrip<T, T> pool_prepare_rows(Merge merge, const PoolBlock<T>& b, Index* step) {
  const Index pitch = b.l.pitch, positions = b.rows * pitch;
  PoolStrip<T, T> strip{nullptr, 0, b.buffer, pitch, b.rows, b.out_count, 1, 1};
  *step = 1;
  if (b.l.windows || !b.wide.even()) {
    strip.from_pitch = ceil_div(b.out_count, kPoolLine) * kPoolLine;
    strip.from = b.spare;
    if (b.l.windows) {
      pool_reduce_windows(merge, b, b.spare, strip.from_pitch);
    } else {
      pool_reduce_uneven(merge, b, b.spare, strip.from_pitch);
    }
    return strip;
  }
  strip.taps = b.wide.kernel;
  strip.tap_step = b.wide.dilation;
  *step = b.wide.stride;
  T* values = b.buffer;
  T* free = b.result;
  Index valid = (b.out_count - 1) * *step + b.wide.extent();
  while (pool_halves(strip.taps, strip.tap_step, *step)) {
    valid /= 2;
    pool_halve(merge, free, pitch, values, pitch, b.rows, valid);
    values = free;
    free = values == b.result ? b.spare : b.result;
    strip.taps /= 2;
    *step /= 2;
  }
  strip.from = values;
  if (strip.taps >= kPoolDirectTaps) {
    pool_double(merge, free, values, positions, strip.taps, strip.tap_step);
    strip.from = free;
    strip.taps = 1;
  }
  if (*step <= kPoolLoadStep<T> || pool_thins<T>(*step)) return strip;
  if (strip.taps > 1) {
    strip.to = free;
    strip.to_pitch = pitch;
    strip.count = (b.out_count - 1) * *step + 1;
    pool_slide<T>(merge, PoolKeep<T>{}, strip, 1);
    strip.count = b.out_count;
    strip.from = free;
    strip.taps = 1;
  }
  for (Index i = 0; i < b.rows; ++i) {  // values may already lie in `spare`
    pool_thin(b.spare + i * pitch, strip.from + i * pitch, b.out_count, *step);
  }
  strip.from = b.spare;
  *step = 1;
  return strip;
}

// The pass along some rows of a block, into an output whose columns may lie apart.
template <class T, class S, class F, class Op, class Finish>
static void pool_slide_into(const PoolBlock<T>& b, Op op, const Finish& finish,
                            const PoolDivisors<T>& divisors, const PoolStrip<S, F>& strip,
                            Index step) {
  const PoolProblem& p = b.p;
  const Index apart = p.y.spatial[2];
  const bool norms = p.kind == PoolKind::lp && !pool_is_plain_norm(p, divisors);
  if (apart == 1 && !norms) {
    pool_slide<T>(op, finish, strip, step);
    return;
  }
  PoolStrip<T, F> row{b.line, 0, strip.from, 0, 1, strip.count, strip.taps, strip.tap_step};
  S* to = strip.to;
  for (Index i = 0; i < strip.rows; ++i, to += strip.to_pitch, row.from += strip.from_pitch) {
    pool_slide<T>(op, finish, row, step);
    if (norms) pool_norm_row(p, divisors, b.line, strip.count);
    scatter_strided(to, apart, b.line, strip.count);
  }
}

// How many of `rows` output rows one strip can store: those that lie at equal distances.
static inline Index pool_store_run(const PoolProblem& p, const PoolRow& r, Index rows) {
  const Index row = p.y.spatial[1], slice = p.out[1] * row, plane = p.out[0] * slice;
  const bool planes = p.out[0] == 1 || p.y.spatial[0] == slice;
  const bool images = p.channels == 1 || p.y.channel == plane;
  if (planes && images && (p.batch == 1 || p.y.batch == p.channels * plane)) return rows;
  return smaller(rows, p.out[1] - r.height);
}

// Reduces windows along the rows of a block, divides or takes the root where the operation asks
// for it, and stores.
template <class T, class S, class F, class Op>
static void pool_finish_rows(const PoolBlock<T>& b, Op op, PoolDivisors<T>& divisors,
                             PoolStrip<S, F> strip, Index step, S* y) {
  const PoolProblem& p = b.p;
  const bool divides = p.kind == PoolKind::average || p.kind == PoolKind::lp;
  const bool each = divides && !divisors.constant();
  if (each) divisors.set_block(b.out_first, b.out_count);
  strip.to_pitch = p.y.spatial[1];
  for (Index i = 0; i < b.rows; i += strip.rows, strip.from += strip.rows * strip.from_pitch) {
    const PoolRow r = PoolRow::at(p, b.first_row + i);
    strip.to = y + pool_offset(p.y, r, b.out_first);
    strip.rows = each ? 1 : pool_store_run(p, r, b.rows - i);
    if (each) divisors.set_row(r.depth, r.height);
    if constexpr (Op::kPlainSum) {
      if (p.kind == PoolKind::average && each) {
        pool_slide_into(b, op, divisors.finish(), divisors, strip, step);
        continue;
      }
      if (p.kind == PoolKind::average) {
        pool_slide_into(b, op, PoolDivide<T>::by(divisors.value()), divisors, strip, step);
        continue;
      }
      if (p.norm == 2.0 && pool_is_plain_norm(p, divisors)) {
        pool_slide_into(b, op, PoolRoot<T>{}, divisors, strip, step);
        continue;
      }
    }
    pool_slide_into(b, op, PoolKeep<T>{}, divisors, strip, step);
  }
}

// A pooling of planes at work: what all of its tasks share.
template <class T, class S, class Op>
struct PoolPlanes {
  using Merge = typename Op::Merge;
  Op op;
  const S* x;
  S* y;
  PoolBlock<T> block;
  PoolDivisors<T> divisors;
  Index filled = -1;  // the block whose padding the buffer holds

  void run_buffered() {
    const PoolAxis& wide = block.wide;
    const bool spoiled = wide.even() && !block.l.windows && wide.kernel >= kPoolDirectTaps &&
                         !pool_halves(wide.kernel, wide.dilation, wide.stride);
    if (spoiled || filled != block.out_first) {
      pool_fill(block.buffer, block.l.buffer, Merge::neutral());
      filled = block.out_first;
    }
    pool_combine_rows<T, S>(op, block, x);
    Index step = 1;
    const PoolStrip<T, T> ready = pool_prepare_rows<T>(Merge{}, block, &step);
    const PoolStrip<S, T> strip{nullptr, 0,           ready.from, ready.from_pitch,
                                0,       ready.count, ready.taps, ready.tap_step};
    pool_finish_rows<T, S>(block, Merge{}, divisors, strip, step, y);
  }

  // Whether windows are parts of a row that can be read where it lies.
  bool reads_in_place() const {
    const PoolProblem& p = block.p;
    return block.deep.kernel == 1 && block.high.kernel == 1 && !block.deep.uneven &&
           !block.high.uneven && block.wide.even() && !block.l.windows && p.x.spatial[2] == 1 &&
           p.kind != PoolKind::lp && block.wide.kernel < kPoolDirectTaps &&
           block.wide.stride <= kPoolLoadStep<S>;
  }

  // As run_buffered, reading whole vectors of inner outputs from the input.
  void run_in_place() {
    const PoolProblem& p = block.p;
    const PoolAxis& wide = block.wide;
    constexpr Index width = Vec<T>::width;
    const Index row = block.first_row, rows = block.rows;
    const Index first = block.out_first, end = first + block.out_count;
    const Index lo = smaller(end, larger(first, ceil_div(wide.pad_lo, wide.stride)));
    // The last output whose vector ends inside the row.
    const Index last =
        floor_div(wide.in + wide.pad_lo - wide.extent() - (width - 1) * wide.stride, wide.stride);
    const Index hi = lo + larger(0, smaller(end - lo, last + width - lo)) / width * width;
    if (hi - lo < kPoolInPlaceVectors * width) return run_buffered();
    if (first < lo) {
      block.at(row, rows, first, lo - first);
      run_buffered();
    }
    if (hi < end) {
      block.at(row, rows, hi, end - hi);
      run_buffered();
    }
    for (Index i = 0; i < rows; ++i) {
      block.at(row + i, 1, lo, hi - lo);
      const PoolRow r = PoolRow::at(p, row + i);
      const S* from = x + r.batch * p.x.batch + r.channel * p.x.channel +
                      pool_taps(block.deep, r.depth).first * p.x.spatial[0] +
                      pool_taps(block.high, r.height).first * p.x.spatial[1] + block.start;
      const PoolStrip<S, S> strip{nullptr, 0, from, 0, 0, hi - lo, wide.kernel, wide.dilation};
      pool_finish_rows<T, S>(block, op, divisors, strip, wide.stride, y);
    }
  }
};

template <class T, class S, class Op>
static void pool_planes(const PoolJob& job, const PoolLayout& l, Op op, Index begin, Index end,
                        std::byte* scratch) {
  const PoolProblem& p = *job.problem;
  T* memory = reinterpret_cast<T*>(scratch);
  T* counts = memory + 4 * l.buffer + l.tail;
  PoolPlanes<T, S, Op> planes{
      op,
      static_cast<const S*>(job.x),
      static_cast<S*>(job.y),
      {p, l, pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2), memory, memory + l.buffer,
       memory + 2 * l.buffer, memory + 3 * l.buffer, memory + 4 * l.buffer, 0, 0, 0, 0, 0},
      PoolDivisors<T>(p, counts, l.divisor_elements(Vec<T>::width))};
  const bool in_place = planes.reads_in_place();
  for (Index task = begin; task < end; ++task) {
    const Index row = task / l.width_blocks * l.rows;
    const Index out_first = task % l.width_blocks * l.block_out;
    planes.block.at(row, smaller(l.rows, l.row_count - row), out_first,
                    smaller(l.block_out, p.out[2] - out_first));
    if (in_place) {
      planes.run_in_place();
    } else {
      planes.run_buffered();
    }
  }
}

template <class S, class T = S>
static void pool_planar(const void* context, Index begin, Index end, std::byte* scratch) {
  const PoolJob& job = *static_cast<const PoolJob*>(context);
  const PoolLayout l = pool_layout(*job.problem, Vec<T>::width, false);
  if (job.problem->with_indices) {
    pool_arg<T, S>(job, l, false, begin, end, scratch);
    return;
  }
  pool_with_op<T>(*job.problem, [&](auto op) {
    if constexpr (!__is_same(decltype(op), PoolPowerSum<T>)) {
      if (l.form == PoolForm::global) return pool_global<T, S>(job, l, op, begin, end);
      if constexpr (Vec<T>::width > 1 && __is_same(S, T) &&
                    __is_same(decltype(op), typename decltype(op)::Merge)) {
        if (l.form == PoolForm::short_rows) {
          return pool_short_rows<T>(job, l, op, begin, end, scratch);
        }
      }
    }
    pool_planes<T, S>(job, l, op, begin, end, scratch);
  });
}
