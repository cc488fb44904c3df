// What tensor cores multiply for each element type and precision, as types that kernels take.
//
// Sixteen-bit elements are multiplied as they are. Floats become tf32 ("medium"), or sums of
// bfloat16 parts, each the rest rounded to 8 bits (x = x0 + x1 + x2): two parts and the three
// products x0w0, x0w1, x1w0 ("high"), three parts and six products ("highest"), as on the CPU's
// matrix unit. What "highest" leaves out is at most eps |x||w| of each product; see
// docs/numerics.md.
//
// Three parts rather than two of tf32 ("3xTF32"): these hold 22 of the 24 bits, and cost the same
// time, since tf32 runs at half the rate of bfloat16.
//
// Floats are scaled by 2^24 as they are split, so that the last bit of the smallest float is a
// normal bfloat16 number, and sums are scaled back as they leave the tensor core. What then
// overflows (about |x||w| > 2^80) makes the sum infinite or NaN; such outputs, like those of
// infinite inputs, are computed again by plain float32 sums as they are stored.
//
// Sums: tensor cores cut off where float32 arithmetic rounds, always towards zero, and long sums
// drift (Ootomo and Yokota, "Recovering single precision accuracy from Tensor Cores", Int. J. High
// Perform. Comput. Appl., 2022). So they only add the products of one step of 64 bytes (or half of
// one, in several parts), starting from zero; steps are added outside, rounded to nearest.
#pragma once

#include "cuda/ptx/convert.cuh"
#include "cuda/ptx/mma.cuh"

namespace fastconv::cuda {

// Every row of operands in shared memory holds 64 bytes of each part: 4 chunks of 16 bytes.
inline constexpr int kChunksOfStep = 4;

template <class T, class ProductType>
struct NarrowArithmetic {
  using Element = T;
  using Product = ProductType;
  static constexpr int kParts = 1;
  static constexpr int kChunk = 8;     // elements in 16 bytes of a part
  static constexpr int kSumSteps = 2;  // products of 32 bytes that tensor cores add up
  static constexpr float kUnscale = 1.0f;

  static __device__ __forceinline__ void pack(const T (&from)[kChunk], uint4 (&to)[kParts]) {
    const auto pair = [&](int i) {
      return static_cast<unsigned>(from[i].bits) | static_cast<unsigned>(from[i + 1].bits) << 16;
    };
    to[0] = {pair(0), pair(2), pair(4), pair(6)};
  }
};
using HalfArithmetic = NarrowArithmetic<Half, HalfProduct>;
using BFloat16Arithmetic = NarrowArithmetic<BFloat16, BFloat16Product>;

inline constexpr float kFloatScale = 0x1p24f, kFloatUnscale = 0x1p-48f;

struct Tf32Arithmetic {
  using Element = float;
  using Product = Tf32Product;
  static constexpr int kParts = 1;
  static constexpr int kChunk = 4;
  static constexpr int kSumSteps = 2;
  static constexpr float kUnscale = kFloatUnscale;

  static __device__ __forceinline__ void pack(const float (&from)[kChunk], uint4 (&to)[kParts]) {
    to[0] = {round_to_tf32(from[0] * kFloatScale), round_to_tf32(from[1] * kFloatScale),
             round_to_tf32(from[2] * kFloatScale), round_to_tf32(from[3] * kFloatScale)};
  }
};

template <int Parts>
struct SplitArithmetic {
  using Element = float;
  using Product = BFloat16Product;
  static constexpr int kParts = Parts;
  static constexpr int kChunk = 8;
  static constexpr int kSumSteps = 1;
  static constexpr float kUnscale = kFloatUnscale;

  static __device__ __forceinline__ void pack(const float (&from)[kChunk], uint4 (&to)[kParts]) {
    split(from[0], from[1], to, [](uint4& part) -> unsigned& { return part.x; });
    split(from[2], from[3], to, [](uint4& part) -> unsigned& { return part.y; });
    split(from[4], from[5], to, [](uint4& part) -> unsigned& { return part.z; });
    split(from[6], from[7], to, [](uint4& part) -> unsigned& { return part.w; });
  }

 private:
  template <class Word>
  static __device__ __forceinline__ void split(float low, float high, uint4 (&to)[kParts],
                                               const Word& word) {
    low *= kFloatScale;
    high *= kFloatScale;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const unsigned pair = round_to_bfloat16(low, high);
      word(to[part]) = pair;
      low -= __builtin_bit_cast(float, pair << 16);
      high -= __builtin_bit_cast(float, pair & 0xffff0000u);
    }
  }
};
using HighArithmetic = SplitArithmetic<2>;
using HighestArithmetic = SplitArithmetic<3>;

// Whether elements are multiplied as they lie in memory.
template <class Arithmetic>
inline constexpr bool is_narrow_arithmetic = sizeof(typename Arithmetic::Element) == 2;

// Elements of one step of a sum.
template <class Arithmetic>
inline constexpr int kStepElements = Arithmetic::kChunk * kChunksOfStep;

}  // namespace fastconv::cuda
