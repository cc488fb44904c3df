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
// pool_reduce_lanes: op over a contiguous run, to one vector of partial results. Four vector
// accumulators over chunks of 64 vectors; the halves of a long run are reduced on their own, so the
// error of a sum grows with the logarithm of its length. pool_fold_lanes: the lanes of many vectors
// to one value each.
#pragma once

constexpr Index kPoolTapGroup = 16;

template <class T, class S, class Op, int N>
static inline void pool_combine_block(Op op, bool merge, T* dst, const S* src, Index taps,
                                      Index tap_step) {
  using V = Vec<T>;
  const typename Op::Merge merged{};
  typename V::Reg acc[N];
  for (int n = 0; n < N; ++n) acc[n] = op.first(Vec<S>::load(src + n * V::width));
  for (Index t = 1; t < taps; ++t) {
    src += tap_step;
    for (int n = 0; n < N; ++n) acc[n] = op.take(acc[n], Vec<S>::load(src + n * V::width));
  }
  if (merge) {
    for (int n = 0; n < N; ++n) acc[n] = merged.take(V::load(dst + n * V::width), acc[n]);
  }
  for (int n = 0; n < N; ++n) V::store(dst + n * V::width, acc[n]);
}

// The last elements of a row, touching nothing beyond them.
template <class T, class S, class Op>
static inline void pool_combine_tail(Op op, bool merge, T* dst, const S* src, int length,
                                     Index taps, Index tap_step) {
  using V = Vec<T>;
  const typename Op::Merge merged{};
  typename V::Reg acc = op.first(Vec<S>::load_first(src, length));
  for (Index t = 1; t < taps; ++t) {
    src += tap_step;
    acc = op.take(acc, Vec<S>::load_first(src, length));
  }
  if (merge) acc = merged.take(V::load_first(dst, length), acc);
  V::store_first(dst, acc, length);
}

// `merge`: dst already holds accumulated values.
template <class T, class S, class Op>
static void pool_combine(Op op, bool merge, T* dst, const S* src, Index length, Index taps,
                         Index tap_step) {
  constexpr int width = Vec<T>::width;
  for (Index done = 0; done < taps; done += kPoolTapGroup) {
    const Index group = smaller(kPoolTapGroup, taps - done);
    Index i = 0;
    for (; i + 4 * width <= length; i += 4 * width) {
      pool_combine_block<T, S, Op, 4>(op, merge, dst + i, src + i, group, tap_step);
    }
    for (; i + width <= length; i += width) {
      pool_combine_block<T, S, Op, 1>(op, merge, dst + i, src + i, group, tap_step);
    }
    if (i < length) {
      pool_combine_tail(op, merge, dst + i, src + i, static_cast<int>(length - i), group, tap_step);
    }
    src += group * tap_step;
    merge = true;
  }
}

// The first `rest` elements of a run; the vector's other lanes are neutral.
template <class T, class S, class Op>
static inline typename Vec<T>::Reg pool_first_of(Op op, const S* src, int rest) {
  using V = Vec<T>;
  static constexpr T kLane[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const typename V::Reg terms = op.first(Vec<S>::load_first(src, rest));
  // Lanes that are not loaded are 0, and so are their terms in a sum.
  if constexpr (Op::Merge::kPlainSum) return terms;
  return V::less_select(V::load(kLane), V::set(static_cast<T>(rest)), terms,
                        V::set(Op::Merge::neutral()));
}

constexpr Index kPoolReduceVectors = 64;

// Reduces a run of at most kPoolReduceVectors vectors to one.
template <class T, class S, class Op>
static inline typename Vec<T>::Reg pool_reduce_short(Op op, const S* src, Index length) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr Index width = V::width;
  const typename Op::Merge merged{};
  if (length < width) return pool_first_of<T>(op, src, static_cast<int>(length));
  Reg total = op.first(Vec<S>::load(src));
  Index i = width;
  if (length >= 8 * width) {
    Reg acc[4] = {total};
    for (int n = 1; n < 4; ++n) acc[n] = op.first(Vec<S>::load(src + n * width));
    for (i = 4 * width; i + 4 * width <= length; i += 4 * width) {
      for (int n = 0; n < 4; ++n) acc[n] = op.take(acc[n], Vec<S>::load(src + i + n * width));
    }
    total = merged.take(merged.take(acc[0], acc[1]), merged.take(acc[2], acc[3]));
  }
  for (; i + width <= length; i += width) {
    total = merged.take(total, op.first(Vec<S>::load(src + i)));
  }
  if (i == length) return total;
  return merged.take(total, pool_first_of<T>(op, src + i, static_cast<int>(length - i)));
}

// Reduces a run to one vector.
template <class T, class S, class Op>
static typename Vec<T>::Reg pool_reduce_lanes(Op op, const S* src, Index length) {
  constexpr Index width = Vec<T>::width;
  if (length <= kPoolReduceVectors * width) return pool_reduce_short<T>(op, src, length);
  const typename Op::Merge merged{};
  const Index half = length / 2 / width * width;
  return merged.take(pool_reduce_lanes<T>(op, src, half),
                     pool_reduce_lanes<T>(op, src + half, length - half));
}

// Vectors whose lanes are reduced together, and the elements that they and the vector that is read
// past them take.
constexpr Index kPoolFoldBatch = 64;
template <class T>
static constexpr Index kPoolFoldRoom = (kPoolFoldBatch + 4) * Vec<T>::width;

// Reduces each of `count` vectors to its lanes' result; what was vector i becomes element i.
// Elements are combined pairwise in place, level by level.
template <class T, class Merge>
static void pool_fold_lanes(Merge merge, T* values, Index count) {
  using V = Vec<T>;
  if (count == 0 || V::width == 1) return;
  for (Index left = count * V::width / 2; left >= count; left /= 2) {
    for (Index i = 0; i < left; i += V::width) {
      V::store(values + i,
               merge.take(V::load_step2(values + 2 * i), V::load_step2(values + 2 * i + 1)));
    }
  }
}
