// Max and min pooling that also report where the winner stands.
//
// The first of equal values wins, in row-major order of the window; a NaN wins over everything, the
// last NaN over earlier ones (as in torch). Positions count within the plane of the input.
//
// pool_arg_rows (planar): as pool_planes, with a second buffer that carries where the winner's row
// starts, counted from the window's first row, as a value of the element type (exact up to
// kPoolExactPositions). Winners along the row are compared by value, then by row: K+K comparisons
// per vector of outputs instead of K*K branches per output; row, column and the output's own place
// add up to the position in registers. pool_arg_pixels (channels-last): all taps of a window in
// order, vectors along channels. pool_arg_plain: one output at a time, for uneven windows and those
// beyond the numbering.
#pragma once

#include "pool_ops.inl"
#include "pool_reduce.inl"
#include "pool_rows.inl"
#include "pool_slide.inl"

// What arg-max compares. `after(a, b, yes, no)`: whether b beats a by value; false for NaN.
template <class T>
struct PoolArgMax {
  using Op = PoolMax<T>;
  using Reg = typename Vec<T>::Reg;
  static Reg beats(Reg a, Reg b, Reg yes, Reg no) { return Vec<T>::less_select(a, b, yes, no); }
  static bool beats1(T a, T b) { return a < b; }
};

template <class T>
struct PoolArgMin {
  using Op = PoolMin<T>;
  using Reg = typename Vec<T>::Reg;
  static Reg beats(Reg a, Reg b, Reg yes, Reg no) { return Vec<T>::less_select(b, a, yes, no); }
  static bool beats1(T a, T b) { return b < a; }
};

// One output from the definition. A window that meets no element (dilation can do that) has
// position -1.
template <class T, class S, class Arg>
static void pool_arg_one(const PoolProblem& p, const S* plane, const PoolTaps& deep,
                         const PoolTaps& high, const PoolTaps& wide, S* value, Index* position) {
  T best = Arg::Op::neutral();
  Index at = -1;
  for (Index d = 0; d < deep.count; ++d) {
    const Index z = deep.first + d * deep.step;
    for (Index h = 0; h < high.count; ++h) {
      const Index line = high.first + h * high.step;
      const S* row = plane + z * p.x.spatial[0] + line * p.x.spatial[1];
      for (Index w = 0; w < wide.count; ++w) {
        const Index column = wide.first + w * wide.step;
        T v;
        copy_strided(&v, row + column * p.x.spatial[2], 1, 1);
        if (!Arg::beats1(best, v) && v == v && at >= 0) continue;
        best = v;
        at = (z * p.in[1] + line) * p.in[2] + column;
      }
    }
  }
  copy_strided(value, &best, 1, 1);
  *position = at;
}

// Takes a row of the window, which starts `offset` after the first, into the best values and the
// places of their rows.
template <class T, class S, class Arg>
static void pool_arg_take_row(T* best, T* numbers, const S* row, Index count, Index offset,
                              bool first) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  const Reg mine = V::set(static_cast<T>(offset));
  for (Index i = 0; i < count; i += V::width) {
    const int lanes = static_cast<int>(smaller(V::width, count - i));
    const Reg v = Vec<S>::load_first(row + i, lanes);
    if (first) {
      V::store_first(best + i, v, lanes);
      V::store_first(numbers + i, mine, lanes);
      continue;
    }
    const Reg b = V::load(best + i), n = V::load(numbers + i);
    V::store_first(best + i, V::nan_select(v, v, Arg::beats(b, v, v, b)), lanes);
    V::store_first(numbers + i, V::nan_select(v, mine, Arg::beats(b, v, mine, n)), lanes);
  }
}

// Winners of the input rows of output row `r`.
template <class T, class S, class Arg>
static void pool_arg_combine(const PoolProblem& p, const PoolAxis* axes, const PoolRow& r,
                             const S* x, T* best, T* numbers, T* spare, Index first, Index count) {
  S* gathered = reinterpret_cast<S*>(spare);
  const PoolTaps deep = pool_taps(axes[0], r.depth), high = pool_taps(axes[1], r.height);
  const S* plane = x + r.batch * p.x.batch + r.channel * p.x.channel + first * p.x.spatial[2];
  if (deep.count == 0 || high.count == 0) pool_fill(best, count, Arg::Op::neutral());
  const Index line = high.step * p.in[2], slice = deep.step * p.in[1] * p.in[2];
  for (Index d = 0; d < deep.count; ++d) {
    for (Index h = 0; h < high.count; ++h) {
      const S* row = plane + (deep.first + d * deep.step) * p.x.spatial[0] +
                     (high.first + h * high.step) * p.x.spatial[1];
      if (p.x.spatial[2] != 1) {
        copy_strided(gathered, row, p.x.spatial[2], count);
        row = gathered;
      }
      pool_arg_take_row<T, S, Arg>(best, numbers, row, count, d * slice + h * line, d + h == 0);
    }
  }
}

