// How Winograd's algorithm cuts a convolution: the same arithmetic for the scheduler, which counts
// tasks and bytes, and for the kernel, which finds its tiles.
//
// Each plane of outputs is covered by tiles of m[0] rows x m[1] columns. All tiles of a group, over
// images, depths, row phases, tile rows and tile columns (which vary fastest), form one sequence; a
// block is a stretch of it. A dilated kernel meets inputs of one residue modulo the dilation only.
// Of rows, each residue is a plane of its own, without dilation. Of columns, the tiles of all
// residues take turns, so that neighbouring tiles read, and write, neighbouring elements: m[1]
// times `residues` outputs form a band, which holds a tile of each residue.
#pragma once

#include "core/grid.h"

namespace fastconv {

// Outputs of a tile where both axes are transformed.
struct WinogradTile {
  Index rows, cols;
};

FASTCONV_GEOMETRY WinogradTile winograd_tile(Family family) {
  return {family == Family::winograd_2x2 ? 2 : 4, family == Family::winograd_4x4 ? 4 : 2};
}

struct WinogradGrid {
  Index m[2];       // outputs of a tile, rows and columns; 1 along an axis with a kernel of 1
  Index step[2];    // dilation: distance of neighbouring inputs, and outputs, of one plane
  Index tiles[2];   // tile rows and columns of a plane
  Index residues;   // tiles of a band of columns
  Index bands;      // of a tile row
  Index planes;     // images x output depths x row phases
  Index lowest[2];  // input position of a tile's first input, less that of its first output
  AxisPhase depth;

  FASTCONV_GEOMETRY Index points(int axis) const { return m[axis] == 1 ? 1 : m[axis] + 2; }
  FASTCONV_GEOMETRY Index points() const { return points(0) * points(1); }
  FASTCONV_GEOMETRY Index total() const { return planes * tiles[0] * tiles[1]; }
};

FASTCONV_GEOMETRY WinogradGrid winograd_grid(const ConvProblem& p, WinogradTile tile) {
  WinogradGrid g{};
  g.depth = axis_phase(p, 0, 0);
  g.planes = p.batch * p.out[0];
  for (int i = 0; i < 2; ++i) {
    const bool transforms = p.kernel[i + 1] > 1;
    g.m[i] = !transforms ? 1 : i == 0 ? tile.rows : tile.cols;
    g.step[i] = transforms ? p.dilation[i + 1] : 1;
    g.lowest[i] = axis_phase(p, i + 1, 0).lowest_offset();
  }
  const Index rows = larger(1, p.out[1]), cols = larger(1, p.out[2]);
  g.planes *= smaller(g.step[0], rows);
  g.tiles[0] = ceil_div(ceil_div(p.out[1], g.step[0]), g.m[0]);
  g.residues = smaller(g.step[1], cols);
  g.bands = ceil_div(ceil_div(p.out[2], g.step[1]), g.m[1]);
  g.tiles[1] = g.bands * g.residues;
  return g;
}

// Products that a transformed output sums.
FASTCONV_GEOMETRY Index winograd_sum(const ConvProblem& p) {
  return p.kernel[0] * p.group_in();
}

// Whether tiles meet the bound of "highest". Transforms of four outputs enlarge the rounding errors
// of sums, which grow with their length, and of inputs, which average out; added up in parts
// (below), long sums err less than a plain float32 loop. Root mean square error over that of the
// loop, Gaussian numbers: 4x4 0.97 at 112 products, 0.87 at 160; 4x2 0.96 at 32; four along one
// axis 0.93 at 64; 2x2 0.75 at 16. Without fused multiply-adds a tenth more.
FASTCONV_GEOMETRY bool winograd_meets_highest(const ConvProblem& p, Family family) {
  constexpr Index kSquare = 112, kOblong = 32, kLine = 64;
  if (family == Family::winograd_2x2) return true;
  const bool line = p.kernel[1] == 1 || p.kernel[2] == 1;
  const Index least = line ? kLine : family == Family::winograd_4x4 ? kSquare : kOblong;
  return winograd_sum(p) >= least;
}

// Products of a part, summed before they join the sum of all.
FASTCONV_GEOMETRY Index winograd_part(const ConvProblem& p, const WinogradGrid& g) {
  constexpr Index kLeast = 16, kMost = 4;
  const Index sum = winograd_sum(p), most = larger(g.m[0], g.m[1]);
  if (p.precision != Precision::highest || most < 4) return larger(1, sum);
  const Index parts = g.m[0] == g.m[1] ? 6 : 3;
  return larger(1, smaller(kMost, sum / (parts * kLeast))) * kLeast;
}

// One plane: an image at one output depth, and the output rows of one residue modulo the dilation.
struct WinogradPlane {
  Index batch, depth;
  Index first, count;  // output row, and rows
};

FASTCONV_GEOMETRY WinogradPlane winograd_plane(const ConvProblem& p, const WinogradGrid& g,
                                               Index index) {
  WinogradPlane plane{};
  const Index phases = smaller(g.step[0], larger(1, p.out[1]));
  plane.first = index % phases;
  plane.count = ceil_div(p.out[1] - plane.first, g.step[0]);
  index /= phases;
  plane.depth = index % p.out[0];
  plane.batch = index / p.out[0];
  return plane;
}

// Columns of a strip that holds what a run of tiles of one tile row reads, or writes: bands of
// `residues` columns, one after the other. A run is made of whole bands, or lies in one.
struct WinogradStrip {
  Index band, bands;  // the first band that the run meets, and how many
  Index first, stop;  // the run's tiles within a band
  bool pieces;        // one band, of which a strip holds the run's columns alone

