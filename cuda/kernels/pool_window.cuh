// What poolings accumulate over a window, and the walk over it: shared by the kernels of poolings
// and of their gradients.
#pragma once

#include "core/pool_layout.h"
#include "cuda/kernels/elements.cuh"
#include "cuda/kernels/pack.cuh"

namespace fastconv::cuda {

__device__ __forceinline__ float power(float x, float p) {
  return powf(x, p);
}
__device__ __forceinline__ double power(double x, double p) {
  return pow(x, p);
}
__device__ __forceinline__ float square_root(float x) {
  return sqrtf(x);
}
__device__ __forceinline__ double square_root(double x) {
  return sqrt(x);
}

// s / c for a count c: the reciprocal and a correction, since the general division has a slow path
// that costs the loops around it their registers. An infinite s makes the correction NaN.
__device__ __forceinline__ float quotient(float s, float c) {
#if defined(__CUDA_ARCH__)
  float r;
  asm("rcp.approx.f32 %0, %1;" : "=f"(r) : "f"(c));
  r = fmaf(fmaf(-c, r, 1.0f), r, r);
  const float q = s * r, better = fmaf(fmaf(-q, c, s), r, q);
  return better == better ? better : q;
#else
  return s / c;
#endif
}
__device__ __forceinline__ double quotient(double s, double c) {
  return s / c;
}

// The windows along one axis, without divisions.
struct PoolWindows {
  PoolAxis axis;
  Divider by;  // the number of outputs where windows are uneven, the dilation otherwise

  explicit PoolWindows(const PoolAxis& a) : axis(a), by(a.uneven ? a.out : a.dilation) {}

  // As pool_taps.
  FASTCONV_GEOMETRY PoolTaps taps(Index o) const {
    if (axis.uneven) {
      const Index lo = by.quotient(o * axis.in);
      return {lo, by.quotient((o + 1) * axis.in + axis.out - 1) - lo, 1};
    }
    const Index start = axis.start(o), step = axis.dilation;
    const Index outside = start < 0 ? by.quotient(step - 1 - start) : 0;
    const Index first = start + outside * step;
    const Index room = first < axis.in ? by.quotient(axis.in - 1 - first) + 1 : 0;
    return {first, larger(0, smaller(axis.kernel - outside, room)), step};
  }
  // As pool_count, for a window with these taps.
  FASTCONV_GEOMETRY Index count(bool count_padding, Index o, const PoolTaps& inside) const {
    if (axis.uneven || !count_padding) return inside.count;
    const Index start = axis.start(o);
    return smaller(start + axis.kernel, axis.in + axis.pad_hi) - start;
  }
};

// A pooling as kernels see it.
struct PoolTask {
  Elements outputs;
  PoolWindows windows[kAxes];
  Strides x, y, indices;
  Index batch, channels;
  int rows;            // outputs of a thread along axis 1
  bool smallest;       // min pooling: max pooling of -x, negated
  bool norms;          // Lp
  bool count_padding;  // an average divides by the elements of the window, padding included
  double divisor;      // or by this number, where it is not 0
  double norm, elements;
};

inline PoolTask pool_task(const PoolProblem& p, bool channels_last, int vector, int rows) {
  return {
      Elements(p.batch, p.channels, p.out, channels_last, vector, rows),
      {PoolWindows(pool_axis(p, 0)), PoolWindows(pool_axis(p, 1)), PoolWindows(pool_axis(p, 2))},
      p.x,
      p.y,
      p.indices,
      p.batch,
      p.channels,
      rows,
      p.kind == PoolKind::min,
      p.kind == PoolKind::lp,
      p.count_include_pad && !p.adaptive,
      static_cast<double>(p.divisor_override),
      p.norm,
      static_cast<double>(p.kernel.product())};
}

// The largest element so far. NaN is larger than any number.
template <class A>
struct Greatest {
  using Value = A;
  static constexpr bool kIndices = false;
  A value;

  __device__ __forceinline__ static Greatest none() { return {-static_cast<A>(INFINITY)}; }
  __device__ __forceinline__ void take(const PoolTask& p, A x, Index) {
    const A candidate = p.smallest ? -x : x;
    if (candidate > value || candidate != candidate) value = candidate;
  }
  __device__ __forceinline__ void merge(const Greatest& other) {
    if (other.value > value || other.value != other.value) value = other.value;
  }
};

// The same with its position: of equal elements the first, of several NaN the last, as in torch. -1
// where a window meets no input.
template <class A>
struct GreatestAt {
  using Value = A;
  static constexpr bool kIndices = true;
  A value;
  Index at;

  __device__ __forceinline__ static GreatestAt none() {
    return {-static_cast<A>(INFINITY), Index{-1}};
  }
  __device__ __forceinline__ void take(const PoolTask& p, A x, Index position) {
    const A candidate = p.smallest ? -x : x;
    if (candidate > value || candidate != candidate || at < 0) {
      value = candidate;
      at = position;
    }
  }
  // In any order.
  __device__ __forceinline__ void merge(const GreatestAt& other) {
    if (other.at < 0) return;
    const bool nan = value != value, other_nan = other.value != other.value;
    const bool wins = nan || other_nan
                          ? other_nan && (!nan || other.at > at)
                          : other.value > value || (other.value == value && other.at < at);
    if (wins || at < 0) *this = other;
  }
};

template <class A>
struct Sum {
  using Value = A;
  static constexpr bool kIndices = false;
  A value;