// Two rows of results, values and their positions after the window's first row, and where the
// window of each output starts along the row.
template <class T>
struct PoolWinners {
  T* best;
  T* positions;
  const T* starts;
};

// out[o] = winner of positions o*Step + k*tap_step.
template <class T, class Arg, int Step>
static void pool_arg_slide(const PoolWinners<T>& out, const T* best, const T* numbers, Index count,
                           Index taps, Index tap_step) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  const Reg yes = V::set(T(1)), no = V::zero();
  for (Index o = 0; o < count; o += V::width) {
    Reg b = pool_load<T, Step>(best + o * Step), n = pool_load<T, Step>(numbers + o * Step), c = no;
    for (Index k = 1; k < taps; ++k) {
      const Index at = o * Step + k * tap_step;
      const Reg v = pool_load<T, Step>(best + at), m = pool_load<T, Step>(numbers + at);
      const Reg earlier = V::less_select(m, n, yes, no), later = V::sub(yes, earlier);
      // Equal values: the earlier row. Two NaN: the later row, or the later column of one row.
      Reg take = Arg::beats(b, v, yes, Arg::beats(v, b, no, earlier));
      take = V::nan_select(v, V::nan_select(b, later, yes), V::nan_select(b, no, take));
      b = V::less_select(no, take, v, b);
      n = V::less_select(no, take, m, n);
      c = V::less_select(no, take, V::set(static_cast<T>(k)), c);
    }
    V::store(out.best + o, b);
    const Reg column = V::fma(c, V::set(static_cast<T>(tap_step)), V::load(out.starts + o));
    V::store(out.positions + o, V::add(n, column));
  }
}

// The winners of `count` outputs along one row.
template <class T, class Arg>
static void pool_arg_slide_any(const PoolWinners<T>& out, const T* best, const T* numbers,
                               Index count, const PoolAxis& wide) {
  const Index taps = wide.kernel, step = wide.dilation;
  if (wide.stride == 1) return pool_arg_slide<T, Arg, 1>(out, best, numbers, count, taps, step);
  if (wide.stride == 2) return pool_arg_slide<T, Arg, 2>(out, best, numbers, count, taps, step);
  if constexpr (kPoolLoadStep<T> >= 4) {
    if (wide.stride == 3) return pool_arg_slide<T, Arg, 3>(out, best, numbers, count, taps, step);
    if (wide.stride == 4) return pool_arg_slide<T, Arg, 4>(out, best, numbers, count, taps, step);
  }
  const Index positions = (count - 1) * wide.stride + 1;
  pool_arg_slide<T, Arg, 1>(out, best, numbers, positions, taps, step);
  pool_thin(out.best, out.best, count, wide.stride);
  pool_thin(out.positions, out.positions, count, wide.stride);
}

// Stores the winners of one output row, and turns their places into positions.
template <class T, class S, class Arg>
static void pool_arg_store(const PoolJob& job, const PoolAxis* axes, const PoolRow& r,
                           const PoolWinners<T>& won, Index out_first, Index count) {
  const PoolProblem& p = *job.problem;
  const PoolAxis& wide = axes[2];
  const PoolTaps deep = pool_taps(axes[0], r.depth), high = pool_taps(axes[1], r.height);
  S* values = static_cast<S*>(job.y) + pool_offset(p.y, r, out_first);
  Index* positions = job.indices + pool_offset(p.indices, r, out_first);
  const Index step = p.y.spatial[2], position_step = p.indices.spatial[2];
  const Index origin = (deep.first * p.in[1] + high.first) * p.in[2];
  const T neutral = Arg::Op::neutral();
  scatter_strided(values, step, won.best, count);
  Index padding_won = 0;
  for (Index o = 0; o < count; ++o) padding_won |= won.best[o] == neutral;
  if (position_step == 1) {
    for (Index o = 0; o < count; ++o) positions[o] = origin + static_cast<Index>(won.positions[o]);
  } else {
    for (Index o = 0; o < count; ++o) {
      positions[o * position_step] = origin + static_cast<Index>(won.positions[o]);
    }
  }
  if (padding_won == 0) return;
  const S* plane = static_cast<const S*>(job.x) + r.batch * p.x.batch + r.channel * p.x.channel;
  for (Index o = 0; o < count; ++o) {
    if (won.best[o] != neutral) continue;
    pool_arg_one<T, S, Arg>(p, plane, deep, high, pool_taps(wide, out_first + o), values + o * step,
                            positions + o * position_step);
  }
}

