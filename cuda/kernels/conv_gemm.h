// What the implicit matrix product needs to know beside the problem, made once on the host.
#pragma once

#include <fastconv/problem.h>

namespace fastconv::cuda {

struct ConvGemm {
  int channels, out_channels;            // of a group
  int x_channel, weight_in, weight_out;  // strides within an image and a group's weights
  Axes phases;                           // per axis; 1 where not transposed
  Index pixels;                          // of the largest phase, all images
  Index pixel_tiles;
  int channel_tiles;
  int parts, tiles_per_part;  // of the sum
  bool padded;                // some output meets padding
  bool channels_last;         // the output's channels lie side by side
  bool reads_channels;        // terms run over channels first, then kernel elements
};

// Kernel elements of a phase that the table in shared memory holds, and how far they may reach.
inline constexpr Index kGemmTaps = 1024, kGemmReach = 32767;

}  // namespace fastconv::cuda
