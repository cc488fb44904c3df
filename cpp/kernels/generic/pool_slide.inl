// The pass along combined rows: out[o] = op over k of row[o*Step + k*tap_step], finished and
// stored.
//
// Loop order: rows, vectors of outputs, taps. Strides up to 4 load every Step-th element, so
// nothing is computed that is not kept; common kernel sizes are unrolled. The result goes from
// registers to where it belongs: division and store cost no pass of their own. A long kernel first
// becomes one of a single tap (pool_double): sums over 1, 2, 4, ... neighbours, each from the one
// before, at most 2*log2(K) combinations per element. Even windows at even strides are halved first
// (pool_halve). Other strides above 4, shorter than a vector, compute the positions of one vector
// and move the lanes that are kept to its front (pool_slide_thin); still longer ones compute all
// positions of a row and keep some (pool_thin).
#pragma once

#include "pool_reduce.inl"

constexpr Index kPoolDirectTaps = 8;
// Largest stride that loads of an element type can follow.
template <class S>
static constexpr Index kPoolLoadStep = requires(const S* p) { Vec<S>::load_step4(p); } ? 4 : 2;

template <class S, int Step>
static inline typename Vec<S>::Reg pool_load(const S* p) {
  if constexpr (Step == 2) return Vec<S>::load_step2(p);
  if constexpr (Step == 3) return Vec<S>::load_step3(p);
  if constexpr (Step == 4) return Vec<S>::load_step4(p);
  return Vec<S>::load(p);
}

// What turns accumulated values of outputs o, o+1, ... of a row into results.
template <class T>
struct PoolKeep {
  using Reg = typename Vec<T>::Reg;
  Reg done(Reg value, Index) const { return value; }
};

// Rows of outputs, `from` rows of accumulated values: those of output o start at from[o*step].
template <class S, class F>
struct PoolStrip {
  S* to;
  Index to_pitch;
  const F* from;
  Index from_pitch;
  Index rows, count, taps, tap_step;
};

// `Tail`: only the first `last` outputs of a single vector. At unit step nothing else is read then:
// what lies behind may be anything, and arithmetic on subnormal leftovers takes a hundred times as
// long.
template <class T, int Step, int K, int N, bool Tail, class S, class F, class Op, class Finish>
static inline void pool_slide_vectors(Op op, const Finish& finish, S* to, const F* from, Index o,
                                      Index taps, Index tap_step, int last) {
  using V = Vec<T>;
  const auto load = [&](const F* p) {
    if constexpr (Tail && Step == 1) return Vec<F>::load_first(p, last);
    return pool_load<F, Step>(p);
  };
  typename V::Reg acc[N];
  const F* at = from + o * Step;
  for (int n = 0; n < N; ++n) acc[n] = op.first(load(at + n * V::width * Step));
  const Index all = K > 0 ? K : taps;
  for (Index k = 1; k < all; ++k) {
    at += tap_step;
    for (int n = 0; n < N; ++n) acc[n] = op.take(acc[n], load(at + n * V::width * Step));
  }
  for (int n = 0; n < N; ++n) {
    const typename V::Reg value = finish.done(acc[n], o + n * V::width);
    if constexpr (Tail) {
      Vec<S>::store_first(to + o, value, last);
    } else {
      Vec<S>::store(to + o + n * V::width, value);
    }
  }
}

template <class T, int Step, int K, class S, class F, class Op, class Finish>
static void pool_slide_rows(Op op, const Finish& finish, const PoolStrip<S, F>& strip) {
  constexpr Index width = Vec<T>::width;
  constexpr int unroll = K > 0 ? 1 : 4;
  const Index taps = strip.taps, tap_step = strip.tap_step;
  S* to = strip.to;
  const F* from = strip.from;
  for (Index r = 0; r < strip.rows; ++r, to += strip.to_pitch, from += strip.from_pitch) {
    Index o = 0;
    for (; o + unroll * width <= strip.count; o += unroll * width) {
      pool_slide_vectors<T, Step, K, unroll, false>(op, finish, to, from, o, taps, tap_step, 0);
    }
    for (; o + width <= strip.count; o += width) {
      pool_slide_vectors<T, Step, K, 1, false>(op, finish, to, from, o, taps, tap_step, 0);
    }
    if (o < strip.count) {
      pool_slide_vectors<T, Step, K, 1, true>(op, finish, to, from, o, taps, tap_step,
                                              static_cast<int>(strip.count - o));
    }
  }
}

// Strides that leave at least two lanes of a vector.
template <class T>
static constexpr bool pool_thins(Index step) {
  return step < Vec<T>::width;
}

// What a permutation of a vector's lanes is given as.
template <class T>
using PoolLane = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
template <class T>
using PoolLanes [[gnu::vector_size(Vec<T>::width * sizeof(T))]] = PoolLane<T>;

// The lanes 0, step, 2*step, ... of a vector at its front; the others repeat lane 0.
template <class T>
class PoolFront {
 public:
  explicit PoolFront(Index step) {
    for (Index i = 0; i < Vec<T>::width; ++i) {
      lanes_[i] = static_cast<PoolLane<T>>(i * step < Vec<T>::width ? i * step : 0);
    }
  }
  typename Vec<T>::Reg of(typename Vec<T>::Reg v) const { return __builtin_shuffle(v, lanes_); }

 private:
  PoolLanes<T> lanes_;
};

