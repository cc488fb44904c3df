// How the Fourier transform cuts a convolution: the same arithmetic for the scheduler, which counts
// tasks and bytes, and for the kernel, which finds its tiles.
//
// Outputs are covered by tiles of block_rows x block_cols, each from one cyclic convolution of
// rows x cols points (overlap-save). A dilated kernel meets inputs of one residue modulo the
// dilation only, so each residue is a plane of its own, without dilation. The tiles of a group,
// over images, depths, residues, tile rows and tile columns (which vary fastest), form one
// sequence; two neighbours in it are the real and the imaginary part of one complex transform.
#pragma once

#include "core/grid.h"

namespace fastconv {

// Points of the longest transform along one axis, and of the table of roots.
inline constexpr Index kMostPoints = 4096;

// Of a group; more would not leave room for the spectra in a cache.
inline constexpr Index kMostFftInputs = 4, kMostFftOutputs = 3;

// cos(2 pi k / kMostPoints), then the sines. Computed on first use.
const double* fft_roots();

struct FftGrid {
  Index points[2];    // rows and columns of a transform
  Index block[2];     // outputs of a tile
  Index residues[2];  // of the dilation
  Index blocks[2];    // tiles along each axis of the largest residue
  Index tiles;        // of a group

  FASTCONV_GEOMETRY Index size() const { return points[0] * points[1]; }
  FASTCONV_GEOMETRY Index pairs() const { return ceil_div(tiles, 2); }
};

FASTCONV_GEOMETRY FftGrid fft_grid(const ConvProblem& p, Index rows, Index cols) {
  FftGrid g{};
  g.points[0] = rows;
  g.points[1] = cols;
  g.tiles = p.batch * p.out[0];
  for (int i = 0; i < 2; ++i) {
    const Index outputs = p.out[i + 1];
    g.residues[i] = larger(1, smaller(p.dilation[i + 1], outputs));
    const Index count = ceil_div(outputs, g.residues[i]);
    g.blocks[i] = ceil_div(count, g.points[i] - p.kernel[i + 1] + 1);
    g.block[i] = larger(1, ceil_div(count, larger(1, g.blocks[i])));
    g.tiles *= g.residues[i] * g.blocks[i];
  }
  return g;
}

// One tile: output i along an axis is first + i*step, and reads inputs from + (i + tap)*step.
struct FftTile {
  Index batch, depth;
  Index first[2], from[2], step[2];
  Index count[2];  // 0 where a residue has fewer outputs than the largest
};

FASTCONV_GEOMETRY FftTile fft_tile(const ConvProblem& p, const FftGrid& g, Index index) {
  FftTile t{};
  Index block[2] = {0, 0};
  for (int i = 1; i >= 0; --i) {
    block[i] = index % g.blocks[i];
    index /= g.blocks[i];
  }
  for (int i = 1; i >= 0; --i) {
    const Index residue = index % g.residues[i], start = block[i] * g.block[i];
    index /= g.residues[i];
    const Index outputs = ceil_div(p.out[i + 1] - residue, g.residues[i]);
    t.step[i] = p.dilation[i + 1];
    t.first[i] = residue + start * t.step[i];
    t.from[i] = t.first[i] - p.pad_lo[i + 1];
    t.count[i] = larger(0, smaller(g.block[i], outputs - start));
  }
  t.depth = index % p.out[0];
  t.batch = index / p.out[0];
  return t;
}

// Elements between the rows of a transform, one cache line more than there are: columns would meet
// in a few sets of the first-level cache otherwise.
FASTCONV_GEOMETRY Index fft_pitch(const FftGrid& g, Index element) {
  return g.points[1] + 64 / element;
}

// Elements of a complex tile: all real parts, then all imaginary ones.
FASTCONV_GEOMETRY Index fft_tile_elements(const FftGrid& g, Index element) {
  return 2 * g.points[0] * fft_pitch(g, element);
}

}  // namespace fastconv
