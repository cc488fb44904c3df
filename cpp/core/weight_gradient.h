// The gradient of a convolution with respect to its weight: what `choose` decides and kernels
// assume.
//
//   w[k, c, t] = sum over images n and outputs o of  grad[n, k, o] * x[n, c, o*S + t*D - P]
//
// The problem is the convolution's own, with `y` the strides of the gradient of its output and `w`
// those of the result. Of a transposed convolution input and gradient change places
// (weight_gradient_problem in gradient.h), so kernels know one form only.
//
// Every sum is cut in a way that follows from the problem alone: `parts` ranges of blocks of
// pixels, each summed by one task, then added in order. So results have the same bits whatever the
// number of threads.
#pragma once

#include <fastconv/problem.h>
#include <cstddef>

namespace fastconv {

enum class WeightFamily : int {
  panels,    // matrix products: output channels x input channels of one kernel element
  unfolded,  // the same over unfolded pixels: output channels x (input channels x kernel elements)
  rows,      // one output and one input channel at a time, vectors along rows
  depthwise_last,  // one channel in and out per group, channels-last: vectors along channels
  winograd,        // fewer products for kernels of 3 at stride 1, float32
};
inline constexpr int kWeightFamilies = 5;
inline constexpr const char* kWeightFamilyNames[kWeightFamilies] = {"panels", "unfolded", "rows",
                                                                    "depthwise_last", "winograd"};

struct WeightPlan {
  WeightFamily family = WeightFamily::rows;
  Isa isa = Isa::scalar;
  int threads = 1;
  Index tasks = 0;
  std::size_t sums_bytes = 0;     // partial sums of all parts
  std::size_t scratch_bytes = 0;  // of each thread

  // A task sums one part of the blocks for one group and one share of its output channels (panels,
  // unfolded), for one share of each side's channels and one depth tap (winograd), for one pair of
  // an output and an input channel (rows), or for all channels (depthwise_last).
  Index parts = 1, shares = 1, input_shares = 1;
  // Blocks of pixels: `block_rows` rows of one depth of one image, `block_cols` wide, or, where
  // block_rows is all of them, `block_planes` such planes at a time.
  Index block_rows = 1, block_cols = 1, block_planes = 1;
  Index block_channels = 1;  // input channels packed at a time (panels)
  Index tile = 2;            // outputs of a tile along an axis, and
  Index block_tiles = 1;     // tiles of a block (winograd): see core/winograd.h

  // Partial sums of a part: k_step elements per output channel, within these a step per input
  // channel and kernel element.
  Index k_step = 0, channel_step = 0, tap_step = 0;
};

struct WeightJob {
  const ConvProblem* problem;
  const WeightPlan* plan;
  const void* x;
  const void* grad;
  void* w;
  std::byte* sums;
  // Set to 1 by the last phase where a result is not finite.
  unsigned char* not_finite;
};

// Planes of outputs that share a column block, and how blocks cut them.
struct WeightBlocks {
  Index col_blocks, row_blocks, planes, count;
};

FASTCONV_GEOMETRY WeightBlocks weight_blocks(const ConvProblem& p, const WeightPlan& plan) {
  WeightBlocks b{};
  b.col_blocks = ceil_div(p.out[2], plan.block_cols);
  b.row_blocks = ceil_div(p.out[1], plan.block_rows);
  b.planes = p.batch * p.out[0] * b.col_blocks;
  b.count = b.row_blocks > 1 ? b.planes * b.row_blocks : ceil_div(b.planes, plan.block_planes);
  return b;
}

// Input rows of one plane that a block of output rows is packed into: every row between the first
// and the last, or, where these are mostly not needed, one for each output row and kernel row.
struct PackedRows {
  Index first, step_out, step_tap, count;
  bool sparse;

  FASTCONV_GEOMETRY Index slot(Index row, Index tap) const {
    return row * step_out + tap * step_tap;
  }
};

FASTCONV_GEOMETRY PackedRows packed_rows(const ConvProblem& p, Index rows) {
  const Index span = (rows - 1) * p.stride[1] + dilated_extent(p.kernel[1], p.dilation[1]);
  const Index single = rows * p.kernel[1];
  if (single < span) return {0, p.kernel[1], 1, single, true};
  return {0, p.stride[1], p.dilation[1], span, false};
}

// Input columns that a block of outputs is packed into, `step` apart in the input.
struct PackedCols {
  Index step, count;
};

FASTCONV_GEOMETRY PackedCols packed_cols(const ConvProblem& p, Index cols) {
  if (p.kernel[2] == 1) return {p.stride[2], cols};
  return {1, (cols - 1) * p.stride[2] + dilated_extent(p.kernel[2], p.dilation[2])};
}

}  // namespace fastconv
