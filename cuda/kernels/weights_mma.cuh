// Weight gradient as a matrix product on tensor cores: output channels x input channels of one
// group and kernel element, summed over pixels.
//
// Loop order: steps of four chunks of pixels (32 pixels, tf32: 16), inside them the products of
// mma_tile.cuh. The sums stay in registers. Both operands are read element by element, from any
// memory layout, into registers while the step before is multiplied, and turned there so that
// pixels lie side by side in shared memory. Pixels are cut into parts, one block each, whose sums
// go through memory; a second kernel adds them in order, so every run gives the same bits.
//
// It beats a kernel of float32 arithmetic by the rate of the tensor cores where channels fill the
// tiles; loads of single elements bound it there. Not yet run on hardware. It loses with few
// channels, and each kernel element reads its input again (from L2, in most networks).
#pragma once

#include "cuda/kernels/mma_tile.cuh"
#include "cuda/kernels/weight_sum.cuh"
#include "cuda/kernels/weights_mma_problem.h"

namespace fastconv::cuda {

inline constexpr int kWeightsRing = 2;
template <class Arithmetic, class Tile>
inline constexpr int kWeightsMmaBytes = kWeightsRing * kStageBytes<Arithmetic, Tile>;

// Which tile a block sums.
struct WeightsBlock {
  int group, row_tile, column_tile, tap[kAxes];

  __device__ __forceinline__ WeightsBlock(const WeightsMma& p, unsigned index) {
    const auto next = [&index](Index size) {
      const unsigned rest = index % static_cast<unsigned>(size);
      index /= static_cast<unsigned>(size);
      return static_cast<int>(rest);
    };
    column_tile = next(p.column_tiles);
    row_tile = next(p.row_tiles);
#pragma unroll
    for (int a = kAxes - 1; a >= 0; --a) tap[a] = next(p.problem.kernel[a]);
    group = static_cast<int>(index);
  }
};

// One row of each operand (a channel), several chunks of each step.
template <class Arithmetic, class Tile>
class ChannelRows {
  using Element = typename Arithmetic::Element;
  static constexpr int kChunk = Arithmetic::kChunk, kMine = Tile::kRowChunks;
  static_assert(Tile::kRows == Tile::kColumns);  // threads have the same places in both operands

 public:
  __device__ __forceinline__ ChannelRows(const WeightsMma& p, const WeightsBlock& block) {
    const ConvProblem& problem = p.problem;
#pragma unroll
    for (int a = 0; a < kAxes; ++a) {
      offset_[a] = static_cast<int>(block.tap[a] * problem.dilation[a] - problem.pad_lo[a]);
    }
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      const int index = static_cast<int>(threadIdx.x) + i * Tile::kThreads;
      row_[i] = p.channels_fast ? index % Tile::kRows : index / kChunksOfStep;
      chunk_[i] = p.channels_fast ? index / Tile::kRows : index % kChunksOfStep;
      const int k = block.row_tile * Tile::kRows + row_[i];
      const int c = block.column_tile * Tile::kColumns + row_[i];
      has_grad_[i] = k < problem.group_out();
      has_x_[i] = c < problem.group_in();
      grad_[i] = static_cast<const Element*>(p.grad) +
                 (block.group * problem.group_out() + k) * problem.y.channel;
      x_[i] = static_cast<const Element*>(p.x) +
              (block.group * problem.group_in() + c) * problem.x.channel;
    }
  }

  __device__ __forceinline__ void read(const WeightsMma& p, int step) {
#pragma unroll
    for (int i = 0; i < kMine; ++i) read_chunk(p, i, step * kChunksOfStep + chunk_[i]);
  }

  __device__ __forceinline__ void write(unsigned char* stage) const {
    write(stage, grads_);
    write(stage + Arithmetic::kParts * Tile::kRows * kRowBytes, inputs_);
  }

 private:
  __device__ __forceinline__ void read_chunk(const WeightsMma& p, int i, int chunk) {
    const ConvProblem& problem = p.problem;
    auto rest = static_cast<unsigned>(chunk);
    const auto row_chunks = static_cast<unsigned>(p.row_chunks);
    const int first = static_cast<int>(rest % row_chunks) * kChunk;
    rest /= row_chunks;
    bool inside = chunk < p.chunks;
    Index from = 0, at = 0;
#pragma unroll
    for (int a = 1; a >= 0; --a) {
      const auto size = static_cast<unsigned>(problem.out[a]);
      const int o = static_cast<int>(rest % size);
      rest /= size;
      const int input = o * static_cast<int>(problem.stride[a]) + offset_[a];
      inside = inside && static_cast<unsigned>(input) < static_cast<unsigned>(problem.in[a]);
      from += input * problem.x.spatial[a];
      at += o * problem.y.spatial[a];
    }
    const auto stride = static_cast<int>(problem.stride[2]);
    int input = first * stride + offset_[2];
    const Element* x = x_[i] + from + rest * problem.x.batch + input * problem.x.spatial[2];
    const Element* grad = grad_[i] + at + rest * problem.y.batch + first * problem.y.spatial[2];
    const auto columns = static_cast<unsigned>(problem.in[2]);
#pragma unroll
    for (int e = 0; e < kChunk; ++e) {
      // What meets padding is left out of both operands.
      const bool meets =
          inside && first + e < problem.out[2] && static_cast<unsigned>(input) < columns;
      grads_[i][e] = meets && has_grad_[i] ? *grad : Element{};
      inputs_[i][e] = meets && has_x_[i] ? *x : Element{};
      input += stride;
      x += stride * problem.x.spatial[2];
      grad += problem.y.spatial[2];
    }
  }

