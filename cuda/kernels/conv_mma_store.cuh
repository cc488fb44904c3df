// From the sums of a tile to the output: bias, activation, conversion, in either memory layout.
//
// Columns go through shared memory 32 at a time (those of one warp across), because a fragment has
// two neighbouring channels in one thread, too few for a whole sector of memory. Rows there are 33
// words apart, so that reading along rows or columns meets every bank once.
//
// Second look: a sum that is not finite is computed again by conv_sum, which skips padding where
// the tile multiplied zeros, and sums plain floats where scaled parts overflowed. So results are
// those of the direct kernel for NaN, infinite and huge numbers; a tensor full of them costs the
// time of the direct kernel.
#pragma once

#include "cuda/kernels/conv_mma_input.cuh"
#include "cuda/kernels/conv_sum.cuh"

namespace fastconv::cuda {

inline constexpr int kStagedColumns = 32, kStagedPitch = kStagedColumns + 1;

template <class Tile>
inline constexpr int kStoreBytes = Tile::kRows * (static_cast<int>(sizeof(Index)) +
                                                  kStagedPitch * static_cast<int>(sizeof(float)));

template <class T, class Tile>
class TileStore {
  static constexpr int kVector = 16 / static_cast<int>(sizeof(T));
  static constexpr Index kAbsent = INT64_MIN;
  // Outputs of one thread in each slice of 32 columns; those of all slices are bits of one word.
  static constexpr int kItems = Tile::kRows * kStagedColumns / Tile::kThreads;
  static_assert(kItems * Tile::kWarpsAcross <= 64 && kItems % kVector == 0);

 public:
  __device__ __forceinline__ TileStore(const ConvMma& p, const MmaBlock& block)
      : p_(p),
        block_(block),
        offset_(shared_memory<Index>()),
        staged_(reinterpret_cast<float*>(offset_ + Tile::kRows)) {}

  // All threads of the block have left the stages of the sum behind.
  __device__ __forceinline__ void store(const typename Tile::Sums& sums) {
    static_assert(Tile::kWarpColumns == kStagedColumns);
    find_rows();
    std::uint64_t again = 0;  // outputs of this thread whose sums are not finite
#pragma unroll 1
    for (int slice = 0; slice < Tile::kWarpsAcross; ++slice) {
      __syncthreads();
      if (warp_column<Tile>() == slice * kStagedColumns) stage(sums);
      __syncthreads();
      const bool vectors = in_vectors(slice);
#pragma unroll 1
      for (int item = 0; item < kItems; ++item) {
        const Item at(*this, slice, item, vectors);
        if (!at.exists) continue;
        float& staged = staged_[at.row * kStagedPitch + at.column];
        if (!is_finite(staged)) again |= std::uint64_t{1} << (slice * kItems + item);
        const float value = result(staged, at.channel);
        if (!vectors) {
          row_start(at.row)[at.channel * p_.problem.y.channel] = from_acc<T>(value);
          continue;
        }
        staged = value;
        if (item % kVector == kVector - 1) store_vector(at);
      }
    }
    second_look(again);
  }

 private:
  // One output of this thread: rows of the tile next to each other for neighbouring threads, or
  // columns where these lie side by side in memory.
  struct Item {
    int row, column;
    Index channel;  // of all groups
    bool exists;

    __device__ __forceinline__ Item(const TileStore& store, int slice, int item, bool vectors) {
      const ConvMma& p = store.p_;
      int index = item * Tile::kThreads + static_cast<int>(threadIdx.x);
      if (vectors) {
        index = (item / kVector * Tile::kThreads + static_cast<int>(threadIdx.x)) * kVector +
                item % kVector;
      }
      row = p.channels_last ? index / kStagedColumns : index % Tile::kRows;
      column = p.channels_last ? index % kStagedColumns : index / Tile::kRows;
      const int of_group =
          store.block_.column_tile * Tile::kColumns + slice * kStagedColumns + column;
      exists = of_group < p.problem.group_out() && store.offset_[row] != kAbsent;
      channel = store.block_.group * p.problem.group_out() + of_group;
    }
  };

  // Whether this slice is stored in whole vectors.
  __device__ __forceinline__ bool in_vectors(int slice) const {
    const int end = block_.column_tile * Tile::kColumns + (slice + 1) * kStagedColumns;
    return p_.vector_stores && end <= p_.problem.group_out();
  }

  // Offsets of the pixels in the output; kAbsent past the last.
  __device__ __forceinline__ void find_rows() {
    const int row = static_cast<int>(threadIdx.x);
    if (row >= Tile::kRows) return;
    const int pixel = block_.row_tile * Tile::kRows + row;
    Index at = kAbsent;
    if (pixel < block_.pixels) {
      const PixelPlace place(p_, block_, pixel);
      at = place.batch * p_.problem.y.batch;
#pragma unroll
      for (int a = 0; a < kAxes; ++a) at += output_at(place, a) * p_.problem.y.spatial[a];
    }
    offset_[row] = at;
  }

  __device__ __forceinline__ Index output_at(const PixelPlace& place, int a) const {
    const MmaAxis& axis = p_.axis[a][block_.phase[a]];
    return axis.out_start + static_cast<Index>(place.at[a]) * axis.out_step;
  }

  __device__ __forceinline__ void stage(const typename Tile::Sums& sums) const {
    const int row = warp_row<Tile>() + lane_index() / 4, column = lane_index() % 4 * 2;
#pragma unroll
    for (int i = 0; i < Tile::kRowFragments; ++i) {
#pragma unroll
      for (int j = 0; j < Tile::kColumnFragments; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          staged_[(row + 16 * i + e / 2 * 8) * kStagedPitch + column + 8 * j + e % 2] =
              sums[i][j][e];
        }
      }
    }
  }

  __device__ __forceinline__ float result(float sum, Index channel) const {
    return activate(sum + bias_of(static_cast<const T*>(p_.bias), channel), p_.problem.activation);
  }

  __device__ __forceinline__ T* row_start(int row) const {
    return static_cast<T*>(p_.y) + offset_[row];
  }

  // The vector that ends with this item.
  __device__ __forceinline__ void store_vector(const Item& last) const {
    struct alignas(16) Vector {
      T at[kVector];
    } vector;
    const float* from = staged_ + last.row * kStagedPitch + last.column - (kVector - 1);
#pragma unroll
    for (int v = 0; v < kVector; ++v) vector.at[v] = from_acc<T>(from[v]);
    *reinterpret_cast<Vector*>(row_start(last.row) + last.channel - (kVector - 1)) = vector;
  }

  __device__ __forceinline__ void second_look(std::uint64_t again) const {
#pragma unroll 1
    for (int i = 0; again != 0; ++i, again >>= 1) {
      if ((again & 1u) == 0) continue;
      const int slice = i / kItems;
      const Item at(*this, slice, i % kItems, in_vectors(slice));
      const PixelPlace place(p_, block_, block_.row_tile * Tile::kRows + at.row);
      const OutputIndex output{place.batch,
                               at.channel,
                               {{output_at(place, 0), output_at(place, 1), output_at(place, 2)}}};
      const float sum =
          conv_sum(p_.problem, static_cast<const T*>(p_.x), static_cast<const T*>(p_.w), output);
      row_start(at.row)[at.channel * p_.problem.y.channel] = from_acc<T>(result(sum, at.channel));
    }
  }

  const ConvMma& p_;
  const MmaBlock& block_;
  Index* offset_;
  float* staged_;
};

}  // namespace fastconv::cuda
