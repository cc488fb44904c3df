// Brings the input of one step of a sum into shared memory: rows are output pixels, terms the input
// channels that one kernel element meets there. So the unfolded input never exists in memory.
//
// A thread keeps to the same rows and chunks in every step, and what belongs to a pixel stays in
// its registers: address and "inside the image" change only with the kernel element. Padding and
// missing channels are zeros.
#pragma once

#include "cuda/kernels/conv_mma_problem.h"
#include "cuda/kernels/mma_tile.cuh"
#include "cuda/ptx/cp_async.cuh"

namespace fastconv::cuda {

// Which phase, group, tile and share of the steps a block computes.
struct MmaBlock {
  int group, row_tile, column_tile;
  int phase[kAxes];
  int pixels;             // of all images, in this phase
  int first_step, steps;  // of the sum

  __device__ __forceinline__ MmaBlock(const ConvMma& p, int step_elements, int part) {
    unsigned index = blockIdx.x;
    column_tile = static_cast<int>(index % static_cast<unsigned>(p.column_tiles));
    index /= static_cast<unsigned>(p.column_tiles);
    row_tile = static_cast<int>(index % static_cast<unsigned>(p.row_tiles));
    index /= static_cast<unsigned>(p.row_tiles);
    const auto groups = static_cast<unsigned>(p.problem.groups);
    group = static_cast<int>(index % groups);
    index /= groups;
    pixels = static_cast<int>(p.problem.batch);
    int taps = 1;
#pragma unroll
    for (int a = kAxes - 1; a >= 0; --a) {
      const auto phases = static_cast<unsigned>(p.phases[a]);
      phase[a] = static_cast<int>(index % phases);
      index /= phases;
      pixels *= p.axis[a][phase[a]].count;
      taps *= p.axis[a][phase[a]].taps;
    }
    const int all = taps * (p.weights.terms / step_elements);
    first_step = static_cast<int>(static_cast<Index>(all) * part / p.parts);
    steps = static_cast<int>(static_cast<Index>(all) * (part + 1) / p.parts) - first_step;
  }
};

// Image and position, in the grid of a phase, of a pixel.
struct PixelPlace {
  int batch, at[kAxes];

  __device__ __forceinline__ PixelPlace(const ConvMma& p, const MmaBlock& block, int pixel) {
    auto rest = static_cast<unsigned>(pixel);
#pragma unroll
    for (int a = kAxes - 1; a >= 0; --a) {
      const auto count = static_cast<unsigned>(p.axis[a][block.phase[a]].count);
      at[a] = static_cast<int>(rest % count);
      rest /= count;
    }
    batch = static_cast<int>(rest);
  }
};

// Kernel element (of the phase) and first channel of a step.
struct StepPlace {
  int tap[kAxes], channel;

  __device__ __forceinline__ StepPlace(const ConvMma& p, const MmaBlock& block, int step_elements) {
    const auto steps = static_cast<unsigned>(p.weights.terms / step_elements);
    auto rest = static_cast<unsigned>(block.first_step);
    channel = static_cast<int>(rest % steps) * step_elements;
    rest /= steps;
#pragma unroll
    for (int a = kAxes - 1; a >= 0; --a) {
      const auto taps = static_cast<unsigned>(p.axis[a][block.phase[a]].taps);
      tap[a] = taps == 0 ? 0 : static_cast<int>(rest % taps);
      rest = taps == 0 ? 0 : rest / taps;
    }
  }

  // Whether the kernel element is another one.
  __device__ __forceinline__ bool advance(const ConvMma& p, const MmaBlock& block,
                                          int step_elements) {
    channel += step_elements;
    if (channel < p.weights.terms) return false;
    channel = 0;
#pragma unroll
    for (int a = kAxes - 1; a >= 0; --a) {
      if (++tap[a] < p.axis[a][block.phase[a]].taps) break;
      tap[a] = 0;
    }
    return true;
  }
};

template <class Arithmetic, class Tile>
class PixelRows {
  using Element = typename Arithmetic::Element;
  static constexpr int kChunk = Arithmetic::kChunk, kMine = Tile::kRowChunks;

