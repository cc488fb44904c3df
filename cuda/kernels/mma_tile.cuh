// The product of two tiles of operands in shared memory by the tensor cores of a block: rows of A
// times rows of B, both with the terms of the sum side by side.
//
// A stage holds one step of the sum: for each part of A, then of B, rows of 64 bytes. The four
// chunks of 16 bytes of a row are permuted (swizzled): chunk c lies at c ^ (row / 2 % 4), so that
// the eight rows that ldmatrix reads at once, or eight threads write at once, lie in different
// banks; without, four rows would share banks.
//
// Loop order of a warp: halves of the step, columns in pairs of 8, products of parts (small ones
// first), rows in groups of 16. In registers: the sums of the warp's 32 columns from the first step
// to the last, one half (or step) of its rows, and the columns at hand. Each fragment of A serves
// all columns and is read from shared memory once. Not yet run on hardware. It loses to wgmma,
// which reads operands from shared memory without registers, on sm_90.
#pragma once

#include "cuda/kernels/mma_arithmetic.cuh"
#include "cuda/ptx/ldmatrix.cuh"

namespace fastconv::cuda {

inline constexpr int kRowBytes = 64;

template <int Rows, int Columns, int WarpRows, int WarpColumns>
struct MmaTile {
  static constexpr int kRows = Rows, kColumns = Columns;
  static constexpr int kWarpsDown = Rows / WarpRows, kWarpsAcross = Columns / WarpColumns;
  static constexpr int kThreads = 32 * kWarpsDown * kWarpsAcross;
  static constexpr int kWarpRows = WarpRows, kWarpColumns = WarpColumns;
  static constexpr int kRowFragments = WarpRows / 16, kColumnFragments = WarpColumns / 8;
  // Chunks of a step that one thread brings, for each part.
  static constexpr int kRowChunks = Rows * kChunksOfStep / kThreads;
  static constexpr int kColumnChunks = Columns * kChunksOfStep / kThreads;

  using Sums = float[kRowFragments][kColumnFragments][4];
};
using LargeTile = MmaTile<128, 128, 64, 32>;
using SmallTile = MmaTile<64, 64, 32, 32>;

template <class Arithmetic, class Tile>
inline constexpr int kStageBytes = Arithmetic::kParts * (Tile::kRows + Tile::kColumns) * kRowBytes;

// Bytes from the start of an operand's part to a chunk.
__device__ __forceinline__ constexpr int chunk_offset(int row, int chunk) {
  return row * kRowBytes + ((chunk ^ (row / 2 % kChunksOfStep)) * 16);
}

__device__ __forceinline__ bool is_finite(float a) {
  return fabsf(a) <= 3.40282346638528859812e38f;
}

template <class Tile>
__device__ __forceinline__ void clear(typename Tile::Sums& sums) {
#pragma unroll
  for (int i = 0; i < Tile::kRowFragments; ++i) {
#pragma unroll
    for (int j = 0; j < Tile::kColumnFragments; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[i][j][e] = 0.0f;
    }
  }
}

// Rows and columns of the block's tile at which this warp's begin.
template <class Tile>
__device__ __forceinline__ int warp_row() {
  return warp_index() / Tile::kWarpsAcross * Tile::kWarpRows;
}
template <class Tile>
__device__ __forceinline__ int warp_column() {
  return warp_index() % Tile::kWarpsAcross * Tile::kWarpColumns;
}

// Adds the products of one stage to the sums of this warp.
template <class Arithmetic, class Tile>
__device__ __forceinline__ void multiply_stage(const unsigned char* stage,
                                               typename Tile::Sums& sums) {
  constexpr int kParts = Arithmetic::kParts, kSteps = Arithmetic::kSumSteps;
  constexpr int kRowFragments = Tile::kRowFragments;
  const int lane = lane_index();
  // ldmatrix: of A rows 0-7, rows 8-15, then the same of the next chunk; of B columns 0-7, their
  // next chunk, then columns 8-15.
  const int a_row = lane % 16, a_chunk = lane / 16;
  const int b_row = lane / 16 * 8 + lane % 8, b_chunk = lane / 8 % 2;
  const unsigned char* a_part = stage + warp_row<Tile>() * kRowBytes;
  const unsigned char* b_part = stage + (kParts * Tile::kRows + warp_column<Tile>()) * kRowBytes;
#pragma unroll 1  // unrolled, fragments of both halves would need more registers than there are
  for (int first = 0; first < 2; first += kSteps) {
    unsigned a[kParts][kSteps][kRowFragments][4];
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        const int offset = chunk_offset(a_row, 2 * (first + step) + a_chunk);
#pragma unroll
        for (int i = 0; i < kRowFragments; ++i) {
          load_matrices(a[part][step][i],
                        a_part + (part * Tile::kRows + 16 * i) * kRowBytes + offset);
        }
      }
    }
#pragma unroll
    for (int j = 0; j < Tile::kColumnFragments; j += 2) {
      unsigned b[kParts][kSteps][4];
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
          load_matrices(b[part][step], b_part + (part * Tile::kColumns + 8 * j) * kRowBytes +
                                           chunk_offset(b_row, 2 * (first + step) + b_chunk));
        }
      }
#pragma unroll
      for (int side = 0; side < 2; ++side) {
        float part_sums[kRowFragments][4] = {};
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
#pragma unroll
          for (int order = kParts - 1; order >= 0; --order) {
#pragma unroll
            for (int part = 0; part <= order; ++part) {
              const unsigned (&word)[4] = b[order - part][step];
              const unsigned column[2] = {word[2 * side], word[2 * side + 1]};
#pragma unroll
              for (int i = 0; i < kRowFragments; ++i) {
                Arithmetic::Product::add(part_sums[i], a[part][step][i], column);
              }
            }
          }
        }
#pragma unroll
        for (int i = 0; i < kRowFragments; ++i) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            float& sum = sums[i][j + side][e];
            sum = fmaf(part_sums[i][e], Arithmetic::kUnscale, sum);
          }
        }
      }
    }
  }
}

}  // namespace fastconv::cuda
