// Max and min pooling that also report where the winner stands.
//
// The first of equal values wins, in row-major order of the window; a NaN wins over everything, the
// last NaN over earlier ones (as in torch). Positions count within the plane of the input.
//
// pool_arg_rows (planar): as pool_planes, with a second buffer that carries the number of the
// winning row of the window, as a value of the element type (exact: at most 1024 rows), and a third
// for the winning column. Winners along the row are compared by value, then by row: K+K comparisons
// per vector of outputs instead of K*K branches per output. Numbers become positions one output at
// a time, which is what it costs over pooling without indices. pool_arg_pixels (channels-last): all
// taps of a window in order, vectors along channels. pool_arg_plain: one output at a time, for
// adaptive windows and windows beyond the numbering.
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
template <class T, class Arg>
static void pool_arg_one(const PoolProblem& p, const T* plane, const PoolTaps& deep,
                         const PoolTaps& high, const PoolTaps& wide, T* value, Index* position) {
  T best = Arg::Op::neutral();
  Index at = -1;
  for (Index d = 0; d < deep.count; ++d) {
    const Index z = deep.first + d * deep.step;
    for (Index h = 0; h < high.count; ++h) {
      const Index line = high.first + h * high.step;
      const T* row = plane + z * p.x.spatial[0] + line * p.x.spatial[1];
      for (Index w = 0; w < wide.count; ++w) {
        const Index column = wide.first + w * wide.step;
        const T v = row[column * p.x.spatial[2]];
        if (!Arg::beats1(best, v) && v == v && at >= 0) continue;
        best = v;
        at = (z * p.in[1] + line) * p.in[2] + column;
      }
    }
  }
  *value = best;
  *position = at;
}

// Takes row `number` of the window into the best values and their row numbers.
template <class T, class Arg>
static void pool_arg_take_row(T* best, T* numbers, const T* row, Index count, Index number) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  const Reg mine = V::set(static_cast<T>(number));
  for (Index i = 0; i < count; i += V::width) {
    const Reg v = count - i >= V::width ? V::load(row + i)
                                        : V::load_first(row + i, static_cast<int>(count - i));
    if (number == 0) {
      V::store(best + i, v);
      V::store(numbers + i, mine);
      continue;
    }
    const Reg b = V::load(best + i), n = V::load(numbers + i);
    V::store(best + i, V::nan_select(v, v, Arg::beats(b, v, v, b)));
    V::store(numbers + i, V::nan_select(v, mine, Arg::beats(b, v, mine, n)));
  }
}

// Winners of the input rows of output row `r`; rows[number] becomes the position of the row's
// start.
template <class T, class Arg>
static void pool_arg_combine(const PoolProblem& p, const PoolAxis* axes, const PoolRow& r,
                             const T* x, T* best, T* numbers, T* gathered, Index first,
                             Index count) {
  const PoolTaps deep = pool_taps(axes[0], r.depth), high = pool_taps(axes[1], r.height);
  const T* plane = x + r.batch * p.x.batch + r.channel * p.x.channel + first * p.x.spatial[2];
  if (deep.count == 0 || high.count == 0) pool_fill(best, count, Arg::Op::neutral());
  Index number = 0;
  for (Index d = 0; d < deep.count; ++d) {
    for (Index h = 0; h < high.count; ++h, ++number) {
      const T* row = plane + (deep.first + d * deep.step) * p.x.spatial[0] +
                     (high.first + h * high.step) * p.x.spatial[1];
      if (p.x.spatial[2] != 1) {
        copy_strided(gathered, row, p.x.spatial[2], count);
        row = gathered;
      }
      pool_arg_take_row<T, Arg>(best, numbers, row, count, number);
    }
  }
}

// Three rows of results: the value, the number of its row, its column within the window.
template <class T>
struct PoolWinners {
  T* best;
  T* numbers;
  T* columns;
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
    V::store(out.numbers + o, n);
    V::store(out.columns + o, c);
  }
}

