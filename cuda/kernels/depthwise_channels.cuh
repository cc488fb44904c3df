// Depthwise convolution where channels lie side by side, NHWC: lanes along channels.
//
// A block holds the kernels of its channels in shared memory as accumulators, element by element,
// so that a lane reads those of its channels as one or two words. A thread computes kCols outputs
// next to each other for 16 bytes of channels: each word of the kernel serves kCols products per
// channel, and neighbours' inputs come from the first-level cache. A block goes on to further
// pixels with the same kernels, so that loading them costs little.
//
// kCols is 4 for convolutions; 1 for transposed ones, whose neighbours meet other kernel elements,
// and where rows are short. kVector is 1 where channels do not make words of 16 bytes.
//
// It loses for kernels from about 7 x 7 on, where reads from the cache, not from memory, set the
// pace.
//
// Not yet run on hardware.
#pragma once

#include "cuda/kernels/depthwise.cuh"
#include "cuda/kernels/pack.cuh"

namespace fastconv::cuda {

struct ChannelBlocks {
  Elements pixels;  // groups of outputs along a row
  int lanes;        // along channels; a power of two
  int repeats;      // pixel groups of a thread
  Divider blocks;   // of channels
};

template <class A, int kCount>
__device__ __forceinline__ void read_words(const A* from, A (&to)[kCount]) {
  constexpr int kWord = kCount * sizeof(A) >= kPackBytes ? kPackBytes / sizeof(A) : kCount;
#pragma unroll
  for (int i = 0; i < kCount; i += kWord) {
    const Pack<A, kWord> word = load_pack<kWord>(from + i);
#pragma unroll
    for (int v = 0; v < kWord; ++v) to[i + v] = word.v[v];
  }
}

template <class T, int kVector, int kCols>
__global__ void __launch_bounds__(kDepthwiseThreads, 2)
    depthwise_channels(const DepthwiseTask t, const ChannelBlocks b, const T* __restrict__ x,
                       const T* __restrict__ w, const T* __restrict__ bias, T* __restrict__ y) {
  using A = Acc<T>;
  const ConvProblem& p = t.p;
  A* kernels = shared_memory<A>();
  const int width = b.lanes * kVector, threads = kDepthwiseThreads;
  const Quotient block = b.blocks.divide(blockIdx.x);
  const Index first = block.remainder * width;
  for (Index i = threadIdx.x; i < t.taps * width; i += threads) {
    const Index c = i / t.taps, tap = i % t.taps;
    if (first + c < p.out_channels) {
      kernels[tap * width + c] = depthwise_weight(t, w, first + c, tap);
    }
  }
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % b.lanes;
  const int slot = static_cast<int>(threadIdx.x) / b.lanes, slots = threads / b.lanes;
  const Index channel = first + lane * kVector;
  if (channel >= p.out_channels) return;
  const A* mine = kernels + lane * kVector;
  for (int repeat = 0; repeat < b.repeats; ++repeat) {
    const Index pixel = (block.quotient * b.repeats + repeat) * slots + slot;
    if (pixel >= b.pixels.count()) return;
    Place o = b.pixels.place(pixel);
    o.at[2] *= kCols;
    o.channel = channel;
    const Walk depth = t.axis[0].walk(o.at[0]), rows = t.axis[1].walk(o.at[1]);
    // Of several outputs each kernel element is asked whether it meets the input.
    Walk cols = t.axis[2].walk(o.at[2]);
    if (kCols > 1) {
      cols = {0, o.at[2] * p.stride[2] - p.pad_lo[2], p.kernel[2]};
    }
    A sums[kCols][kVector] = {};
    const T* plane = x + o.batch * p.x.batch + channel * p.x.channel;
    for (Index d = 0; d < depth.count; ++d) {
      for (Index r = 0; r < rows.count; ++r) {
        const T* line = plane + (depth.at + d * t.axis[0].at_step) * p.x.spatial[0] +
                        (rows.at + r * t.axis[1].at_step) * p.x.spatial[1];
        const Index row_tap = ((depth.tap + d * t.axis[0].tap_step) * p.kernel[1] + rows.tap +
                               r * t.axis[1].tap_step) *
                              p.kernel[2];
        for (Index s = 0; s < cols.count; ++s) {
          A weights[kVector];
          read_words(mine + (row_tap + cols.tap + s * t.axis[2].tap_step) * width, weights);
          const Index at = cols.at + s * t.axis[2].at_step;
#pragma unroll
          for (int c = 0; c < kCols; ++c) {
            const Index col = at + c * p.stride[2];
            if (kCols > 1 && (col < 0 || col >= p.in[2])) continue;
            const Pack<T, kVector> values = load_pack<kVector>(line + col * p.x.spatial[2]);
#pragma unroll
            for (int v = 0; v < kVector; ++v) sums[c][v] += to_acc(values.v[v]) * weights[v];
          }
        }
      }
    }
    T* to = y + offset_of(p.y, o);
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      if (o.at[2] + c >= p.out[2]) break;
      Pack<T, kVector> out;
#pragma unroll
      for (int v = 0; v < kVector; ++v) {
        out.v[v] = depthwise_result(t, bias, channel + v, sums[c][v]);
      }
      store_pack<kVector>(to + c * p.y.spatial[2], out);
    }
  }
}

}  // namespace fastconv::cuda
