// The tiles that matrix products exist in; the kernels' own definitions are checked against these.
#pragma once

#include <fastconv/problem.h>

namespace fastconv::cuda {

struct GemmTileShape {
  int m, n, k;
};
// Variants of a plan: many output channels, fewer, few.
inline constexpr int kGemmWide = 0, kGemmMedium = 1, kGemmTall = 2;

constexpr bool gemm_has_tall(DType dtype) {
  return dtype == DType::float32;
}
constexpr GemmTileShape gemm_tile_shape(DType dtype, int variant) {
  if (variant == kGemmTall) return {128, 64, 8};
  if (variant == kGemmMedium) return {64, 64, dtype == DType::float64 ? 8 : 16};
  return {32, 128, 8};
}

// Blocks that a problem's outputs make.
Index gemm_blocks(const ConvProblem& problem, const GemmTileShape& tile);

}  // namespace fastconv::cuda
