// Weights of the tensor-core kernels: packed once per call into the order and number format in
// which they are multiplied, then copied to shared memory without any condition.
//
// Packing costs one pass over the weights, which are small beside the input wherever tensor cores
// pay; in exchange every memory layout, transposed weights and splitting into parts end here.
#pragma once

#include "cuda/kernels/conv_mma_input.cuh"

namespace fastconv::cuda {

inline constexpr int kPackThreads = 128;

// Loop order: chunks of 16 bytes, input channels fastest, then output channels, kernel elements,
// groups; one thread each, all parts.
template <class Arithmetic>
__global__ void __launch_bounds__(kPackThreads) conv_mma_pack(const __grid_constant__ ConvMma p) {
  using Element = typename Arithmetic::Element;
  constexpr int kChunk = Arithmetic::kChunk;
  const ConvProblem& problem = p.problem;
  const PackedWeights& weights = p.weights;
  const Index chunks = weights.terms / kChunk;
  const Index count = problem.groups * weights.taps * weights.columns * chunks;
  const Index all_threads = static_cast<Index>(gridDim.x) * kPackThreads;
  for (Index i = static_cast<Index>(blockIdx.x) * kPackThreads + threadIdx.x; i < count;
       i += all_threads) {
    const Index first = i % chunks * kChunk, row = i / chunks;
    const Index k = row % weights.columns;
    Index tap = row / weights.columns;
    const Index group = tap / weights.taps;
    tap %= weights.taps;
    const Element* from = static_cast<const Element*>(p.w) + weight_origin(problem, group) +
                          k * weight_out_stride(problem) + first * weight_in_stride(problem);
#pragma unroll
    for (int a = kAxes - 1; a >= 0; --a) {
      from += tap % problem.kernel[a] * problem.w.spatial[a];
      tap /= problem.kernel[a];
    }
    Element values[kChunk];
#pragma unroll
    for (int e = 0; e < kChunk; ++e) {
      const bool exists = k < problem.group_out() && first + e < problem.group_in();
      values[e] = exists ? from[e * weight_in_stride(problem)] : Element{};
    }
    uint4 parts[Arithmetic::kParts];
    Arithmetic::pack(values, parts);
#pragma unroll
    for (int part = 0; part < Arithmetic::kParts; ++part) {
      *reinterpret_cast<uint4*>(p.packed + part * weights.part_bytes + i * 16) = parts[part];
    }
  }
}

template <class Arithmetic, class Tile>
class WeightColumns {
 public:
  __device__ __forceinline__ WeightColumns(const ConvMma& p, const MmaBlock& block)
      : group_(p.packed + block.group * p.weights.group_bytes +
               static_cast<Index>(block.column_tile * Tile::kColumns +
                                  static_cast<int>(threadIdx.x) / kChunksOfStep) *
                   p.weights.row_bytes +
               threadIdx.x % kChunksOfStep * 16) {}

  __device__ __forceinline__ void set_tap(const ConvMma& p, const MmaBlock& block,
                                          const StepPlace& step) {
    int tap = 0;
#pragma unroll
    for (int a = 0; a < kAxes; ++a) {
      const MmaAxis& axis = p.axis[a][block.phase[a]];
      tap = tap * static_cast<int>(p.problem.kernel[a]) + axis.tap0 + step.tap[a] * axis.tap_step;
    }
    from_ = group_ + tap * p.weights.tap_bytes;
  }

  __device__ __forceinline__ void copy(const ConvMma& p, const StepPlace& step,
                                       unsigned char* stage) const {
    constexpr int kRowsAtOnce = Tile::kThreads / kChunksOfStep;
    const int row = static_cast<int>(threadIdx.x) / kChunksOfStep;
    const int chunk = static_cast<int>(threadIdx.x) % kChunksOfStep;
    const unsigned char* from = from_ + step.channel / Arithmetic::kChunk * 16;
    unsigned char* to = stage + Arithmetic::kParts * Tile::kRows * kRowBytes;
#pragma unroll
    for (int part = 0; part < Arithmetic::kParts; ++part) {
#pragma unroll
      for (int i = 0; i < Tile::kColumnChunks; ++i) {
        copy_async(
            to + part * Tile::kColumns * kRowBytes + chunk_offset(row + i * kRowsAtOnce, chunk),
            from + part * p.weights.part_bytes +
                static_cast<Index>(i * kRowsAtOnce) * p.weights.row_bytes,
            true);
      }
    }
  }

 private:
  const unsigned char* group_;  // what this thread copies of kernel element 0
  const unsigned char* from_ = nullptr;
};

}  // namespace fastconv::cuda
