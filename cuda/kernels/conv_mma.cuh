// Convolution as an implicit matrix product on tensor cores (mma.sync): output pixels x output
// channels of one group and phase, summed over kernel elements and input channels.
//
// Loop order: steps of the sum (a kernel element, 64 bytes of its channels) outside, the products
// of mma_tile.cuh inside. The sums stay in registers. Shared memory is a ring of stages: while one
// is multiplied, the next ones arrive, by cp.async where elements are multiplied as they lie in
// memory, else by loads into registers that are converted and stored after the products have been
// issued. Blocks that share an input tile are neighbours, so it is read from L2.
//
// Tiles: 128 x 128 of 8 warps (each byte of an operand serves 128 products, registers allow one
// block per multiprocessor), 64 x 64 of 4 warps where output channels or pixels do not fill that.
// Where there are fewer tiles than multiprocessors, the steps are cut into parts, whose sums go
// through memory and are added in order: the same bits in every run.
//
// Against a kernel of float32 arithmetic (FFMA) it multiplies up to 16 times as fast in 16 bits and
// 2.5 times at "highest". Not yet run on hardware. It loses with few channels: steps are 32 (tf32:
// 16) input channels of one kernel element, tiles at least 64 output channels, and the rest is
// zeros.
#pragma once

#include "cuda/kernels/conv_mma_store.cuh"
#include "cuda/kernels/conv_mma_weights.cuh"

namespace fastconv::cuda {

// Stages of the ring: three parts take 48 KiB each, of which two fit everywhere.
template <class Arithmetic, bool Async>
inline constexpr int kStages = Async                     ? 4
                               : Arithmetic::kParts == 3 ? 2
                                                         : 3;

template <class Arithmetic, class Tile, bool Async>
inline constexpr int kConvMmaBytes = kStages<Arithmetic, Async> * kStageBytes<Arithmetic, Tile>;

// Where a thread keeps its sums of one part between the kernels.
template <class Tile>
__device__ __forceinline__ float* partial_sums(const ConvMma& p, int part) {
  constexpr int kSums = Tile::kRowFragments * Tile::kColumnFragments * 4;
  const Index tile = static_cast<Index>(part) * gridDim.x + blockIdx.x;
  return p.partial + tile * kSums * Tile::kThreads + threadIdx.x;
}

template <class Tile, class Visit>
__device__ __forceinline__ void each_sum(typename Tile::Sums& sums, const Visit& visit) {
#pragma unroll
  for (int i = 0; i < Tile::kRowFragments; ++i) {
#pragma unroll
    for (int j = 0; j < Tile::kColumnFragments; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        visit(sums[i][j][e], ((i * Tile::kColumnFragments + j) * 4 + e) * Tile::kThreads);
      }
    }
  }
}

template <class Arithmetic, class Tile, bool Async>
__global__ void __launch_bounds__(Tile::kThreads, 1) conv_mma(const __grid_constant__ ConvMma p) {
  if constexpr (has_product<typename Arithmetic::Product>()) {
    using Element = typename Arithmetic::Element;
    constexpr int kRing = kStages<Arithmetic, Async>, kStep = kStepElements<Arithmetic>;
    constexpr int kBytes = kStageBytes<Arithmetic, Tile>;
    static_assert(kStoreBytes<Tile> <= kRing * kBytes);
    const int part = static_cast<int>(blockIdx.z);
    const MmaBlock block(p, kStep, part);
    if (block.row_tile * Tile::kRows >= block.pixels) return;
    unsigned char* ring = shared_memory<unsigned char>();
    PixelRows<Arithmetic, Tile> rows(p, block);
    WeightColumns<Arithmetic, Tile> columns(p, block);
    StepPlace step(p, block, kStep);
    rows.set_tap(p, block, step);
    columns.set_tap(p, block, step);
    const auto advance = [&] {
      if (step.advance(p, block, kStep)) {
        rows.set_tap(p, block, step);
        columns.set_tap(p, block, step);
      }
    };

    typename Tile::Sums sums;
    clear<Tile>(sums);
    // The first stages.
#pragma unroll 1
    for (int s = 0; s < kRing - 1; ++s) {
      if (s < block.steps) {
        columns.copy(p, step, ring + s * kBytes);
        if constexpr (Async) {
          rows.copy(p, step, ring + s * kBytes);
        } else {
          rows.read(p, step);
          rows.write(ring + s * kBytes);
        }
        advance();
      }
      commit_copies();
    }
    // One stage is multiplied, one is filled that all threads have left.
    int current = 0, next = kRing - 1;
#pragma unroll 1
    for (int s = 0; s < block.steps; ++s) {
      wait_for_copies<kRing - 2>();
      __syncthreads();
      const bool more = s + kRing - 1 < block.steps;
      if (more) {
        columns.copy(p, step, ring + next * kBytes);
        if constexpr (Async) {
          rows.copy(p, step, ring + next * kBytes);
        } else {
          rows.read(p, step);
        }
      }
      commit_copies();
      multiply_stage<Arithmetic, Tile>(ring + current * kBytes, sums);
      if (more) {
        if constexpr (!Async) rows.write(ring + next * kBytes);
        advance();
      }
      current = current + 1 == kRing ? 0 : current + 1;
      next = next + 1 == kRing ? 0 : next + 1;
    }
    wait_for_copies<0>();
    __syncthreads();

    if (p.parts > 1) {
      float* to = partial_sums<Tile>(p, part);
      each_sum<Tile>(sums, [&](float sum, int offset) { to[offset] = sum; });
    } else {
      TileStore<Element, Tile>(p, block).store(sums);
    }
  }
}

// Adds the parts of each tile in order and stores it.
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1)
    conv_mma_finish(const __grid_constant__ ConvMma p, int step_elements) {
  const MmaBlock block(p, step_elements, 0);
  if (block.row_tile * Tile::kRows >= block.pixels) return;
  typename Tile::Sums sums;
  clear<Tile>(sums);
#pragma unroll 1
  for (int part = 0; part < p.parts; ++part) {
    const float* from = partial_sums<Tile>(p, part);
    each_sum<Tile>(sums, [&](float& sum, int offset) { sum += from[offset]; });
  }
  TileStore<T, Tile>(p, block).store(sums);
}

}  // namespace fastconv::cuda
