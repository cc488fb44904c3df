// Depthwise convolution of planes, NCHW and any other strides.
//
// A block takes pieces of `planes` planes (image, channel), a power of two of threads for each, and
// keeps their kernels in shared memory as accumulators, from where all threads of a plane read the
// same element at once. Inputs come straight from global memory: neighbouring threads read
// neighbouring elements, and what windows share comes from the first-level cache, so a copy of the
// tile in shared memory would spend the same ports twice.
//
// depthwise_planar: a thread per output; any stride, dilation, rank, transposed or not, only kernel
// elements that meet the input. One load and one shared read per product.
//
// depthwise_rows (stride 1 along rows of the plane, forward): a thread takes kRows outputs one
// below another, `dilation` apart, so that each input that it loads serves up to kRows sums: with 3
// x 3 and four rows 18 loads for 36 products, with 31 x 31 and eight rows one load for about seven.
// Kernel heights 3, 5 and 7 are unrolled; others run with bounds checked for the first and last
// rows only.
//
// filter_planar: a thread per output of an image filter, whose boundary continues the input.
//
// depthwise_planar loses against depthwise_rows by the reuse where both can; all of them lose where
// channels lie side by side (depthwise_channels.cuh).
//
// Not yet run on hardware.
#pragma once

#include "cuda/kernels/depthwise.cuh"

namespace fastconv::cuda {

// How blocks cut planes of `items` work items: `planes` of them side by side, `tiles` blocks for
// each.
struct PlaneBlocks {
  Index items, all_planes;
  int planes, lanes;  // planes * lanes threads
  Divider tiles;
};

inline PlaneBlocks plane_blocks(Index items, Index all_planes, Index taps, Index element) {
  PlaneBlocks b{items, all_planes, 1, kDepthwiseThreads, Divider()};
  while (b.lanes > 8 && b.lanes / 2 >= items && 2 * b.planes * taps * element <= kDepthwiseShared) {
    b.lanes /= 2;
    b.planes *= 2;
  }
  b.tiles = Divider(larger(1, ceil_div(items, b.lanes)));
  return b;
}

// A thread's plane and work item, after it has helped to put the kernels of the block's planes into
// shared memory.
template <class T>
struct PlaneThread {
  Index batch, channel, item;
  const Acc<T>* w;
  const T* x;
  bool exists;

  __device__ __forceinline__ PlaneThread(const DepthwiseTask& t, const PlaneBlocks& b,
                                         const T* w_in, const T* x_in) {
    const Quotient block = b.tiles.divide(blockIdx.x);
    const Index first = block.quotient * b.planes;
    const int slot = static_cast<int>(threadIdx.x) / b.lanes;
    const int lane = static_cast<int>(threadIdx.x) % b.lanes;
    Acc<T>* kernels = shared_memory<Acc<T>>();
    const Index plane = first + slot;
    const Quotient at = t.channels.divide(plane);
    exists = plane < b.all_planes;
    if (exists) {
      for (Index tap = lane; tap < t.taps; tap += b.lanes) {
        kernels[slot * t.taps + tap] = depthwise_weight(t, w_in, at.remainder, tap);
      }
    }
    __syncthreads();
    batch = at.quotient;
    channel = at.remainder;
    item = block.remainder * b.lanes + lane;
    exists = exists && item < b.items;
    w = kernels + slot * t.taps;
    x = x_in + batch * t.p.x.batch + t.multiplier.quotient(channel) * t.p.x.channel;
  }
};

// The position of a plane's work item number `i`.
struct PlaneSplit {
  Divider rows, cols;
  FASTCONV_GEOMETRY Place place(Index batch, Index channel, Index i) const {
    const Quotient col = cols.divide(i), row = rows.divide(col.quotient);
    return {batch, channel, {row.quotient, row.remainder, col.remainder}};
  }
};

template <class T>
__global__ void __launch_bounds__(kDepthwiseThreads, 2)
    depthwise_planar(const DepthwiseTask t, const PlaneBlocks blocks, const PlaneSplit split,
                     const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ bias,
                     T* __restrict__ y) {
  const PlaneThread<T> thread(t, blocks, w, x);
  if (!thread.exists) return;
  const Place o = split.place(thread.batch, thread.channel, thread.item);
  Walk walk[kAxes];
  Index x_step[kAxes], w_step[kAxes];
  Index weight = 0, from = 0, step = 1;
#pragma unroll
  for (int a = kAxes - 1; a >= 0; --a) {
    walk[a] = t.axis[a].walk(o.at[a]);
    x_step[a] = t.axis[a].at_step * t.p.x.spatial[a];
    w_step[a] = t.axis[a].tap_step * step;
    from += walk[a].at * t.p.x.spatial[a];
    weight += walk[a].tap * step;
    step *= t.p.kernel[a];
  }
  Acc<T> sum = 0;
  for (Index d = 0; d < walk[0].count; ++d) {
    for (Index r = 0; r < walk[1].count; ++r) {
      const T* input = thread.x + from + d * x_step[0] + r * x_step[1];
      const Acc<T>* element = thread.w + weight + d * w_step[0] + r * w_step[1];
#pragma unroll 4
      for (Index s = 0; s < walk[2].count; ++s) {
        sum += to_acc(*input) * *element;
        input += x_step[2];
        element += w_step[2];
      }
    }
  }
  y[offset_of(t.p.y, o)] = depthwise_result(t, bias, o.channel, sum);
}

// The sums of kRows outputs below one another: input row i serves output r through kernel row i -
// r. kTaps: kernel rows, 0 where they are known at run time only.
template <class T, int kTaps, int kRows>
struct RowSums {
  using A = Acc<T>;
  A sum[kRows] = {};

