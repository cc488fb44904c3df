// Poolings of every kind, windows, boundary rule and memory layout.
//
// pool_outputs: a thread per output, or, where channels lie side by side, per 16 bytes of channels;
// it may take several output rows, so that what follows from its column is computed once.
// Accumulators stay in registers; neighbouring threads read neighbouring memory, and the
// first-level cache serves the elements that windows share. Copying a tile to shared memory would
// move as many bytes through the same ports and add a barrier. It loses where windows are large and
// far apart along a row (global pooling of planes): neighbouring threads then read far-apart rows.
//
// pool_windows takes these: a warp, or for long rows a block, per output, lanes along the window's
// rows; partial results meet in a fixed tree of shuffles, then in shared memory in the order of the
// warps. pool_window_channels does it for channels-last tensors: lanes along channels, the warps of
// a block along the window. They lose where windows overlap, whose elements they read again.
//
// Not yet run on hardware.
#pragma once

#include "cuda/kernels/pool_window.cuh"

namespace fastconv::cuda {

inline constexpr int kPoolThreads = 256, kPoolWarps = kPoolThreads / 32;

template <class T, class Op, int kVector>
__device__ __forceinline__ void store_pooled(const PoolTask& p, const Op (&ops)[kVector],
                                             const Place& o, const PoolTaps (&taps)[kAxes], T* y,
                                             Index* indices) {
  Pack<T, kVector> out;
#pragma unroll
  for (int v = 0; v < kVector; ++v) out.v[v] = from_acc<T>(pool_result(p, ops[v], o, taps));
  store_pack<kVector>(y + offset_of(p.y, o), out);
  if constexpr (Op::kIndices) {
    if (indices == nullptr) return;
    Index* to = indices + offset_of(p.indices, o);
    if constexpr (kVector == 1) {
      *to = ops[0].at;
    } else {
#pragma unroll
      for (int v = 0; v < kVector; v += 2) {
        store_pack<2>(to + v, Pack<Index, 2>{{ops[v].at, ops[v + 1].at}});
      }
    }
  }
}

template <class T, class Op, int kVector>
__global__ void __launch_bounds__(kPoolThreads, 2)
    pool_outputs(const PoolTask p, const T* __restrict__ x, T* __restrict__ y,
                 Index* __restrict__ indices) {
  const Index thread = static_cast<Index>(blockIdx.x) * kPoolThreads + threadIdx.x;
  if (thread >= p.outputs.count()) return;
  Place o = p.outputs.place(thread);
  PoolTaps taps[kAxes];
  taps[0] = p.windows[0].taps(o.at[0]);
  taps[2] = p.windows[2].taps(o.at[2]);
  const T* plane = x + o.batch * p.x.batch + o.channel * p.x.channel;
  const Index end = smaller(o.at[1] + p.rows, p.windows[1].axis.out);
  for (; o.at[1] < end; ++o.at[1]) {
    taps[1] = p.windows[1].taps(o.at[1]);
    Op ops[kVector];
#pragma unroll
    for (int v = 0; v < kVector; ++v) ops[v] = Op::none();
    pool_window<T, Op, kVector>(p, plane, taps, 0, 1, ops);
    store_pooled(p, ops, o, taps, y, indices);
  }
}

// Merges the states of a warp's lanes; lane 0 has the result.
template <class Op>
__device__ __forceinline__ Op merge_lanes(Op op) {
#pragma unroll
  for (int by = 16; by > 0; by /= 2) {
    Op other = op;
    other.value = __shfl_down_sync(0xffffffffu, op.value, by);
    if constexpr (Op::kIndices) other.at = __shfl_down_sync(0xffffffffu, op.at, by);
    op.merge(other);
  }
  return op;
}

// A block has kPoolWarps warps, `warps` of them for each output.
template <class T, class Op>
__global__ void __launch_bounds__(kPoolThreads, 2)
    pool_windows(const PoolTask p, int warps, const T* __restrict__ x, T* __restrict__ y,
                 Index* __restrict__ indices) {
  Op* parts = shared_memory<Op>();
  const int warp = warp_index(), lane = lane_index(), part = warp % warps;
  const Index output = static_cast<Index>(blockIdx.x) * (kPoolWarps / warps) + warp / warps;
  const bool exists = output < p.outputs.count();
  const Place o = p.outputs.place(exists ? output : 0);
  PoolTaps taps[kAxes];
  for (int a = 0; a < kAxes; ++a) taps[a] = p.windows[a].taps(o.at[a]);
  Op ops[1] = {Op::none()};
  pool_window<T, Op, 1>(p, x + o.batch * p.x.batch + o.channel * p.x.channel, taps,
                        part * 32 + lane, 32 * warps, ops);
  ops[0] = merge_lanes(ops[0]);
  if (warps > 1) {
    if (lane == 0) parts[warp] = ops[0];
    __syncthreads();
    for (int i = 1; i < warps && part == 0; ++i) ops[0].merge(parts[warp + i]);
  }
  if (exists && part == 0 && lane == 0) store_pooled(p, ops, o, taps, y, indices);
}

// `blocks`: of 32 channels, per position.
template <class T, class Op>
__global__ void __launch_bounds__(kPoolThreads, 2)
    pool_window_channels(const PoolTask p, const Elements blocks, const T* __restrict__ x,
                         T* __restrict__ y, Index* __restrict__ indices) {
  Op* parts = shared_memory<Op>();
  const int warp = warp_index(), lane = lane_index();
  Place o = blocks.place(blockIdx.x);
  o.channel = o.channel * 32 + lane;
  const bool exists = o.channel < p.channels;
  PoolTaps taps[kAxes];
  for (int a = 0; a < kAxes; ++a) taps[a] = p.windows[a].taps(o.at[a]);
  Op ops[1] = {Op::none()};
  if (exists) {
    pool_window<T, Op, 1>(p, x + o.batch * p.x.batch + o.channel * p.x.channel, taps, warp,
                          kPoolWarps, ops);
  }
  parts[threadIdx.x] = ops[0];
  __syncthreads();
  if (warp != 0 || !exists) return;
  for (int i = 1; i < kPoolWarps; ++i) ops[0].merge(parts[i * 32 + lane]);
  store_pooled(p, ops, o, taps, y, indices);
}

}  // namespace fastconv::cuda