template <class T, class Arg>
static void pool_arg_slide_any(const PoolWinners<T>& out, const T* best, const T* numbers,
                               Index count, const PoolAxis& wide) {
  if (wide.stride == 2) {
    pool_arg_slide<T, Arg, 2>(out, best, numbers, count / 2, wide.kernel, wide.dilation);
    return;
  }
  pool_arg_slide<T, Arg, 1>(out, best, numbers, count, wide.kernel, wide.dilation);
  if (wide.stride == 1) return;
  pool_thin(out.best, out.best, count / wide.stride, wide.stride);
  pool_thin(out.numbers, out.numbers, count / wide.stride, wide.stride);
  pool_thin(out.columns, out.columns, count / wide.stride, wide.stride);
}

// Stores the winners of one output row, and turns their numbers into positions.
template <class T, class Arg>
static void pool_arg_store(const PoolJob& job, const PoolAxis* axes, const PoolRow& r,
                           const PoolWinners<T>& won, Index out_first, Index count) {
  const PoolProblem& p = *job.problem;
  const PoolAxis& wide = axes[2];
  const PoolTaps deep = pool_taps(axes[0], r.depth), high = pool_taps(axes[1], r.height);
  T* values = static_cast<T*>(job.y) + pool_offset(p.y, r, out_first);
  Index* positions = job.indices + pool_offset(p.indices, r, out_first);
  const Index step = p.y.spatial[2], position_step = p.indices.spatial[2];
  const Index origin = (deep.first * p.in[1] + high.first) * p.in[2] + wide.start(out_first);
  const T neutral = Arg::Op::neutral();
  bool padding_won = false;
  for (Index o = 0; o < count; ++o) {
    values[o * step] = won.best[o];
    padding_won |= won.best[o] == neutral;
  }
  const Index line = high.step * p.in[2], slice = deep.step * p.in[1] * p.in[2];
  for (Index o = 0; o < count; ++o) {
    const Index number = static_cast<Index>(won.numbers[o]);
    // A window may meet no row at all; pool_arg_one then says so.
    const Index d = deep.count == 1 ? 0 : number / larger(1, high.count);
    const Index h = number - d * high.count;
    positions[o * position_step] = origin + d * slice + h * line + o * wide.stride +
                                   static_cast<Index>(won.columns[o]) * wide.dilation;
  }
  if (!padding_won) return;
  const T* plane = static_cast<const T*>(job.x) + r.batch * p.x.batch + r.channel * p.x.channel;
  for (Index o = 0; o < count; ++o) {
    if (won.best[o] != neutral) continue;
    pool_arg_one<T, Arg>(p, plane, deep, high, pool_taps(wide, out_first + o), values + o * step,
                         positions + o * position_step);
  }
}

template <class T, class Arg>
static void pool_arg_rows(const PoolJob& job, const PoolLayout& l, Index begin, Index end,
                          std::byte* scratch) {
  const PoolProblem& p = *job.problem;
  const T* x = static_cast<const T*>(job.x);
  T* best = reinterpret_cast<T*>(scratch);
  T* numbers = best + l.buffer;
  T* gathered = numbers + l.buffer;
  const PoolWinners<T> out{gathered + l.buffer, gathered + 2 * l.buffer, gathered + 3 * l.buffer};
  const PoolAxis axes[kAxes] = {pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)};
  const PoolAxis& wide = axes[2];
  const Index result_pitch = l.pitch / wide.stride;
  const T neutral = Arg::Op::neutral();
  pool_fill(best, l.buffer, neutral);
  pool_fill(numbers, l.buffer, T(0));

  for (Index task = begin; task < end; ++task) {
    const Index row = task / l.width_blocks * l.rows;
    const Index out_first = task % l.width_blocks * l.block_out;
    const Index out_count = smaller(l.block_out, p.out[2] - out_first);
    const Index rows = smaller(l.rows, l.row_count - row);
    const Index start = wide.start(out_first);
    const Index lo = larger(0, -start);
    const Index hi = larger(lo, smaller(l.pitch, wide.in - start));

    PoolRow r = PoolRow::at(p, row);
    for (Index i = 0; i < rows; ++i, r.skip(p, 1)) {
      T* at = best + i * l.pitch;
      pool_fill(at, lo, neutral);
      pool_arg_combine<T, Arg>(p, axes, r, x, at + lo, numbers + i * l.pitch + lo, gathered,
                               start + lo, hi - lo);
      pool_fill(at + hi, l.pitch - hi, neutral);
    }
    pool_arg_slide_any<T, Arg>(out, best, numbers, rows * l.pitch, wide);

    r = PoolRow::at(p, row);
    for (Index i = 0; i < rows; ++i, r.skip(p, 1)) {
      const PoolWinners<T> won{out.best + i * result_pitch, out.numbers + i * result_pitch,
                               out.columns + i * result_pitch};
      pool_arg_store<T, Arg>(job, axes, r, won, out_first, out_count);
    }
  }
}

