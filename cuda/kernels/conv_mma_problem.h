// A convolution as the tensor-core kernels see it: what the host computes once, in 32 bits where
// the sizes allow it.
#pragma once

#include <fastconv/problem.h>

namespace fastconv::cuda {

// Most phases of a transposed convolution along one axis (its stride).
inline constexpr int kMostPhases = 4;

// AxisPhase of geometry.h, in 32 bits.
struct MmaAxis {
  int out_start, out_step, count;
  int in_step;
  int taps, tap0, tap_step, offset0, offset_step;
};

// Weights as the pack kernel lays them out: for each part, group and kernel element, rows of the
// terms of one output channel, with zeros up to whole tiles.
struct PackedWeights {
  int columns, terms;  // output channels and input channels of a group, with the zeros
  int taps;            // kernel elements
  int row_bytes;       // one output channel
  Index tap_bytes, group_bytes, part_bytes;
};

struct ConvMma {
  ConvProblem problem;
  const void* x;
  const void* w;
  const void* bias;
  void* y;
  unsigned char* packed;
  float* partial;  // sums of the parts, where there are several

  PackedWeights weights;
  int phases[kAxes];
  MmaAxis axis[kAxes][kMostPhases];
  int row_tiles, column_tiles;  // of the largest phase
  int parts;                    // shares of the steps of every sum
  bool pixels_fast;             // neighbouring threads bring neighbouring pixels, not channels
  bool vector_loads;            // channels lie side by side, in whole 16-byte chunks
  bool vector_stores;           // the same of the output
  bool channels_last;           // channels of the output lie side by side
};

}  // namespace fastconv::cuda
