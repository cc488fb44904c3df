// The product of two tiles in shared memory, summed in registers: the inner part of every SIMT
// matrix product here.
//
// Both operands lie term by term, rows (m) and columns (n) of a term next to each other, so a
// thread reads its share in 16-byte pieces. A warp covers 4 x 8 threads: for each term it reads 128
// bytes of columns once and 64 bytes of rows, and the pitch is one piece longer than the tile, so
// that threads that store along the terms meet different banks.
#pragma once

#include "cuda/device.h"

namespace fastconv::cuda {

template <class A, int M, int N, int K, int RM, int RN>
struct GemmTile {
  using Sum = A;
  static constexpr int m = M, n = N, k = K;
  static constexpr int thread_m = RM, thread_n = RN;
  static constexpr int threads = M / RM * (N / RN);
  static constexpr int piece = 16 / static_cast<int>(sizeof(A));
  static constexpr int pitch_m = M + piece, pitch_n = N + piece;
  // Elements of one buffer of both operands, and of half the result.
  static constexpr int buffer = K * (pitch_m + pitch_n);
  static constexpr int stage = (M / 2) * pitch_n > N*(M / 2 + piece) ? (M / 2) * pitch_n
                                                                     : N * (M / 2 + piece);
  static constexpr int shared = 2 * buffer > stage ? 2 * buffer : stage;

  static constexpr int warps_n = N / RN / 8;
  static_assert(M / RM % 4 == 0 && N / RN % 8 == 0 && RM % (2 * piece) == 0 && RN % piece == 0);
};

template <class Tile>
struct GemmThread {
  using A = typename Tile::Sum;
  A sum[Tile::thread_m][Tile::thread_n] = {};
  int row, col;  // of this thread in the grid of threads

  __device__ GemmThread() {
    const int lane = lane_index(), warp = warp_index();
    row = warp / Tile::warps_n * 4 + lane / 8;
    col = warp % Tile::warps_n * 8 + lane % 8;
  }

  // Row and column of the tile that sum[i][j] belongs to.
  __device__ int m(int i) const { return spread(i, Tile::m, Tile::thread_m, row); }
  __device__ int n(int j) const { return spread(j, Tile::n, Tile::thread_n, col); }

  // Adds the products of all terms of a buffer.
  __device__ void multiply(const A* a, const A* b) {
#pragma unroll
    for (int k = 0; k < Tile::k; ++k) {
      A rows[Tile::thread_m], cols[Tile::thread_n];
#pragma unroll
      for (int i = 0; i < Tile::thread_m; i += Tile::piece) {
        read_piece(a + k * Tile::pitch_m + m(i), rows + i);
      }
#pragma unroll
      for (int j = 0; j < Tile::thread_n; j += Tile::piece) {
        read_piece(b + k * Tile::pitch_n + n(j), cols + j);
      }
#pragma unroll
      for (int i = 0; i < Tile::thread_m; ++i) {
#pragma unroll
        for (int j = 0; j < Tile::thread_n; ++j) sum[i][j] += rows[i] * cols[j];
      }
    }
  }

  // Puts half of the rows, [half * M/2, half * M/2 + M/2), into shared memory.
  __device__ void put_half(int half, A* stage, int step_m, int step_n) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (h != half) continue;
#pragma unroll
      for (int i = 0; i < Tile::thread_m / 2; ++i) {
#pragma unroll
        for (int j = 0; j < Tile::thread_n; ++j) {
          stage[m(i) * step_m + n(j) * step_n] = sum[h * (Tile::thread_m / 2) + i][j];
        }
      }
    }
  }

 private:
  struct alignas(16) Piece {
    A v[Tile::piece];
  };
  static __device__ void read_piece(const A* from, A* to) {
    const Piece piece = *reinterpret_cast<const Piece*>(from);
#pragma unroll
    for (int e = 0; e < Tile::piece; ++e) to[e] = piece.v[e];
  }
  // Pieces of a thread lie far apart, those of neighbouring threads next to each other.
  static __device__ int spread(int i, int size, int per_thread, int thread) {
    return i / Tile::piece * (size * Tile::piece / per_thread) + thread * Tile::piece +
           i % Tile::piece;
  }
};

}  // namespace fastconv::cuda
