// Gradients of poolings with respect to their input, by gather: a thread for each element of the
// result (or 16 bytes of channels) visits the outputs in whose windows it lies, in the order in
// which they stand, so that results are the same every time. Nothing is scattered, and nothing has
// to be set to zero first.
//
// Windows along an axis are intervals, so the outputs that cover an input are a range, found by two
// multiplications. Neighbouring threads visit the same or neighbouring outputs, which the caches
// serve; each gradient comes from memory once. A thread takes several rows of the result where
// there are many, so that ranges along its other axes are computed once. It loses to a scatter
// where large windows overlap much: every element then visits as many outputs as its window has
// elements.
//
// Not yet run on hardware.
#pragma once

#include "cuda/kernels/pool_window.cuh"

namespace fastconv::cuda {

inline constexpr int kGradientThreads = 256;

// Outputs along one axis in whose windows an input lies or, where windows are dilated, between
// whose ends it lies.
struct PoolCovering {
  PoolAxis axis;
  Divider by;  // the number of inputs where windows are uneven, the stride otherwise

  explicit PoolCovering(const PoolAxis& a) : axis(a), by(a.uneven ? a.in : a.stride) {}

  FASTCONV_GEOMETRY Range outputs(Index i) const {
    if (axis.uneven) {
      // floor(o n / m) <= i < ceil((o+1) n / m), solved for o.
      return {by.quotient(i * axis.out), by.quotient((i + 1) * axis.out + axis.in - 1)};
    }
    const Index reach = i + axis.pad_lo, extent = axis.extent();
    const Index lo = reach < extent ? 0 : by.quotient(reach - extent) + 1;
    return {lo, smaller(axis.out, by.quotient(reach) + 1)};
  }
};

struct PoolGradientTask {
  Elements inputs;
  PoolCovering covering[kAxes];
  PoolWindows windows[kAxes];
  Strides grad, indices, x, result;
  int rows;
  bool count_padding;
  double divisor;  // of all averages alike; 0 where they differ
  double norm;     // of the gradient of a norm; 0 otherwise
};

// The divisor that all outputs share, or 0.
inline double common_divisor(const PoolProblem& p) {
  if (p.divisor_override != 0) return static_cast<double>(p.divisor_override);
  double divisor = 1;
  for (int a = 0; a < kAxes; ++a) {
    const PoolAxis axis = pool_axis(p, a);
    const bool padding = p.count_include_pad && !p.adaptive;
    // Windows in between reach no further out than the first and the last.
    const Index first = pool_count(axis, padding, 0);
    const bool whole =
        first == axis.kernel && pool_count(axis, padding, axis.out - 1) == axis.kernel;
    if (axis.uneven || (!whole && axis.out != 1)) return 0.0;
    divisor *= static_cast<double>(first);
  }
  return divisor;
}

inline PoolGradientTask pool_gradient_task(const PoolProblem& p, const Strides& result,
                                           bool channels_last, int vector, int rows) {
  const PoolAxis axis[] = {pool_axis(p, 0), pool_axis(p, 1), pool_axis(p, 2)};
  return {Elements(p.batch, p.channels, p.in, channels_last, vector, rows),
          {PoolCovering(axis[0]), PoolCovering(axis[1]), PoolCovering(axis[2])},
          {PoolWindows(axis[0]), PoolWindows(axis[1]), PoolWindows(axis[2])},
          p.y,
          p.indices,
          p.x,
          result,
          rows,
          p.count_include_pad && !p.adaptive,
          p.kind == PoolKind::average || p.kind == PoolKind::lp ? common_divisor(p) : 0.0,
          p.kind == PoolKind::lp ? p.norm : 0.0};
}

// Calls visit(place of an output) for every output that covers the element at `i`.
template <class Visit>
__device__ __forceinline__ void each_covering(const Place& i, const Range (&over)[kAxes],
                                              const Visit& visit) {
  Place o = i;
  for (o.at[0] = over[0].lo; o.at[0] < over[0].hi; ++o.at[0]) {
    for (o.at[1] = over[1].lo; o.at[1] < over[1].hi; ++o.at[1]) {
      for (o.at[2] = over[2].lo; o.at[2] < over[2].hi; ++o.at[2]) visit(o);
    }
  }
}

// Calls sum(place, covering ranges, sums) for each row of a thread and stores what it leaves.
template <class T, int kVector, class Sums>
__device__ __forceinline__ void gather_rows(const PoolGradientTask& p, T* to, const Sums& sum) {
  const Index thread = static_cast<Index>(blockIdx.x) * kGradientThreads + threadIdx.x;
  if (thread >= p.inputs.count()) return;
  Place i = p.inputs.place(thread);
  Range over[kAxes];
  over[0] = p.covering[0].outputs(i.at[0]);
  over[2] = p.covering[2].outputs(i.at[2]);
  const Index end = smaller(i.at[1] + p.rows, p.windows[1].axis.in);
  for (; i.at[1] < end; ++i.at[1]) {
    over[1] = p.covering[1].outputs(i.at[1]);
    Acc<T> sums[kVector] = {};
    sum(i, over, sums);
    Pack<T, kVector> out;
#pragma unroll
    for (int v = 0; v < kVector; ++v) out.v[v] = from_acc<T>(sums[v]);
    store_pack<kVector>(to + offset_of(p.result, i), out);
  }
}

template <class A>
__device__ __forceinline__ A output_divisor(const PoolGradientTask& p, const Place& o) {
  A count = 1;
  for (int a = 0; a < kAxes; ++a) {
    const PoolWindows& w = p.windows[a];
    count *= static_cast<A>(w.count(p.count_padding, o.at[a], w.taps(o.at[a])));
  }
  return count;
}

// Averages: each output's gradient (G: T, or its accumulator), divided by its elements, goes to all
// of its window; with kCommon all divide by the same. For norms the gradient is that of the mean,
// and x^(p-1) multiplies what is gathered; x is read then only.
template <class T, class G, int kVector, bool kCommon>
__global__ void __launch_bounds__(kGradientThreads, 2)
    pool_spread(const PoolGradientTask p, const G* __restrict__ grad, const T* __restrict__ x,
                T* __restrict__ to) {
  using A = Acc<T>;
  gather_rows<T, kVector>(p, to, [&](const Place& i, const Range(&over)[kAxes], A(&sums)[kVector]) {
    each_covering(i, over, [&](const Place& o) {
      const Pack<G, kVector> g = load_pack<kVector>(grad + offset_of(p.grad, o));
      if constexpr (kCommon) {
#pragma unroll
        for (int v = 0; v < kVector; ++v) sums[v] += to_acc(g.v[v]);
      } else {
        const A divisor = output_divisor<A>(p, o);
#pragma unroll
        for (int v = 0; v < kVector; ++v) sums[v] += quotient(to_acc(g.v[v]), divisor);
      }
    });
    if constexpr (kCommon) {
#pragma unroll
      for (int v = 0; v < kVector; ++v) sums[v] = quotient(sums[v], static_cast<A>(p.divisor));
    } else if (p.norm != 0.0) {
      sums[0] *= power(to_acc(x[offset_of(p.x, i)]), static_cast<A>(p.norm) - A(1));
    }
  });
}

// Max and min: an output's gradient goes to the input at its index.
template <class T, int kVector>
__global__ void __launch_bounds__(kGradientThreads, 2)
    pool_winners(const PoolGradientTask p, const T* __restrict__ grad,
                 const Index* __restrict__ indices, T* __restrict__ to) {
  using A = Acc<T>;
  constexpr int kPair = kVector == 1 ? 1 : 2;
  gather_rows<T, kVector>(p, to, [&](const Place& i, const Range(&over)[kAxes], A(&sums)[kVector]) {
    const Index mine = (i.at[0] * p.windows[1].axis.in + i.at[1]) * p.windows[2].axis.in + i.at[2];
    each_covering(i, over, [&](const Place& o) {
      const Index* winners = indices + offset_of(p.indices, o);
      const Pack<T, kVector> g = load_pack<kVector>(grad + offset_of(p.grad, o));
#pragma unroll
      for (int v = 0; v < kVector; v += kPair) {
        const Pack<Index, kPair> at = load_pack<kPair>(winners + v);
#pragma unroll
        for (int k = 0; k < kPair; ++k) {
          if (at.v[k] == mine) sums[v + k] += to_acc(g.v[v + k]);
        }
      }
    });
  });
}

// The gradient of a norm with respect to the mean of x^p inside it, from grad: with s the sum of a
// whole window, k s^(1/p - 1), and 0 where s is 0, as relu's derivative makes it in torch.
template <class T>
__global__ void __launch_bounds__(kGradientThreads, 2)
    pool_norm_slopes(const PoolTask p, const Strides slopes_step, const T* __restrict__ x,
                     const T* __restrict__ grad, Acc<T>* __restrict__ slopes) {
  using A = Acc<T>;
  const Index thread = static_cast<Index>(blockIdx.x) * kGradientThreads + threadIdx.x;
  if (thread >= p.outputs.count()) return;
  const Place o = p.outputs.place(thread);
  PoolTaps taps[kAxes];
  for (int a = 0; a < kAxes; ++a) taps[a] = p.windows[a].taps(o.at[a]);
  PowerSum<A> ops[1] = {PowerSum<A>::none()};
  pool_window<T, PowerSum<A>, 1>(p, x + o.batch * p.x.batch + o.channel * p.x.channel, taps, 0, 1,
                                 ops);
  const A sum = scaled_sum(p, ops[0].value, pool_divisor<A>(p, o, taps));
  const A elements = static_cast<A>(p.elements);
  const A slope = sum == A(0) ? A(0) : power(sum, A(1) / static_cast<A>(p.norm) - A(1)) * elements;
  slopes[offset_of(slopes_step, o)] = to_acc(grad[offset_of(p.y, o)]) * slope;
}

// Whether an index is one of the elements of its output's window.
__device__ __forceinline__ bool lies_in_window(const PoolTask& p, const Place& o, Index index) {
  Index rest = index;
  bool inside = index >= 0;
  for (int a = kAxes - 1; a >= 0 && inside; --a) {
    const PoolTaps taps = p.windows[a].taps(o.at[a]);
    const Index size = p.windows[a].axis.in, at = a == 0 ? rest : rest % size;
    rest /= size;
    const Index from = at - taps.first;
    inside = from >= 0 && from % taps.step == 0 && from / taps.step < taps.count;
  }
  return inside;
}

[[maybe_unused]] static __global__ void __launch_bounds__(kGradientThreads)
    pool_check_indices(const PoolTask p, const Index* __restrict__ indices, int* wrong) {
  const Index thread = static_cast<Index>(blockIdx.x) * kGradientThreads + threadIdx.x;
  if (thread >= p.outputs.count()) return;
  const Place o = p.outputs.place(thread);
  if (!lies_in_window(p, o, indices[offset_of(p.indices, o)])) *wrong = 1;
}

}  // namespace fastconv::cuda