template <class T, class S, class Arg>
static void pool_arg_rows(const PoolJob& job, const PoolLayout& l, Index begin, Index end,
                          std::byte* scratch) {
  const PoolProblem& p = *job.problem;
  const S* x = static_cast<const S*>(job.x);
  T* best = reinterpret_cast<T*>(scratch);
  T* numbers = best + l.buffer;
  T* gathered = numbers + l.buffer;
  T* starts = gathered + l.buffer;
  const PoolWinners<T> won{starts + l.buffer, starts + 2 * l.buffer, starts};
  const PoolAxis axes[kAxes] = {pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)};
  const PoolAxis& wide = axes[2];
  const T neutral = Arg::Op::neutral();
  Index filled = -1;

  for (Index task = begin; task < end; ++task) {
    const Index row = task / l.width_blocks * l.rows;
    const Index out_first = task % l.width_blocks * l.block_out;
    const Index out_count = smaller(l.block_out, p.out[2] - out_first);
    const Index rows = smaller(l.rows, l.row_count - row);
    const Index start = wide.start(out_first);
    const Index lo = larger(0, -start);
    const Index hi = larger(lo, smaller(l.pitch, wide.in - start));
    if (filled != out_first) {
      pool_fill(best, l.buffer, neutral);
      pool_fill(numbers, l.buffer, T(0));
      // Where strides are followed by thinning, every position is a start.
      const Index stride = wide.stride <= kPoolLoadStep<T> ? wide.stride : 1;
      for (Index o = 0; o < l.buffer; ++o) starts[o] = static_cast<T>(start + o * stride);
      filled = out_first;
    }

    const PoolRow first = PoolRow::at(p, row);
    PoolRow r = first;
    for (Index i = 0; i < rows; ++i, r.skip(p, 1)) {
      pool_arg_combine<T, S, Arg>(p, axes, r, x, best + i * l.pitch + lo,
                                  numbers + i * l.pitch + lo, gathered, start + lo, hi - lo);
    }
    r = first;
    for (Index i = 0; i < rows; ++i, r.skip(p, 1)) {
      pool_arg_slide_any<T, Arg>(won, best + i * l.pitch, numbers + i * l.pitch, out_count, wide);
      pool_arg_store<T, S, Arg>(job, axes, r, won, out_first, out_count);
    }
  }
}

