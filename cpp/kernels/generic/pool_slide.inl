// The pass along a combined row: out[o] = op over k of buf[o*stride + k*tap_step].
//
// Stride 1 and 2 with a small kernel read the buffer directly (unaligned loads, or pairs of loads
// that are thinned to every second element). A long kernel is built from sums over 1, 2, 4, ...
// neighbours, each from the one before: 2*log2(K) combinations per element instead of K, and
// pairwise rounding. Other strides compute every position and keep one in `stride`. All of it runs
// over several rows at once, as one long row: what lies between two rows costs no branch, and rows
// shorter than a vector still fill vectors. Everything stays in the first-level cache.
#pragma once

constexpr Index kPoolDirectTaps = 8;

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

// Whether a slide changes what it reads.
static inline bool pool_slide_spoils(Index taps, Index stride) {
  return taps >= kPoolDirectTaps || stride > 2;
}

// Every position of [0, count) by doubling. Overwrites buf.
template <class T, class Op>
static void pool_double(Op op, T* out, T* buf, Index count, Index taps, Index tap_step) {
  using V = Vec<T>;
  Index offset = 0;
  bool merge = false;
  for (Index power = 1;; power *= 2) {
    if ((taps & power) != 0) {
      const T* src = buf + offset;
      if (merge) {
        for (Index i = 0; i < count; i += V::width) {
          V::store(out + i, op.take(V::load(out + i), V::load(src + i)));
        }
      } else {
        for (Index i = 0; i < count; i += V::width) V::store(out + i, V::load(src + i));
      }
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

// `count` positions of buf give count/stride outputs; `out` has room for `count` elements and both
// buffers for vectors that overhang. Overwrites buf.
template <class T, class Op>
static void pool_slide(Op op, T* out, T* buf, Index count, Index taps, Index tap_step,
                       Index stride) {
  if (taps >= kPoolDirectTaps) {
    pool_double(op, out, buf, count, taps, tap_step);
    if (stride > 1) pool_thin(out, out, count / stride, stride);
  } else if (stride == 1) {
    pool_combine<T, Op, 1>(op, false, out, buf, count, taps, tap_step);
  } else if (stride == 2) {
    pool_combine<T, Op, 2>(op, false, out, buf, count / 2, taps, tap_step);
  } else {
    pool_combine<T, Op, 1>(op, false, buf, buf, count, taps, tap_step);
    pool_thin(out, buf, count / stride, stride);
  }
}
