// How the pixel kernel (kernels/generic/conv_direct_pixels.inl) lays its input out, for the kernel
// and for `schedule`, which sizes its workspace.
#pragma once

#include "core/grid.h"

namespace fastconv {

// Kernel columns are taken one after the other, each with the outputs that it meets, where padding
// between columns would be more than a twelfth of the products: padded columns are then neither
// stored nor multiplied. It costs a second and a third pass over the sums.
FASTCONV_GEOMETRY bool clips_columns(const ConvProblem& p) {
  constexpr Index kLeastSum = 64;
  if (p.transposed || p.kernel[2] < 2 || p.group_in() * p.kernel[1] < kLeastSum) return false;
  const AxisPhase cols = axis_phase(p, 2, 0);
  Index met = 0;
  for (Index t = 0; t < cols.taps; ++t) {
    const Range inside = outputs_inside(cols.count, p.in[2], cols.in_step, cols.offset(t));
    met += inside.hi - inside.lo;
  }
  return 12 * met < 11 * cols.taps * cols.count;
}

// Columns with their padding: zeros are copied too, so that every kernel element reads the same
// distance from every pixel.
FASTCONV_GEOMETRY TurnedAxis padded_axis(const AxisPhase& phase, Range outputs) {
  const Index length = outputs.hi - outputs.lo;
  if (phase.taps == 0) return {0, 1, 0, phase.in_step, phase.offset0};
  if (phase.taps == 1) {
    return {outputs.lo * phase.in_step + phase.offset0, phase.in_step, length, 1, -outputs.lo};
  }
  const Index lo = outputs.lo * phase.in_step + phase.lowest_offset();
  const Index hi = (outputs.hi - 1) * phase.in_step + phase.highest_offset() + 1;
  return {lo, 1, hi - lo, phase.in_step, phase.offset0 - lo};
}

// The most columns that `outputs` of any task copy.
FASTCONV_GEOMETRY Index turned_columns(const ConvProblem& p, const AxisPhase& widest,
                                       Index outputs) {
  if (widest.taps <= 1) return outputs;
  const Index by = widest.offset_step < 0 ? -widest.offset_step : widest.offset_step;
  const Index reach = (outputs - 1) * widest.in_step + (widest.taps - 1) * by + 1;
  return clips_columns(p) ? smaller(p.in[2], reach) : reach;
}

// Distance of two positions whose channels lie next to each other. Where a kernel row reads
// neighbouring columns it is the number of channels itself, so that the row is one run of products;
// else whole vectors. Never a multiple of 1 KiB, of which few fit the sets of a first-level cache.
FASTCONV_GEOMETRY Index pixel_pitch(const ConvProblem& p, Index depth, Index width) {
  const bool runs = !p.transposed && p.dilation[2] == 1 && !clips_columns(p);
  const Index pitch = runs ? depth : ceil_div(depth, width) * width;
  return pitch > 0 && pitch % 256 == 0 ? pitch + width : larger(1, pitch);
}

// Pixels that are summed up before they are stored: at most so many register tiles.
inline constexpr Index kChunkTiles = 4;
struct PixelChunk {
  Index rows, cols;
};

// Columns in even shares; several rows where they are shorter than that,
// and an even number where a register tile takes a pair of them.
FASTCONV_GEOMETRY PixelChunk pixel_chunk(Index rows, Index cols, Index tile) {
  const Index most = kChunkTiles * tile;
  if (cols > most) return {1, ceil_div(cols, ceil_div(cols, most))};
  const Index fit = most / larger(1, cols);
  return {smaller(rows, fit > 1 ? fit / 2 * 2 : 1), cols};
}

}  // namespace fastconv