  __device__ __forceinline__ static Sum none() { return {A(0)}; }
  __device__ __forceinline__ void take(const PoolTask&, A x, Index) { value += x; }
  __device__ __forceinline__ void merge(const Sum& other) { value += other.value; }
};

// The sum of powers for norms; a plain sum for averages where these have no kernel of their own.
template <class A>
struct PowerSum {
  using Value = A;
  static constexpr bool kIndices = false;
  A value;

  __device__ __forceinline__ static PowerSum none() { return {A(0)}; }
  __device__ __forceinline__ void take(const PoolTask& p, A x, Index) {
    if (!p.norms || p.norm == 1.0) {
      value += x;
    } else {
      value += p.norm == 2.0 ? x * x : power(x, static_cast<A>(p.norm));
    }
  }
  __device__ __forceinline__ void merge(const PowerSum& other) { value += other.value; }
};

// What an average divides by, or the mean inside a norm.
template <class A>
__device__ __forceinline__ A pool_divisor(const PoolTask& p, const Place& o,
                                          const PoolTaps (&taps)[kAxes]) {
  if (p.divisor != 0.0) return static_cast<A>(p.divisor);
  A count = 1;
  for (int a = 0; a < kAxes; ++a) {
    count *= static_cast<A>(p.windows[a].count(p.count_padding, o.at[a], taps[a]));
  }
  return count;
}

// k * mean, k the elements of a whole window: the sum itself unless the window is clipped.
template <class A>
__device__ __forceinline__ A scaled_sum(const PoolTask& p, A sum, A divisor) {
  const A elements = static_cast<A>(p.elements);
  return divisor == elements ? sum : quotient(sum, divisor) * elements;
}

// From what was accumulated to the result.
template <class Op>
__device__ __forceinline__ typename Op::Value pool_result(const PoolTask& p, const Op& op,
                                                          const Place&, const PoolTaps (&)[kAxes]) {
  return p.smallest ? -op.value : op.value;
}
template <class A>
__device__ __forceinline__ A pool_result(const PoolTask& p, const Sum<A>& op, const Place& o,
                                         const PoolTaps (&taps)[kAxes]) {
  return quotient(op.value, pool_divisor<A>(p, o, taps));
}
template <class A>
__device__ __forceinline__ A pool_result(const PoolTask& p, const PowerSum<A>& op, const Place& o,
                                         const PoolTaps (&taps)[kAxes]) {
  const A divisor = pool_divisor<A>(p, o, taps);
  if (!p.norms) return quotient(op.value, divisor);
  const A sum = scaled_sum(p, op.value, divisor);
  if (p.norm == 1.0) return sum;
  return p.norm == 2.0 ? square_root(sum) : power(sum, A(1) / static_cast<A>(p.norm));
}

// Adds every `step`-th element of the rows of a window, from number `first` of each on, to the
// states of `kVector` channels. Loads go out three at a time, the width of the commonest windows.
template <class T, class Op, int kVector>
__device__ __forceinline__ void pool_window(const PoolTask& p, const T* plane,
                                            const PoolTaps (&taps)[kAxes], Index first, Index step,
                                            Op (&ops)[kVector]) {
  constexpr int kLoads = 3;
  const Strides& s = p.x;
  const Index column = taps[2].step * s.spatial[2];
  for (Index d = 0; d < taps[0].count; ++d) {
    for (Index h = 0; h < taps[1].count; ++h) {
      const Index depth = taps[0].first + d * taps[0].step;
      const Index line = taps[1].first + h * taps[1].step;
      const T* from = plane + depth * s.spatial[0] + line * s.spatial[1] +
                      taps[2].first * s.spatial[2] + first * column;
      Index position = 0;
      if constexpr (Op::kIndices) {
        position = (depth * p.windows[1].axis.in + line) * p.windows[2].axis.in + taps[2].first;
      }
      for (Index w = first; w < taps[2].count; w += kLoads * step) {
        Pack<T, kVector> loaded[kLoads];
#pragma unroll
        for (int i = 0; i < kLoads; ++i) {
          if (w + i * step < taps[2].count) {
            loaded[i] = load_pack<kVector>(from + i * step * column);
          }
        }
#pragma unroll
        for (int i = 0; i < kLoads; ++i) {
          const Index at = w + i * step;
          if (at >= taps[2].count) break;
#pragma unroll
          for (int v = 0; v < kVector; ++v) {
            ops[v].take(p, to_acc(loaded[i].v[v]), position + at * taps[2].step);
          }
        }
        from += kLoads * step * column;
      }
    }
  }
}

}  // namespace fastconv::cuda
