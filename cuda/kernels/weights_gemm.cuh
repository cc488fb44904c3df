// Weight gradient as an implicit matrix product: rows are the output channels of a group, columns
// its input channels times the kernel elements, terms the pixels of all images.
//
// Grid: tiles of rows fastest, tiles of columns, groups; along y the parts of the pixels, whose
// sums go to the workspace and are added in order by a second kernel: no atomics, the same bits
// every time. Loop of a block: steps of `k` pixels through two buffers in shared memory, sums in
// registers (see gemm_tile.cuh). The columns' offsets stand in a table for the whole block, the
// pixels' positions in one that is filled two steps ahead.
//
// Lanes load along pixels (NCHW), or along channels where these lie side by side in both arrays. It
// loses where a group has few channels: most of a tile then is empty, and weights_direct.cuh takes
// over. Not yet run on hardware.
#pragma once

#include "cuda/kernels/conv_gemm.cuh"
#include "cuda/kernels/weight_sum.cuh"

namespace fastconv::cuda {

struct WeightsGemm {
  int channels, out_channels;  // of a group
  int x_channel;
  int taps, columns;
  int row_tiles, column_tiles;
  Index pixels;
  int parts;
  Index steps_per_part;
  bool padded;
  bool reads_channels;  // columns run over channels first, then kernel elements
};

// Column n as input channel and kernel element.
struct WeightColumn {
  int channel, tap;
};
__device__ __forceinline__ WeightColumn weight_column(const WeightsGemm& g, int n) {
  if (g.reads_channels) return {n % g.channels, n / g.channels};
  return {n / g.taps, n % g.taps};
}

template <class T, class Tile, bool kReadsChannels>
struct WeightsLoader {
  using A = typename Tile::Sum;
  static constexpr int kX = Tile::k * Tile::n / Tile::threads;
  static constexpr int kGrad = Tile::k * Tile::m / Tile::threads;

  const WeightsGemm& g;
  const T* x;
  const T* grad;
  const GemmTap* columns;
  Index grad_channel;
  const int in_depth, in_rows, in_cols;
  int first_row;
  GemmTap column;  // the only one, where lanes run along columns
  T x_values[kX], grad_values[kGrad];

  __device__ WeightsLoader(const WeightsGemm& gemm, const ConvProblem& p, const T* x_,
                           const T* grad_, const GemmTap* columns_, int row)
      : g(gemm),
        x(x_),
        grad(grad_),
        columns(columns_),
        grad_channel(p.y.channel),
        in_depth(static_cast<int>(p.in[0])),
        in_rows(static_cast<int>(p.in[1])),
        in_cols(static_cast<int>(p.in[2])),
        first_row(row) {
    if (kReadsChannels) column = columns[static_cast<int>(threadIdx.x) % Tile::n];
  }

  __device__ __forceinline__ T x_value(const GemmPixel& at, const GemmTap& to) const {
    T value = from_acc<T>(A(0));
    const bool inside =
        static_cast<unsigned>(at.col + to.col) < static_cast<unsigned>(in_cols) &&
        static_cast<unsigned>(at.row + to.row) < static_cast<unsigned>(in_rows) &&
        static_cast<unsigned>(at.depth + to.depth) < static_cast<unsigned>(in_depth);
    if (inside) value = x[at.x + to.x];
    return value;
  }
  __device__ __forceinline__ T grad_value(const GemmPixel& at, int row) const {
    T value = from_acc<T>(A(0));
    if (at.col != kNoPixel && row < g.out_channels) value = grad[at.y + row * grad_channel];
    return value;
  }

  // Starts to load the step whose pixels are given.
  __device__ __forceinline__ void fetch(const GemmPixel* pixels) {
    const int thread = static_cast<int>(threadIdx.x);
    if (kReadsChannels) {
#pragma unroll
      for (int i = 0; i < kX; ++i) {
        x_values[i] = x_value(pixels[thread / Tile::n * kX + i], column);
      }
#pragma unroll
      for (int i = 0; i < kGrad; ++i) {
        grad_values[i] =
            grad_value(pixels[thread / Tile::m * kGrad + i], first_row + thread % Tile::m);
      }
      return;
    }
    const GemmPixel pixel = pixels[thread % Tile::k];
#pragma unroll
    for (int i = 0; i < kX; ++i) {
      x_values[i] = x_value(pixel, columns[thread / Tile::k + i * (Tile::threads / Tile::k)]);
    }
#pragma unroll
    for (int i = 0; i < kGrad; ++i) {
      grad_values[i] =
          grad_value(pixel, first_row + thread / Tile::k + i * (Tile::threads / Tile::k));
    }
  }

  __device__ __forceinline__ void put(A* a, A* b) const {
    const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < kX; ++i) {
      const int term = kReadsChannels ? thread / Tile::n * kX + i : thread % Tile::k;
      const int n =
          kReadsChannels ? thread % Tile::n : thread / Tile::k + i * (Tile::threads / Tile::k);
      b[term * Tile::pitch_n + n] = to_acc(x_values[i]);
    }
#pragma unroll
    for (int i = 0; i < kGrad; ++i) {
      const int term = kReadsChannels ? thread / Tile::m * kGrad + i : thread % Tile::k;
      const int m =
          kReadsChannels ? thread % Tile::m : thread / Tile::k + i * (Tile::threads / Tile::k);
      a[term * Tile::pitch_m + m] = to_acc(grad_values[i]);
    }
  }
};

