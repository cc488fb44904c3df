// Planes turned into positions whose channels lie next to each other.

// Few channels: element by element.
template <class T, int Channels>
static void turn_few(const T* planes, Index plane, Index step, Index count, T* to, Index pitch) {
  for (Index i = 0; i < count; ++i) {
#pragma GCC unroll 4
    for (int c = 0; c < Channels; ++c) to[i * pitch + c] = planes[c * plane + i * step];
  }
}

// A square of positions and channels, turned in registers. Planes lie pages apart, so that no
// hardware prefetches them: those of the next square of channels are fetched `ahead`.
template <class T, bool EverySecond>
static inline void turn_square(const T* from, Index plane, T* to, Index pitch, Index ahead) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  typename Vt::Reg r[W];
#pragma GCC unroll 16
  for (int c = 0; c < W; ++c) {
    __builtin_prefetch(from + c * plane + ahead, 0, 2);
    r[c] = EverySecond ? Vt::load_step2(from + c * plane) : Vt::load(from + c * plane);
  }
  Vt::transpose(r);
#pragma GCC unroll 16
  for (int e = 0; e < W; ++e) Vt::store(to + e * pitch, r[e]);
}

// The same for fewer positions or channels.
template <class T, bool EverySecond>
static void turn_part(const T* from, Index plane, int positions, int channels, T* to, Index pitch) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  const int reach = EverySecond ? 2 * positions - 1 : positions;
  const typename Vt::Mask low = Vt::range(0, reach < W ? reach : W);
  const typename Vt::Mask high = Vt::range(0, reach < W ? 0 : reach - W);
  typename Vt::Reg r[W];
#pragma GCC unroll 16
  for (int c = 0; c < W; ++c) {
    const T* at = from + c * plane;
    r[c] = c >= channels ? Vt::zero()
           : EverySecond ? Vt::load_step2_masked(at, low, high)
                         : Vt::load_masked(at, low);
  }
  Vt::transpose(r);
  for (int e = 0; e < positions; ++e) Vt::store_first(to + e * pitch, r[e], channels);
}

// Planes from `from` on whose elements are 1 or 2 apart. A last square that is not full begins
// earlier, where there is something before it.
template <class T, bool EverySecond>
static void turn_planes(const T* from, Index plane, Index count, Index channels, T* to,
                        Index pitch) {
  constexpr int W = Vec<T>::width;
  constexpr Index kStep = EverySecond ? 2 : 1;
  for (Index c = 0; c < channels; c += W) {
    const int filled = static_cast<int>(smaller(W, channels - c));
    const T* planes = from + c * plane;
    const Index ahead = c + 2 * W <= channels ? W * plane : 0;
    for (Index i = 0; i < count; i += W) {
      const Index first = i + W > count && count >= W ? count - W : i;
      const int positions = static_cast<int>(smaller(W, count - first));
      const T* at = planes + first * kStep;
      if (filled == W && positions == W) {
        turn_square<T, EverySecond>(at, plane, to + first * pitch + c, pitch, ahead);
      } else {
        turn_part<T, EverySecond>(at, plane, positions, filled, to + first * pitch + c, pitch);
      }
    }
  }
}

// Positions whose channels adjoin already.
template <class T>
static void copy_positions(const T* from, Index step, Index count, Index channels, T* to,
                           Index pitch) {
  if (step == channels && pitch == channels) return copy_strided(to, from, 1, count * channels);
  for (Index i = 0; i < count; ++i) copy_strided(to + i * pitch, from + i * step, 1, channels);
}

// `count` positions of `channels` planes, `step` apart, to positions `pitch` apart.
template <class T>
static void turn_positions(const T* from, Index plane, Index step, Index count, Index channels,
                           T* to, Index pitch) {
  if (plane == 1 && channels > 1) return copy_positions(from, step, count, channels, to, pitch);
  if (channels == 1) return turn_few<T, 1>(from, plane, step, count, to, pitch);
  if (channels == 2) return turn_few<T, 2>(from, plane, step, count, to, pitch);
  if (channels == 3) return turn_few<T, 3>(from, plane, step, count, to, pitch);
  if (channels == 4) return turn_few<T, 4>(from, plane, step, count, to, pitch);
  if (step == 1) return turn_planes<T, false>(from, plane, count, channels, to, pitch);
  if (step == 2) return turn_planes<T, true>(from, plane, count, channels, to, pitch);
  for (Index i = 0; i < count; ++i) {
    for (Index c = 0; c < channels; ++c) to[i * pitch + c] = from[c * plane + i * step];
  }
}

// The inputs that a task reads, some channels at a time: [depth][row][column][channel].
template <class T>
struct TurnedInput {
  TurnedAxis axis[kAxes];
  Index steps[kAxes];  // elements between depths, rows and columns
  T* place;
  T* zeros;  // a row

  TurnedInput(const ConvProblem& p, const GridTask& task, Index depth, Carver& carver) {
    const Range outputs[kAxes] = {{task.depth, task.depth + 1}, task.rows, task.cols};
    axis[0] = turned_axis(task.axis[0], outputs[0], p.in[0]);
    axis[1] = turned_axis(task.axis[1], outputs[1], p.in[1]);
    axis[2] = clips_columns(p) ? turned_axis(task.axis[2], outputs[2], p.in[2])
                               : padded_axis(task.axis[2], outputs[2]);
    Index size = pixel_pitch(p, depth, Vec<T>::width);
    for (int a = kAxes - 1; a >= 0; --a) {
      steps[a] = size;
      size *= axis[a].count;
    }
    zeros = carver.take<T>(steps[1]);
    fill_zero(zeros, steps[1]);
    place = carver.take<T>(size);
  }

  // `from`: the first of the channels, in the task's image and group.
  void turn(const ConvProblem& p, const T* from, Index channels) const {
    const TurnedAxis &d = axis[0], &h = axis[1], &w = axis[2];
    const Range inside = outputs_inside(w.count, p.in[2], w.step, w.first);
    const Index col_step = w.step * p.x.spatial[2];
    const T* first = from + d.first * p.x.spatial[0] + h.first * p.x.spatial[1] +
                     (w.first + inside.lo * w.step) * p.x.spatial[2];
    const Index pitch = steps[2], filled = inside.hi - inside.lo;
    // Rows that follow each other are turned as one.
    const bool adjoin = h.step * p.x.spatial[1] == w.count * col_step && filled == w.count;
    const Index lines = adjoin ? 1 : h.count, length = adjoin ? h.count * filled : filled;
    for (Index z = 0; z < d.count; ++z) {
      for (Index r = 0; r < lines; ++r) {
        T* row = place + z * steps[0] + r * steps[1];
        if (inside.lo > 0) fill_zero(row, inside.lo * pitch);
        turn_positions(first + z * d.step * p.x.spatial[0] + r * h.step * p.x.spatial[1],
                       p.x.channel, col_step, length, channels, row + inside.lo * pitch, pitch);
        if (inside.hi < w.count) fill_zero(row + inside.hi * pitch, (w.count - inside.hi) * pitch);
      }
    }
  }
};