  template <bool kChecked>
  __device__ __forceinline__ void add(A x, const A* w, Index i, Index taps, Index pitch) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (!kChecked || (i >= r && i - r < taps)) sum[r] += x * w[(i - r) * pitch];
    }
  }
  // One column of the kernel. `row` is the first input row, of `in`; `step` apart.
  __device__ __forceinline__ void column(const T* x, Index x_step, const A* w, Index taps,
                                         Index pitch, Index row, Index step, Index in) {
    if constexpr (kTaps > 0) {
      A weights[kTaps];
#pragma unroll
      for (int k = 0; k < kTaps; ++k) weights[k] = w[k * pitch];
#pragma unroll
      for (int i = 0; i < kTaps + kRows - 1; ++i) {
        const Index at = row + i * step;
        if (at < 0 || at >= in) continue;
        const A value = to_acc(x[i * x_step]);
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          if (i >= r && i - r < kTaps) sum[r] += value * weights[i - r];
        }
      }
    } else {
      for (Index i = 0; i < taps + kRows - 1; ++i) {
        const Index at = row + i * step;
        if (at < 0 || at >= in) continue;
        const A value = to_acc(x[i * x_step]);
        if (i >= kRows - 1 && i < taps) {
          add<false>(value, w, i, taps, pitch);
        } else {
          add<true>(value, w, i, taps, pitch);
        }
      }
    }
  }
};

// Work items are (row group, residue of the row modulo the dilation, column) of one depth.
template <class T, int kTaps, int kRows>
__global__ void __launch_bounds__(kDepthwiseThreads, 2)
    depthwise_rows(const DepthwiseTask t, const PlaneBlocks blocks, const PlaneSplit split,
                   const Divider residues, const T* __restrict__ x, const T* __restrict__ w,
                   const T* __restrict__ bias, T* __restrict__ y) {
  const PlaneThread<T> thread(t, blocks, w, x);
  if (!thread.exists) return;
  Place o = split.place(thread.batch, thread.channel, thread.item);
  const Quotient group = residues.divide(o.at[1]);
  const Index step = t.p.dilation[1];
  o.at[1] = group.quotient * kRows * step + group.remainder;
  const Index top = o.at[1] - t.p.pad_lo[1], plane = t.p.kernel[1] * t.p.kernel[2];
  const Walk depth = t.axis[0].walk(o.at[0]), cols = t.axis[2].walk(o.at[2]);
  RowSums<T, kTaps, kRows> sums;
  for (Index d = 0; d < depth.count; ++d) {
    const T* from = thread.x + (depth.at + d * t.axis[0].at_step) * t.p.x.spatial[0] +
                    top * t.p.x.spatial[1] + cols.at * t.p.x.spatial[2];
    const Acc<T>* kernel = thread.w + (depth.tap + d) * plane + cols.tap;
    for (Index s = 0; s < cols.count; ++s) {
      sums.column(from, step * t.p.x.spatial[1], kernel, t.p.kernel[1], t.p.kernel[2], top, step,
                  t.p.in[1]);
      from += t.axis[2].at_step * t.p.x.spatial[2];
      ++kernel;
    }
  }
  T* to = y + offset_of(t.p.y, o);
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (o.at[1] + r * step >= t.p.out[1]) break;
    to[r * step * t.p.y.spatial[1]] = depthwise_result(t, bias, o.channel, sums.sum[r]);
  }
}

template <class T>
__global__ void __launch_bounds__(kDepthwiseThreads, 2)
    filter_planar(const DepthwiseTask t, const PlaneBlocks blocks, const PlaneSplit split,
                  const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ bias,
                  T* __restrict__ y) {
  using A = Acc<T>;
  const PlaneThread<T> thread(t, blocks, w, x);
  if (!thread.exists) return;
  const ConvProblem& p = t.p;
  const Place o = split.place(thread.batch, thread.channel, thread.item);
  const A fill = static_cast<A>(p.fill_value);
  const A* element = thread.w;
  Index start[kAxes];
  for (int a = 0; a < kAxes; ++a) start[a] = o.at[a] * p.stride[a] - p.pad_lo[a];
  A sum = 0;
  for (Index d = 0; d < p.kernel[0]; ++d) {
    const Index depth = boundary_index(start[0] + d * p.dilation[0], p.in[0], p.boundary);
    for (Index r = 0; r < p.kernel[1]; ++r) {
      const Index line = boundary_index(start[1] + r * p.dilation[1], p.in[1], p.boundary);
      const T* row = thread.x + depth * p.x.spatial[0] + line * p.x.spatial[1];
      for (Index s = 0; s < p.kernel[2]; ++s) {
        const Index col =
            boundary_sample(start[2] + s * p.dilation[2], p.in[2], p.samples_per_pixel, p.boundary);
        const bool constant = depth < 0 || line < 0 || col < 0;
        sum += (constant ? fill : to_acc(row[col * p.x.spatial[2]])) * *element++;
      }
    }
  }
  y[offset_of(p.y, o)] = depthwise_result(t, bias, o.channel, sum);
}

}  // namespace fastconv::cuda
