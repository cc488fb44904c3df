// How a problem is going to be computed: the outcome of `choose`, a pure function of the problem,
// the machine and what the caller forced. A plan is plain data; `explain` prints it.
#pragma once

#include <fastconv/problem.h>
#include <cstddef>

namespace fastconv {

// One way through the kernels. An algorithm has several: per memory layout and per class of
// problem.
enum class Family : int {
  plain,                 // direct: scalar loops that take every problem and skip every padded tap
  direct_planar,         // direct: register tile of output channels x flattened pixels, NCHW
  direct_pixels,         // direct: register tile of broadcast pixels x output channels, NCHW
  direct_channels_last,  // direct: register tile of pixels x output channels, NHWC
  rows,                  // direct: one or few input channels per group, vectors along the row, NCHW
  rows_in_place,         // the same without packing, for rows that lie in one piece
  depthwise_channels_last,  // direct: one channel in and out per group, vectors along channels
  im2col_planar,            // packed panels of unfolded input, NCHW
  im2col_channels_last,     // packed rows of unfolded input, NHWC
  winograd_2x2,             // Winograd's F(2x2, 3x3) and F(2x2, 5x5), NCHW and NHWC
  winograd_4x4,             // F(4x4, 3x3): fewer products, larger errors
  winograd_4x2,             // F(4x2, 3x3): between the two
  winograd_3x3,             // F(3x3, 2x2): kernels of 2, and of 3 and 4 at stride 2
  matrix,                   // direct: tiles of bfloat16 parts on the matrix unit, any layout
  matrix_unfolded,          // im2col on the matrix unit, NCHW
  few_pixels,               // direct: vectors along the sum, any layout
  transposed_planar,        // direct: strided transposed convolution by input position, NCHW
  transposed_pixels,        // the same, pixels broadcast
  depthwise_turned,  // direct: depthwise on small maps, turned so that channels fill vectors, NCHW
  fft,               // Fourier transforms of overlapping tiles, few channels per group, NCHW
};
inline constexpr int kFamilies = 20;

const char* family_name(Family family);
Algorithm family_algorithm(Family family);

struct ConvPlan {
  Family family = Family::plain;
  Isa isa = Isa::scalar;
  int threads = 1;

  // Register tile: output channels (or rows) and pixels (or channels) held in accumulators.
  Index tile_m = 1, tile_n = 1;
  // Work of phase 0 (packing shared by all threads, 0 if none) and phase 1 (computing).
  Index tasks[2] = {0, 0};
  std::size_t shared_bytes = 0;   // workspace written in phase 0, read in phase 1
  std::size_t scratch_bytes = 0;  // workspace of each thread

  // Blocking of phase 1. A task computes block_rows x block_cols outputs (of one phase, image,
  // group) for one of channel_parts shares of the output channels, block_depth input channels
  // (direct) or rows of the unfolded input (im2col) at a time.
  Index block_rows = 1, block_cols = 1, channel_parts = 1, block_depth = 1;
  // Images and output depths of a task, for families that take several at once.
  Index block_images = 1, block_slices = 1;
  bool reads_in_place = false;  // the input is used where it lies, without packing
  // Planar direct kernel: all pixels of a block for a few output channels, then for the next.
  bool pixels_innermost = false;

  // 16-bit arrays: images that become float32 at a time, for which the rest of the plan is; 0 where
  // the kernel takes the arrays as they are.
  Index images = 0;
  std::size_t widened_bytes = 0;  // float32 copies of these images, of weights and bias
  // Where it is not 0, each thread widens so many groups of one image at a time for itself.
  Index task_groups = 0;

  const char* reason = "";  // why this family
};

struct PoolPlan {
  Isa isa = Isa::scalar;
  int threads = 1;
  Index tasks = 0;
  std::size_t scratch_bytes = 0;
  bool channels_last = false;
  // 16-bit arrays: images that become float32 at a time, for which the rest of the plan is; 0 where
  // the kernel takes the arrays as they are.
  Index images = 0;
  std::size_t widened_bytes = 0;
  // Where it is not 0, each thread widens so many channels of one image at a time for itself.
  Index task_channels = 0;
  const char* reason = "";
};

}  // namespace fastconv
