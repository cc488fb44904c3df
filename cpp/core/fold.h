// unfold (im2col), fold (col2im) and max unpooling: data movement, the same for every instruction
// set.
#pragma once

#include <fastconv/problem.h>
#include <fastconv/status.h>

namespace fastconv {

// Windows of an image (batch, channels, in[0], in[1]) as columns (batch, channels*taps, positions),
// tap by tap within a channel, positions in row-major order.
struct FoldProblem {
  DType dtype = DType::float32;
  Index batch = 0, channels = 0;
  Index in[2] = {1, 1}, out[2] = {1, 1};  // image sizes; window positions per axis
  Index kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1};
  Index pad_lo[2] = {0, 0}, pad_hi[2] = {0, 0};
  // Memory strides in elements: of the image per batch, channel, row and column, of the columns per
  // batch, row and position.
  Index image[4] = {}, columns[3] = {};

  Index taps() const { return kernel[0] * kernel[1]; }
  Index positions() const { return out[0] * out[1]; }
};

// Checks the window against the image and fills `out`.
Status infer_positions(FoldProblem& problem);
Status run_unfold(const FoldProblem& problem, const void* image, void* columns);
// Overwrites the image with the sum of the columns.
Status run_fold(const FoldProblem& problem, const void* columns, void* image);

// Values back to the positions that max pooling reported, zeros elsewhere. The output is
// contiguous.
struct UnpoolProblem {
  DType dtype = DType::float32;
  Index batch = 0, channels = 0;
  Axes in{{1, 1, 1}}, out{{1, 1, 1}};
  Strides x{}, indices{};
};

// Fails, with nothing written, when an index lies outside the output plane. Of equal indices the
// last wins.
Status run_unpool(const UnpoolProblem& problem, const void* x, const Index* indices, void* y);

}  // namespace fastconv