// Rows at a stride that loads cannot follow. Whole vectors are stored, of which the next store
// replaces all but the front.
template <class T, class S, class Op, class Finish>
static void pool_slide_thin(Op op, const Finish& finish, const PoolStrip<S, T>& strip, Index step) {
  using V = Vec<T>;
  const PoolFront<T> front(step);
  const Index kept = (V::width - 1) / step + 1;
  S* to = strip.to;
  const T* from = strip.from;
  for (Index r = 0; r < strip.rows; ++r, to += strip.to_pitch, from += strip.from_pitch) {
    for (Index o = 0; o < strip.count; o += kept) {
      const T* at = from + o * step;
      typename V::Reg acc = op.first(V::load(at));
      for (Index k = 1; k < strip.taps; ++k) acc = op.take(acc, V::load(at + k * strip.tap_step));
      const typename V::Reg value = finish.done(front.of(acc), o);
      if (o + V::width <= strip.count) {
        Vec<S>::store(to + o, value);
      } else {
        Vec<S>::store_first(to + o, value, static_cast<int>(smaller(kept, strip.count - o)));
      }
    }
  }
}

// `step` at most kPoolLoadStep<F>, or one that pool_thins<T> where F is T. Reads whole vectors:
// `from` has room for the last to overhang.
template <class T, class S, class F, class Op, class Finish>
static void pool_slide(Op op, const Finish& finish, const PoolStrip<S, F>& strip, Index step) {
  switch (step) {
    case 1:
      if (strip.taps == 1) return pool_slide_rows<T, 1, 1>(op, finish, strip);
      if (strip.taps == 2) return pool_slide_rows<T, 1, 2>(op, finish, strip);
      if (strip.taps == 3) return pool_slide_rows<T, 1, 3>(op, finish, strip);
      if (strip.taps == 5) return pool_slide_rows<T, 1, 5>(op, finish, strip);
      if (strip.taps == 7) return pool_slide_rows<T, 1, 7>(op, finish, strip);
      return pool_slide_rows<T, 1, 0>(op, finish, strip);
    case 2:
      if (strip.taps == 1) return pool_slide_rows<T, 2, 1>(op, finish, strip);
      if (strip.taps == 2) return pool_slide_rows<T, 2, 2>(op, finish, strip);
      if (strip.taps == 3) return pool_slide_rows<T, 2, 3>(op, finish, strip);
      return pool_slide_rows<T, 2, 0>(op, finish, strip);
    case 3:
      if constexpr (kPoolLoadStep<F> > 2) {
        if (strip.taps == 3) return pool_slide_rows<T, 3, 3>(op, finish, strip);
        return pool_slide_rows<T, 3, 0>(op, finish, strip);
      }
      break;
    case 4:
      if constexpr (kPoolLoadStep<F> > 2) return pool_slide_rows<T, 4, 0>(op, finish, strip);
      break;
    default:
      break;
  }
  if constexpr (__is_same(F, T) && Vec<T>::width > 1) pool_slide_thin(op, finish, strip, step);
}

// Whether pool_halve can follow.
static inline bool pool_halves(Index taps, Index tap_step, Index stride) {
  return tap_step == 1 && taps % 2 == 0 && stride % 2 == 0;
}

// Rows of windows of an even number of adjoining elements at an even stride as rows of half as
// long ones: out[i] = op of from[2*i] and from[2*i + 1].
template <class T, class F, class Op>
static void pool_halve(Op op, T* out, Index out_pitch, const F* from, Index pitch, Index rows,
                       Index count) {
  pool_slide_rows<T, 2, 2>(op, PoolKeep<T>{},
                           PoolStrip<T, F>{out, out_pitch, from, pitch, rows, count, 2, 1});
}

// Keeps every `stride`-th of count*stride elements; dst may be src.
template <class T>
static void pool_thin(T* dst, const T* src, Index count, Index stride) {
  using V = Vec<T>;
  for (; stride % 2 == 0; stride /= 2, src = dst) {
    const Index kept = count * (stride / 2);
    for (Index i = 0; i < kept; i += V::width) V::store(dst + i, V::load_step2(src + 2 * i));
  }
  if (stride == 1) return;
  for (Index i = 0; i < count; ++i) dst[i] = src[i * stride];
}

// out[i] = op of out[i] (where `merge`) and src[i].
template <class T, class Op>
static inline void pool_join(Op op, T* out, const T* src, Index count, bool merge) {
  using V = Vec<T>;
  for (Index i = 0; i < count; i += V::width) {
    const typename V::Reg v = V::load(src + i);
    V::store(out + i, merge ? op.take(V::load(out + i), v) : v);
  }
}

// out[i] = op over k < taps of buf[i + k*tap_step], for every i in [0, count), by doubling.
// Overwrites buf, whose rows have room for whole vectors. Reads up to taps*tap_step further.
template <class T, class Op>
static void pool_double(Op op, T* out, T* buf, Index count, Index taps, Index tap_step) {
  using V = Vec<T>;
  Index offset = 0;
  bool merge = false;
  for (Index power = 1;; power *= 2) {
    if ((taps & power) != 0) {
      pool_join(op, out, buf + offset, count, merge);
      merge = true;
      offset += power * tap_step;
    }
    if (2 * power > taps) return;
    // Positions up to the reach of later reads; the last of them lack terms that no output needs.
    const Index reach = count + (taps - 2 * power) * tap_step;
    for (Index i = 0; i < reach; i += V::width) {
      V::store(buf + i, op.take(V::load(buf + i), V::load(buf + i + power * tap_step)));
    }
  }
}