// One output pixel after another; a block of channels side by side.
template <class T, class Arg>
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
    const T* x = static_cast<const T*>(job.x) + r.batch * p.x.batch + c0;
    for (Index o = out_first; o < out_first + out_count; ++o) {
      const PoolTaps wide = pool_taps(axes[2], o);
      T* y = static_cast<T*>(job.y) + pool_offset(p.y, r, o);
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
          pool_arg_one<T, Arg>(p, x + c, deep, high, wide, y + c, positions + c);
        }
        continue;
      }
      for (Index c = 0; c < channels; c += V::width) {
        const int lanes = static_cast<int>(smaller(V::width, channels - c));
        Reg best = V::zero(), numbers = V::zero();
        Index t = 0;
        for (Index d = 0; d < deep.count; ++d) {
          for (Index h = 0; h < high.count; ++h) {
            const T* from = x + c + (deep.first + d * deep.step) * p.x.spatial[0] +
                            (high.first + h * high.step) * p.x.spatial[1] +
                            wide.first * p.x.spatial[2];
            for (Index w = 0; w < wide.count; ++w, ++t) {
              const Reg v = V::load_first(from + w * wide.step * p.x.spatial[2], lanes);
              const Reg mine = V::set(static_cast<T>(t));
              numbers = V::nan_select(v, mine, Arg::beats(best, v, mine, numbers));
              best = t == 0 ? v : V::nan_select(v, v, Arg::beats(best, v, v, best));
              if (t == 0) numbers = mine;
            }
          }
        }
        T number[V::width];
        V::store(number, numbers);
        V::store_first(y + c, best, lanes);
        for (int i = 0; i < lanes; ++i) positions[c + i] = table[static_cast<Index>(number[i])];
      }
    }
  }
}

template <class T, class Arg>
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
          const T* plane =
              static_cast<const T*>(job.x) + here.batch * p.x.batch + here.channel * p.x.channel;
          pool_arg_one<T, Arg>(p, plane, deep, high, wide,
                               static_cast<T*>(job.y) + pool_offset(p.y, here, o),
                               job.indices + pool_offset(p.indices, here, o));
        }
      }
    }
  }
}

template <class T, class Arg>
static void pool_arg_with(const PoolJob& job, bool channels_last, Index begin, Index end,
                          std::byte* scratch) {
  const PoolLayout l = pool_layout(*job.problem, Vec<T>::width, channels_last);
  if (l.form == PoolForm::arg_plain) {
    pool_arg_plain<T, Arg>(job, l, channels_last, begin, end);
  } else if (channels_last) {
    pool_arg_pixels<T, Arg>(job, l, begin, end, scratch);
  } else {
    pool_arg_rows<T, Arg>(job, l, begin, end, scratch);
  }
}

template <class T>
static void pool_arg(const PoolJob& job, bool channels_last, Index begin, Index end,
                     std::byte* scratch) {
  if (job.problem->kind == PoolKind::max) {
    pool_arg_with<T, PoolArgMax<T>>(job, channels_last, begin, end, scratch);
  } else {
    pool_arg_with<T, PoolArgMin<T>>(job, channels_last, begin, end, scratch);
  }
}
