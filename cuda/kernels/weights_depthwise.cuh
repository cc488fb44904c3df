// The gradient of a depthwise convolution's weight:
//
//   w[k, t] = sum over images n and outputs o of  grad[n, k, o] * x[n, c, o*S + t*D - P]
//
// A block sums a tile of kRows x kCols kernel elements of one output channel (32 where channels lie
// side by side) over one part of the pixels of all images: each thread takes every so-many-th
// pixel, loads its gradient once and adds its products with the inputs to kRows*kCols sums in
// registers. Neighbouring threads read neighbouring pixels, or channels. Then the sums of the
// block's threads meet in shared memory in a fixed order, and a second kernel adds the parts in
// theirs, so results are the same every time. Padding is skipped, not multiplied.
//
// A product of matrices, which takes any group, would have one row here. It loses for large
// kernels, since every tile reads both tensors again, mostly from the second-level cache.
//
// Not yet run on hardware.
#pragma once

#include "cuda/kernels/elements.cuh"

namespace fastconv::cuda {

inline constexpr int kDepthwiseWeightThreads = 256, kDepthwiseWeightSteps = 16;

struct DepthwiseWeightTask {
  ConvProblem p;
  Elements pixels;        // of all images
  Index parts, per_part;  // pixels
  int width;              // channels of a block, 1 or 32
  Divider channel_blocks, row_tiles, col_tiles, multiplier;
};

// Elements of shared memory for depthwise_sums.
FASTCONV_GEOMETRY int depthwise_room(int taps) {
  return taps * (kDepthwiseWeightThreads + kDepthwiseWeightSteps);
}

// Adds what the threads of a block have for each of kTaps kernel elements, in the same order every
// time: threads whose numbers agree modulo `width` belong to one channel. Calls
// visit(kernel element, channel of the block, sum). All kernel elements meet in the same two steps,
// so that a block waits twice and not once for each halving of each.
template <class A, int kTaps, class Visit>
__device__ __forceinline__ void depthwise_sums(const A (&sums)[kTaps], int width, A* room,
                                               const Visit& visit) {
  constexpr int kThreads = kDepthwiseWeightThreads, kSteps = kDepthwiseWeightSteps;
  const int thread = static_cast<int>(threadIdx.x), slots = kThreads / width;
  const int groups = width == 1 ? kSteps : 1;  // sums of each channel in the first step
  A* second = room + kTaps * kThreads;
#pragma unroll
  for (int k = 0; k < kTaps; ++k) room[k * kThreads + thread] = sums[k];
  __syncthreads();
  for (int i = thread; i < kTaps * width * groups; i += kThreads) {
    const int tap = i / (width * groups), column = i % (width * groups);
    A sum = 0;
    for (int slot = 0; slot < slots / groups; ++slot) {
      sum += room[tap * kThreads + slot * width * groups + column];
    }
    if (groups == 1) {
      visit(tap, column, sum);
    } else {
      second[i] = sum;
    }
  }
  if (groups == 1) return;
  __syncthreads();
  if (thread >= kTaps) return;
  A sum = 0;
  for (int g = 0; g < kSteps; ++g) sum += second[thread * kSteps + g];
  visit(thread, 0, sum);
}

// Blocks are (part, tile of the kernel, block of channels), channels fastest. Partial sums are
// [part][channel][kernel element].
template <class T, int kRows, int kCols>
__global__ void __launch_bounds__(kDepthwiseWeightThreads, 2)
    depthwise_weights(const DepthwiseWeightTask t, const T* __restrict__ x,
                      const T* __restrict__ grad, Acc<T>* __restrict__ partial) {
  using A = Acc<T>;
  const ConvProblem& p = t.p;
  A* room = shared_memory<A>();
  const Quotient block = t.channel_blocks.divide(blockIdx.x);
  const Quotient col_tile = t.col_tiles.divide(block.quotient);
  const Quotient row_tile = t.row_tiles.divide(col_tile.quotient);
  const Index part = row_tile.quotient / p.kernel[0], depth = row_tile.quotient % p.kernel[0];
  const Index first_row = row_tile.remainder * kRows, first_col = col_tile.remainder * kCols;

  const int lane = static_cast<int>(threadIdx.x) % t.width;
  const int slot = static_cast<int>(threadIdx.x) / t.width;
  const int slots = kDepthwiseWeightThreads / t.width;
  const Index channel = block.remainder * t.width + lane;
  const bool exists = channel < p.out_channels;
  const Index end = exists ? smaller(t.pixels.count(), (part + 1) * t.per_part) : 0;
  const T* from = x + t.multiplier.quotient(exists ? channel : 0) * p.x.channel;
  const T* gradient = grad + (exists ? channel : 0) * p.y.channel;

  A sums[kRows * kCols] = {};
  for (Index i = part * t.per_part + slot; i < end; i += slots) {
    const Place o = t.pixels.place(i);
    const Index z = o.at[0] * p.stride[0] + depth * p.dilation[0] - p.pad_lo[0];
    if (z < 0 || z >= p.in[0]) continue;
    const Index y = o.at[1] * p.stride[1] + first_row * p.dilation[1] - p.pad_lo[1];
    const Index left = o.at[2] * p.stride[2] + first_col * p.dilation[2] - p.pad_lo[2];
    const A g = to_acc(gradient[offset_of(p.y, o)]);
    const T* corner = from + o.batch * p.x.batch + z * p.x.spatial[0] + y * p.x.spatial[1] +
                      left * p.x.spatial[2];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const Index line = y + r * p.dilation[1];
      if (line < 0 || line >= p.in[1] || first_row + r >= p.kernel[1]) continue;
#pragma unroll
      for (int c = 0; c < kCols; ++c) {
        const Index col = left + c * p.dilation[2];
        if (col < 0 || col >= p.in[2] || first_col + c >= p.kernel[2]) continue;
        sums[r * kCols + c] +=
            g *
            to_acc(corner[r * p.dilation[1] * p.x.spatial[1] + c * p.dilation[2] * p.x.spatial[2]]);
      }
    }
  }
  depthwise_sums(sums, t.width, room, [&](int tap, int column, A sum) {
    const Index row = first_row + tap / kCols, col = first_col + tap % kCols;
    const Index of = block.remainder * t.width + column;
    if (row >= p.kernel[1] || col >= p.kernel[2] || of >= p.out_channels) return;
    partial[((part * p.out_channels + of) * p.kernel[0] + depth) * p.kernel[1] * p.kernel[2] +
            row * p.kernel[2] + col] = sum;
  });
}

// A thread per weight adds the parts in their order.
template <class T>
__global__ void __launch_bounds__(kDepthwiseWeightThreads)
    depthwise_weights_add(const ConvProblem p, Index parts, const Acc<T>* __restrict__ partial,
                          T* __restrict__ w) {
  const Index taps = p.kernel.product(), count = p.out_channels * taps;
  const Index i = static_cast<Index>(blockIdx.x) * kDepthwiseWeightThreads + threadIdx.x;
  if (i >= count) return;
  Acc<T> sum = 0;
  for (Index part = 0; part < parts; ++part) sum += partial[part * count + i];
  const Index tap = i % taps, line = tap / p.kernel[2];
  w[i / taps * p.w.batch + line / p.kernel[1] * p.w.spatial[0] +
    line % p.kernel[1] * p.w.spatial[1] + tap % p.kernel[2] * p.w.spatial[2]] = from_acc<T>(sum);
}

}  // namespace fastconv::cuda