  __device__ __forceinline__ void write(unsigned char* operand,
                                        const Element (&values)[kMine][kChunk]) const {
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      uint4 parts[Arithmetic::kParts];
      Arithmetic::pack(values[i], parts);
#pragma unroll
      for (int part = 0; part < Arithmetic::kParts; ++part) {
        *reinterpret_cast<uint4*>(operand + part * Tile::kRows * kRowBytes +
                                  chunk_offset(row_[i], chunk_[i])) = parts[part];
      }
    }
  }

  int offset_[kAxes], row_[kMine], chunk_[kMine];
  bool has_grad_[kMine], has_x_[kMine];
  const Element* grad_[kMine];
  const Element* x_[kMine];
  Element grads_[kMine][kChunk], inputs_[kMine][kChunk];
};

// Where the sums of a tile's part lie: one place after another for each thread, in the order of
// Tile::Sums, so that warps write whole lines.
template <class Tile>
inline constexpr int kSumsOfThread = Tile::kRowFragments * Tile::kColumnFragments * 4;

template <class Arithmetic, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1)
    weights_mma(const __grid_constant__ WeightsMma p) {
  if constexpr (has_product<typename Arithmetic::Product>()) {
    constexpr int kBytes = kStageBytes<Arithmetic, Tile>;
    const WeightsBlock block(p, blockIdx.x);
    const auto part = static_cast<int>(blockIdx.y);
    const auto first = static_cast<int>(static_cast<Index>(p.steps) * part / p.parts);
    const auto end = static_cast<int>(static_cast<Index>(p.steps) * (part + 1) / p.parts);
    unsigned char* ring = shared_memory<unsigned char>();
    ChannelRows<Arithmetic, Tile> rows(p, block);
    typename Tile::Sums sums;
    clear<Tile>(sums);
    rows.read(p, first);
    rows.write(ring);
    int current = 0;
#pragma unroll 1
    for (int step = first; step < end; ++step) {
      __syncthreads();
      const bool more = step + 1 < end;
      if (more) rows.read(p, step + 1);
      multiply_stage<Arithmetic, Tile>(ring + current * kBytes, sums);
      current ^= 1;
      if (more) rows.write(ring + current * kBytes);
    }
    const Index tile = static_cast<Index>(part) * gridDim.x + blockIdx.x;
    float* to = p.partial + tile * kSumsOfThread<Tile> * Tile::kThreads + threadIdx.x;
#pragma unroll
    for (int i = 0; i < Tile::kRowFragments; ++i) {
#pragma unroll
      for (int j = 0; j < Tile::kColumnFragments; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          to[((i * Tile::kColumnFragments + j) * 4 + e) * Tile::kThreads] = sums[i][j][e];
        }
      }
    }
  }
}

// Place of a tile's element among the sums of all its threads.
template <class Tile>
__device__ __forceinline__ int sum_place(int row, int column) {
  const int warp = row / Tile::kWarpRows * Tile::kWarpsAcross + column / Tile::kWarpColumns;
  const int thread = warp * 32 + row % 8 * 4 + column % 8 / 2;
  const int i = row % Tile::kWarpRows / 16, j = column % Tile::kWarpColumns / 8;
  const int e = row % 16 / 8 * 2 + column % 2;
  return ((i * Tile::kColumnFragments + j) * 4 + e) * Tile::kThreads + thread;
}

inline constexpr int kWeightsFinishThreads = 128;

// Adds the parts of each weight in order, and looks again where the sum is not finite: padding is
// never multiplied, and scaled parts of floats may have overflowed (see mma_arithmetic.cuh).
template <class T, class Tile>
__global__ void __launch_bounds__(kWeightsFinishThreads)
    weights_mma_finish(const __grid_constant__ WeightsMma p) {
  const ConvProblem& problem = p.problem;
  const Index channels = problem.group_in(), out_channels = problem.group_out();
  const Index tiles = problem.groups * p.taps * p.row_tiles * p.column_tiles;
  constexpr Index kTileSums = Index{Tile::kRows} * Tile::kColumns;
  const Index count = problem.out_channels * p.taps * channels;
  const Index all_threads = static_cast<Index>(gridDim.x) * kWeightsFinishThreads;
  for (Index n = static_cast<Index>(blockIdx.x) * kWeightsFinishThreads + threadIdx.x; n < count;
       n += all_threads) {
    const Index c = n % channels, tap = n / channels % p.taps, k = n / channels / p.taps;
    const Index group = k / out_channels, row = k % out_channels;
    const Index tile = ((group * p.taps + tap) * p.row_tiles + row / Tile::kRows) * p.column_tiles +
                       c / Tile::kColumns;
    const float* from =
        p.partial + tile * kTileSums +
        sum_place<Tile>(static_cast<int>(row % Tile::kRows), static_cast<int>(c % Tile::kColumns));
    float sum = 0.0f;
    for (int part = 0; part < p.parts; ++part) sum += from[part * tiles * kTileSums];
    const Index width = problem.kernel[2], plane = problem.kernel[1] * width;
    const WeightIndex at{k, c, {{tap / plane, tap % plane / width, tap % width}}};
    if (!is_finite(sum)) {
      sum =
          weight_sum(problem, at, 0, 1, static_cast<const T*>(p.x), static_cast<const T*>(p.grad));
    }
    static_cast<T*>(p.w)[weight_offset(problem, at)] = from_acc<T>(sum);
  }
}

}  // namespace fastconv::cuda
