// The two reductions that every pooling is made of.
//
// pool_combine: dst[i] = op over t of src[i*step + t*tap_step]. Combines input rows of a window
// into one row (tap_step = distance of the rows), and neighbours of a row (tap_step = dilation).
// Loop order: groups of 16 taps, then blocks of 4 vectors along the row, then taps; the 4
// accumulators stay in registers, so every input element is loaded once per group and the row is
// stored once per group. Four independent chains hide the latency of the combination; loops over
// single outputs would load as much but store and branch per tap. Groups keep the number of streams
// that the prefetcher has to follow small and bound the error of long sums: n/16 + 16 additions in
// a row instead of n. Loses to nothing for rows of at least a vector; a shorter row wastes the rest
// of its vector.
//
// pool_reduce_run: op over a contiguous run, to one value. Four vector accumulators over chunks of
// 64 vectors; the halves of a long run are reduced on their own, so the error of a sum grows with
// the logarithm of its length.
#pragma once

constexpr Index kPoolTapGroup = 16;

template <class T, int Step>
static inline typename Vec<T>::Reg pool_load(const T* p) {
  if constexpr (Step == 2) return Vec<T>::load_step2(p);
  return Vec<T>::load(p);
}

template <class T, class Op, int Step, int N>
static inline void pool_combine_block(Op op, bool merge, T* dst, const T* src, Index taps,
                                      Index tap_step) {
  using V = Vec<T>;
  const typename Op::Merge merged{};
  typename V::Reg acc[N];
  for (int n = 0; n < N; ++n) acc[n] = op.first(pool_load<T, Step>(src + n * V::width * Step));
  for (Index t = 1; t < taps; ++t) {
    src += tap_step;
    for (int n = 0; n < N; ++n) {
      acc[n] = op.take(acc[n], pool_load<T, Step>(src + n * V::width * Step));
    }
  }
  if (merge) {
    for (int n = 0; n < N; ++n) acc[n] = merged.take(V::load(dst + n * V::width), acc[n]);
  }
  for (int n = 0; n < N; ++n) V::store(dst + n * V::width, acc[n]);
}

// The last elements of a row, touching nothing beyond them.
template <class T, class Op>
static inline void pool_combine_tail(Op op, bool merge, T* dst, const T* src, int length,
                                     Index taps, Index tap_step) {
  using V = Vec<T>;
  const typename Op::Merge merged{};
  typename V::Reg acc = op.first(V::load_first(src, length));
  for (Index t = 1; t < taps; ++t) {
    src += tap_step;
    acc = op.take(acc, V::load_first(src, length));
  }
  if (merge) acc = merged.take(V::load_first(dst, length), acc);
  V::store_first(dst, acc, length);
}

// `merge`: dst already holds accumulated values. Step 2 reads and writes whole vectors: source and
// destination are buffers with room to overhang. dst may be src when Step is 1.
template <class T, class Op, int Step>
static void pool_combine(Op op, bool merge, T* dst, const T* src, Index length, Index taps,
                         Index tap_step) {
  constexpr int width = Vec<T>::width;
  for (Index done = 0; done < taps; done += kPoolTapGroup) {
    const Index group = smaller(kPoolTapGroup, taps - done);
    Index i = 0;
    for (; i + 4 * width <= length; i += 4 * width) {
      pool_combine_block<T, Op, Step, 4>(op, merge, dst + i, src + i * Step, group, tap_step);
    }
    for (; i + width <= length; i += width) {
      pool_combine_block<T, Op, Step, 1>(op, merge, dst + i, src + i * Step, group, tap_step);
    }
    if (i < length) {
      if constexpr (Step == 2) {
        pool_combine_block<T, Op, Step, 1>(op, merge, dst + i, src + i * Step, group, tap_step);
      } else {
        pool_combine_tail(op, merge, dst + i, src + i, static_cast<int>(length - i), group,
                          tap_step);
      }
    }
    src += group * tap_step;
    merge = true;
  }
}

template <class T, class Op>
static T pool_reduce_run(Op op, const T* src, Index length) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr Index width = V::width, chunk = 64 * width;
  const typename Op::Merge merged{};
  if (length > chunk) {
    const Index half = length / 2 / width * width;
    return merged.take1(pool_reduce_run(op, src, half),
                        pool_reduce_run(op, src + half, length - half));
  }
  Index i = 0;
  Reg total = V::set(Op::Merge::neutral());
  if (length >= 4 * width) {
    Reg acc[4];
    for (int n = 0; n < 4; ++n) acc[n] = op.first(V::load(src + n * width));
    for (i = 4 * width; i + 4 * width <= length; i += 4 * width) {
      for (int n = 0; n < 4; ++n) acc[n] = op.take(acc[n], V::load(src + i + n * width));
    }
    total = merged.take(merged.take(acc[0], acc[1]), merged.take(acc[2], acc[3]));
  }
  for (; i + width <= length; i += width) total = merged.take(total, op.first(V::load(src + i)));
  T result = i == 0 ? Op::Merge::neutral() : merged.lanes(total);
  if (i < length) {
    T rest = op.first1(src[i]);
    for (++i; i < length; ++i) rest = op.take1(rest, src[i]);
    result = merged.take1(result, rest);
  }
  return result;
}