  FASTCONV_GEOMETRY Index columns(const WinogradGrid& g, Index beyond) const {
    return (bands * g.m[1] + beyond) * g.residues;
  }
};

FASTCONV_GEOMETRY WinogradStrip winograd_strip(const WinogradGrid& g, Index tile, Index count) {
  const Index band = tile / g.residues, first = tile - band * g.residues;
  const Index bands = ceil_div(count, g.residues);
  return {band, bands, first, smaller(g.residues, first + count), bands == 1 && g.step[1] > 1};
}

// Packed weights of one group, in vectors of `width`: blocks of two vectors of output channels (the
// last may be one), each [point][depth tap][input channel][output channel]. A vector of padding
// after each point keeps the points in different sets of the first-level cache.
struct WinogradWeights {
  Index width, depth, points, vectors;

  FASTCONV_GEOMETRY Index blocks() const { return ceil_div(vectors, 2); }
  FASTCONV_GEOMETRY Index block_vectors(Index block) const {
    return smaller(2, vectors - 2 * block);
  }
  FASTCONV_GEOMETRY Index point_size(Index block) const {
    return (depth * block_vectors(block) + 1) * width;
  }
  FASTCONV_GEOMETRY Index block_offset(Index block) const {
    return points * (depth * 2 + 1) * width * block;
  }
  FASTCONV_GEOMETRY Index size() const {
    return block_offset(blocks() - 1) + points * point_size(blocks() - 1);
  }
};

FASTCONV_GEOMETRY WinogradWeights winograd_weights(const ConvProblem& p, const WinogradGrid& g,
                                                   Index width) {
  return {width, p.kernel[0] * p.group_in(), g.points(), ceil_div(p.group_out(), width)};
}

// Bands of the strip that up to `tiles` tiles of one tile row read, and its columns.
FASTCONV_GEOMETRY Index winograd_strip_bands(const WinogradGrid& g, Index tiles) {
  return smaller(g.bands, larger(1, smaller(tiles, g.tiles[1]) / g.residues));
}
FASTCONV_GEOMETRY Index winograd_strip_columns(const WinogradGrid& g, Index tiles) {
  return (winograd_strip_bands(g, tiles) * g.m[1] + g.points(1) - g.m[1]) * g.residues;
}

// Scratch of a task, in elements: see conv_winograd.inl.
struct WinogradScratch {
  Index point_pitch;    // of the transformed input
  Index product_pitch;  // of the products of one point
  Index input_cols;     // columns of the strip that one tile row reads
  Index input, columns, transformed, products, outputs;

  FASTCONV_GEOMETRY Index elements() const {
    return input + columns + transformed + products + outputs;
  }
};

FASTCONV_GEOMETRY WinogradScratch winograd_scratch(const ConvProblem& p, const WinogradGrid& g,
                                                   Index width, Index tiles) {
  WinogradScratch s{};
  const Index blocks = p.kernel[0] * ceil_div(p.group_in(), width);
  const Index bands = winograd_strip_bands(g, tiles);
  s.point_pitch = (tiles * blocks + 1) * width;
  s.product_pitch = (tiles * 2 + 1) * width;
  s.input_cols = winograd_strip_columns(g, tiles);
  s.input = g.points(0) * s.input_cols * width;
  s.columns = g.points(0) * s.input_cols * width;
  s.transformed = g.points() * s.point_pitch;
  s.products = g.points() * s.product_pitch;
  s.outputs = (g.m[0] * bands * g.m[1] * g.residues + width) * width;
  return s;
}

// Scratch of a task of the gradient of weights, in elements: see weights_winograd.inl.
struct WinogradGradientScratch {
  Index grad_row, input_row;                 // channels of one tile, and of the sums of an output
  Index grad_pitch, input_pitch, sum_pitch;  // from point to point
  Index strip_cols;
  Index strip, columns, grads, inputs, sums;

  FASTCONV_GEOMETRY Index elements() const { return strip + columns + grads + inputs + sums; }
};

FASTCONV_GEOMETRY WinogradGradientScratch
winograd_gradient_scratch(const ConvProblem& p, const WinogradGrid& g, Index width,
                          Index output_shares, Index input_shares, Index tiles) {
  WinogradGradientScratch s{};
  // The largest share. Rows of an odd number of vectors, and points a vector more than a multiple
  // of them apart, lie in different sets of the first-level cache.
  const Index outputs = ceil_div(ceil_div(p.group_out(), width), output_shares) * width;
  const Index inputs = ceil_div(ceil_div(p.group_in(), width), input_shares) * width;
  s.grad_row = (outputs / width | 1) * width;
  s.input_row = (inputs / width | 1) * width;
  s.grad_pitch = tiles * s.grad_row + width;
  s.input_pitch = tiles * s.input_row + width;
  s.sum_pitch = outputs * s.input_row + width;
  s.strip_cols = winograd_strip_columns(g, tiles);
  s.strip = g.points(0) * s.strip_cols * width;
  s.columns = s.strip;
  s.grads = g.points() * s.grad_pitch;
  s.inputs = g.points() * s.input_pitch;
  s.sums = g.points() * s.sum_pitch;
  return s;
}

// Elements of the place where weights are turned: all kernel elements of a vector of input channels
// for a vector of output channels, and what the last transposition writes beyond them.
FASTCONV_GEOMETRY Index winograd_turned(const ConvProblem& p, Index width) {
  return width * (p.kernel.product() + 1) * width;
}

}  // namespace fastconv