// One output pixel after another; a block of channels side by side.
template <class T, class S, class Arg>
static void pool_arg_pixels(const PoolJob& job, const PoolLayout& l, Index begin, Index end,
                            std::byte* scratch) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  const PoolProblem& p = *job.problem;
  Index* table = reinterpret_cast<Index*>(scratch);
  const PoolAxis axes[kAxes] = {pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)};

  for (Index task = begin; task < end; ++task) {
    const Index c0 = task % l.channel_blocks * l.channel_block;
    const Index channels = smaller(l.channel_block, p.channels - c0);
    const Index block = task / l.channel_blocks;
    const Index out_first = block % l.width_blocks * l.block_out;
    const Index out_count = smaller(l.block_out, p.out[2] - out_first);
    PoolRow r = PoolRow::pixel_row(p, block / l.width_blocks);
    r.channel = c0;
    const PoolTaps deep = pool_taps(axes[0], r.depth), high = pool_taps(axes[1], r.height);
    const S* x = static_cast<const S*>(job.x) + r.batch * p.x.batch + c0;
    for (Index o = out_first; o < out_first + out_count; ++o) {
      const PoolTaps wide = pool_taps(axes[2], o);
      S* y = static_cast<S*>(job.y) + pool_offset(p.y, r, o);
      Index* positions = job.indices + pool_offset(p.indices, r, o);
      Index taps = 0;
      for (Index d = 0; d < deep.count; ++d) {
        for (Index h = 0; h < high.count; ++h) {
          const Index line = (deep.first + d * deep.step) * p.in[1] + high.first + h * high.step;
          for (Index w = 0; w < wide.count; ++w) {
            table[taps++] = line * p.in[2] + wide.first + w * wide.step;
          }
        }
      }
      if (taps == 0) {
        for (Index c = 0; c < channels; ++c) {
          pool_arg_one<T, S, Arg>(p, x + c, deep, high, wide, y + c, positions + c);
        }
        continue;
      }
      for (Index c = 0; c < channels; c += V::width) {
        const int lanes = static_cast<int>(smaller(V::width, channels - c));
        Reg best = V::zero(), numbers = V::zero();
        Index t = 0;
        for (Index d = 0; d < deep.count; ++d) {
          for (Index h = 0; h < high.count; ++h) {
            const S* from = x + c + (deep.first + d * deep.step) * p.x.spatial[0] +
                            (high.first + h * high.step) * p.x.spatial[1] +
                            wide.first * p.x.spatial[2];
            for (Index w = 0; w < wide.count; ++w, ++t) {
              const Reg v = Vec<S>::load_first(from + w * wide.step * p.x.spatial[2], lanes);
              const Reg mine = V::set(static_cast<T>(t));
              numbers = V::nan_select(v, mine, Arg::beats(best, v, mine, numbers));
              best = t == 0 ? v : V::nan_select(v, v, Arg::beats(best, v, v, best));
              if (t == 0) numbers = mine;
            }
          }
        }
        T number[V::width];
        V::store(number, numbers);
        Vec<S>::store_first(y + c, best, lanes);
        for (int i = 0; i < lanes; ++i) positions[c + i] = table[static_cast<Index>(number[i])];
      }
    }
  }
}

template <class T, class S, class Arg>
static void pool_arg_plain(const PoolJob& job, const PoolLayout& l, bool channels_last, Index begin,
                           Index end) {
  const PoolProblem& p = *job.problem;
  const PoolAxis axes[kAxes] = {pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)};
  for (Index task = begin; task < end; ++task) {
    const Index c0 = task % l.channel_blocks * l.channel_block;
    const Index channels = channels_last ? smaller(l.channel_block, p.channels - c0) : 1;
    const Index block = task / l.channel_blocks;
    const Index out_first = block % l.width_blocks * l.block_out;
    const Index out_end = smaller(out_first + l.block_out, p.out[2]);
    const Index row = block / l.width_blocks * l.rows;
    const Index row_end = smaller(row + l.rows, l.row_count);
    for (Index i = row; i < row_end; ++i) {
      PoolRow r = channels_last ? PoolRow::pixel_row(p, i) : PoolRow::at(p, i);
      if (channels_last) r.channel = c0;
      const PoolTaps deep = pool_taps(axes[0], r.depth), high = pool_taps(axes[1], r.height);
      for (Index o = out_first; o < out_end; ++o) {
        const PoolTaps wide = pool_taps(axes[2], o);
        for (Index c = 0; c < channels; ++c) {
          PoolRow here = r;
          here.channel += c;
          const S* plane =
              static_cast<const S*>(job.x) + here.batch * p.x.batch + here.channel * p.x.channel;
          pool_arg_one<T, S, Arg>(p, plane, deep, high, wide,
                                  static_cast<S*>(job.y) + pool_offset(p.y, here, o),
                                  job.indices + pool_offset(p.indices, here, o));
        }
      }
    }
  }
}

template <class T, class S, class Arg>
static void pool_arg_with(const PoolJob& job, const PoolLayout& l, bool channels_last, Index begin,
                          Index end, std::byte* scratch) {
  if (l.form == PoolForm::arg_plain) {
    pool_arg_plain<T, S, Arg>(job, l, channels_last, begin, end);
  } else if (channels_last) {
    pool_arg_pixels<T, S, Arg>(job, l, begin, end, scratch);
  } else {
    pool_arg_rows<T, S, Arg>(job, l, begin, end, scratch);
  }
}

template <class T, class S>
static void pool_arg(const PoolJob& job, const PoolLayout& l, bool channels_last, Index begin,
                     Index end, std::byte* scratch) {
  if (job.problem->kind == PoolKind::max) {
    pool_arg_with<T, S, PoolArgMax<T>>(job, l, channels_last, begin, end, scratch);
  } else {
    pool_arg_with<T, S, PoolArgMin<T>>(job, l, channels_last, begin, end, scratch);
  }
}
