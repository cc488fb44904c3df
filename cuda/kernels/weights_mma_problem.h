// A weight gradient as the tensor-core kernels see it.
#pragma once

#include <fastconv/problem.h>

namespace fastconv::cuda {

// Sums run over chunks of pixels: `chunk` neighbours of one output row each, the last of a row with
// fewer. So a chunk never has to wrap around.
struct WeightsMma {
  ConvProblem problem;  // as weight_gradient_problem() gives it
  const void* x;
  const void* grad;
  void* w;
  float* partial;  // sums of the parts
  int row_tiles, column_tiles, taps;
  int row_chunks;      // chunks of one output row
  int chunks;          // of all images
  int steps, parts;    // steps of four chunks, and shares of them
  bool channels_fast;  // neighbouring threads read neighbouring channels, not pixels
};

}  // namespace fastconv::cuda