 public:
  __device__ __forceinline__ PixelRows(const ConvMma& p, const MmaBlock& block) {
    const auto* x =
        static_cast<const Element*>(p.x) + block.group * p.problem.group_in() * p.problem.x.channel;
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      const int index = static_cast<int>(threadIdx.x) + i * Tile::kThreads;
      row_[i] = p.pixels_fast ? index % Tile::kRows : index / kChunksOfStep;
      chunk_[i] = p.pixels_fast ? index / Tile::kRows : index % kChunksOfStep;
      const int pixel = block.row_tile * Tile::kRows + row_[i];
      exists_[i] = pixel < block.pixels;
      const PixelPlace place(p, block, exists_[i] ? pixel : 0);
#pragma unroll
      for (int a = 0; a < kAxes; ++a) {
        const MmaAxis& axis = p.axis[a][block.phase[a]];
        first_[i][a] = place.at[a] * axis.in_step + axis.offset0;
      }
      image_[i] = x + place.batch * p.problem.x.batch;
    }
  }

  __device__ __forceinline__ void set_tap(const ConvMma& p, const MmaBlock& block,
                                          const StepPlace& step) {
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      inside_[i] = exists_[i];
      from_[i] = image_[i];
#pragma unroll
      for (int a = 0; a < kAxes; ++a) {
        const int at = first_[i][a] + step.tap[a] * p.axis[a][block.phase[a]].offset_step;
        inside_[i] =
            inside_[i] && static_cast<unsigned>(at) < static_cast<unsigned>(p.problem.in[a]);
        from_[i] += at * p.problem.x.spatial[a];
      }
    }
  }

  // Starts the copies of a step; for elements that are multiplied as they are.
  __device__ __forceinline__ void copy(const ConvMma& p, const StepPlace& step,
                                       unsigned char* stage) const {
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      const int channel = step.channel + chunk_[i] * kChunk;
      const bool wanted = inside_[i] && channel < p.problem.group_in();
      copy_async(stage + chunk_offset(row_[i], chunk_[i]), wanted ? from_[i] + channel : p.x,
                 wanted);
    }
  }

  // Reads a step into registers, from any layout.
  __device__ __forceinline__ void read(const ConvMma& p, const StepPlace& step) {
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      const int channel = step.channel + chunk_[i] * kChunk;
      const int channels = static_cast<int>(p.problem.group_in());
      if (p.vector_loads) {
        read_vectors(i, channel, channels);
        continue;
      }
      const Element* from = from_[i] + channel * p.problem.x.channel;
#pragma unroll
      for (int e = 0; e < kChunk; ++e) {
        values_[i][e] = inside_[i] && channel + e < channels ? *from : Element{};
        from += p.problem.x.channel;
      }
    }
  }

  // Converts what was read and stores it.
  __device__ __forceinline__ void write(unsigned char* stage) const {
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      uint4 parts[Arithmetic::kParts];
      Arithmetic::pack(values_[i], parts);
#pragma unroll
      for (int part = 0; part < Arithmetic::kParts; ++part) {
        *reinterpret_cast<uint4*>(stage + part * Tile::kRows * kRowBytes +
                                  chunk_offset(row_[i], chunk_[i])) = parts[part];
      }
    }
  }

 private:
  __device__ __forceinline__ void read_vectors(int i, int channel, int channels) {
    constexpr int kVector = 16 / sizeof(Element);
#pragma unroll
    for (int e = 0; e < kChunk; e += kVector) {
      struct alignas(16) Vector {
        Element at[kVector];
      } vector{};
      if (inside_[i] && channel + e < channels) {
        vector = *reinterpret_cast<const Vector*>(from_[i] + channel + e);
      }
#pragma unroll
      for (int v = 0; v < kVector; ++v) values_[i][e + v] = vector.at[v];
    }
  }

  int row_[kMine], chunk_[kMine];
  int first_[kMine][kAxes];  // input position of the pixel's first kernel element
  bool exists_[kMine], inside_[kMine];
  const Element* image_[kMine];
  const Element* from_[kMine];  // channel 0 of what the kernel element meets
  Element values_[kMine][kChunk];
};

}  // namespace fastconv::cuda