template <class Tile>
constexpr std::size_t weights_shared_bytes() {
  return Tile::shared * sizeof(typename Tile::Sum) + 2 * Tile::k * sizeof(GemmPixel) +
         Tile::n * sizeof(GemmTap);
}

template <class T, class Tile, bool kReadsChannels>
__global__ void __launch_bounds__(Tile::threads, 3)
    weights_gemm(const __grid_constant__ WeightsGemm g, const __grid_constant__ ConvProblem p,
                 const T* __restrict__ x, const T* __restrict__ grad,
                 Acc<T>* __restrict__ partial) {
  using A = Acc<T>;
  A* const buffers = shared_memory<A>();
  GemmPixel* const pixels = reinterpret_cast<GemmPixel*>(buffers + Tile::shared);
  GemmTap* const columns = reinterpret_cast<GemmTap*>(pixels + 2 * Tile::k);
  __shared__ AxisPhase axis[kAxes];
  const int thread = static_cast<int>(threadIdx.x);

  const Index tile = quotient(blockIdx.x, g.row_tiles);
  const int first_row = static_cast<int>(blockIdx.x - tile * g.row_tiles) * Tile::m;
  const Index group = quotient(tile, g.column_tiles);
  const int first_column = static_cast<int>(tile - group * g.column_tiles) * Tile::n;
  const Index first_step = static_cast<Index>(blockIdx.y) * g.steps_per_part;
  const Index all_steps = ceil_div(g.pixels, Tile::k);
  const Index steps = smaller(g.steps_per_part, all_steps - first_step);

  // The columns' offsets, and the pixels of the first two steps.
  if (thread < kAxes) axis[thread] = axis_phase(p, thread, 0);
  __syncthreads();
  for (int n = thread; n < Tile::n; n += Tile::threads) {
    columns[n] = {0, 0, 0, 0, kNoPixel};
    if (first_column + n >= g.columns) continue;
    const WeightColumn at = weight_column(g, first_column + n);
    const int cols = static_cast<int>(axis[2].taps), rows = static_cast<int>(axis[1].taps);
    const int tap[kAxes] = {at.tap / (cols * rows), at.tap / cols % rows, at.tap % cols};
    Index offset = static_cast<Index>(at.channel) * g.x_channel;
    for (int a = 0; a < kAxes; ++a) offset += axis[a].offset(tap[a]) * p.x.spatial[a];
    columns[n] = {static_cast<int>(offset), 0, static_cast<short>(axis[0].offset(tap[0])),
                  static_cast<short>(axis[1].offset(tap[1])),
                  static_cast<int>(axis[2].offset(tap[2]))};
  }
  fill_pixels(p, axis, first_step * Tile::k, g.pixels, 2 * Tile::k, pixels);
  __syncthreads();

  // Sums.
  GemmThread<Tile> sums;
  WeightsLoader<T, Tile, kReadsChannels> loader(g, p, x + group * g.channels * p.x.channel,
                                                grad + group * g.out_channels * p.y.channel,
                                                columns, first_row);
  if (steps > 0) {
    loader.fetch(pixels);
    loader.put(buffers, buffers + Tile::k * Tile::pitch_m);
    __syncthreads();
    for (Index step = 0; step < steps; ++step) {
      A* const now = buffers + (step & 1) * Tile::buffer;
      A* const next = buffers + ((step + 1) & 1) * Tile::buffer;
      if (step + 1 < steps) loader.fetch(pixels + ((step + 1) & 1) * Tile::k);
      fill_pixels(p, axis, (first_step + step + 2) * Tile::k, g.pixels, Tile::k,
                  pixels + (step & 1) * Tile::k);
      sums.multiply(now, now + Tile::k * Tile::pitch_m);
      if (step + 1 < steps) loader.put(next, next + Tile::k * Tile::pitch_m);
      __syncthreads();
    }
  }

  // Partial results.
  A* const to = partial + (blockIdx.y * p.groups + group) * g.out_channels * Index{g.columns};
#pragma unroll
  for (int i = 0; i < Tile::thread_m; ++i) {
    const int row = first_row + sums.m(i);
#pragma unroll
    for (int j = 0; j < Tile::thread_n; ++j) {
      const int column = first_column + sums.n(j);
      if (row < g.out_channels && column < g.columns) {
        to[static_cast<Index>(row) * g.columns + column] = sums.sum[i][j];
      }
    }
  }
}

// Adds the parts of every weight in order. A NaN of an element that meets padding may come from an
// infinite gradient times a zero of padding: it is summed again without.
template <class T>
__global__ void weights_add(const __grid_constant__ WeightsGemm g,
                            const __grid_constant__ ConvProblem p, const T* __restrict__ x,
                            const T* __restrict__ grad, T* __restrict__ w,
                            const Acc<T>* __restrict__ partial) {
  const Index weights = p.out_channels * g.columns;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < weights;
       i += step) {
    Acc<T> sum = partial[i];
    for (int part = 1; part < g.parts; ++part) sum += partial[part * weights + i];
    const Index row = quotient(i, g.columns);
    const WeightColumn column = weight_column(g, static_cast<int>(i - row * g.columns));
    const Index cols = p.kernel[2], rows = p.kernel[1];
    const WeightIndex at{
        row,
        column.channel,
        {{column.tap / (cols * rows), column.tap / cols % rows, column.tap % cols}}};
    if (g.padded && sum != sum && tap_meets_padding(p, at)) {
      sum = weight_sum(p, at, 0, 1, x, grad);
    }
    w[weight_offset(p, at)] = from_acc<T>(sum);
  }
}

}  // namespace fastconv::cuda
