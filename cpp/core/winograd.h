// How Winograd's algorithm cuts a convolution: the same arithmetic for the scheduler, which counts
// tasks and bytes, and for the kernel, which finds its tiles.
//
// Each plane of outputs is covered by tiles of m[0] rows x m[1] columns. All tiles of a group, over
// images, depths, dilation phases, tile rows and tile columns (which vary fastest), form one
// sequence; a block is a stretch of it. A dilated kernel meets inputs of one residue modulo the
// dilation only, so each residue is a plane of its own, without dilation.
#pragma once

#include "core/grid.h"

namespace fastconv {

FASTCONV_GEOMETRY Index winograd_tile(Family family) {
  return family == Family::winograd_4x4 ? 4 : 2;
}

struct WinogradGrid {
  Index m[2];       // outputs of a tile, rows and columns; 1 along an axis with a kernel of 1
  Index step[2];    // dilation: distance of neighbouring inputs, and outputs, of one plane
  Index tiles[2];   // tile rows and columns of a plane
  Index planes;     // images x output depths x dilation phases
  Index lowest[2];  // input position of a tile's first input, less that of its first output
  AxisPhase depth;

  FASTCONV_GEOMETRY Index points(int axis) const { return m[axis] == 1 ? 1 : m[axis] + 2; }
  FASTCONV_GEOMETRY Index points() const { return points(0) * points(1); }
  FASTCONV_GEOMETRY Index total() const { return planes * tiles[0] * tiles[1]; }
};

FASTCONV_GEOMETRY WinogradGrid winograd_grid(const ConvProblem& p, Index tile) {
  WinogradGrid g{};
  g.depth = axis_phase(p, 0, 0);
  g.planes = p.batch * p.out[0];
  for (int i = 0; i < 2; ++i) {
    const bool transforms = p.kernel[i + 1] > 1;
    g.m[i] = transforms ? tile : 1;
    g.step[i] = transforms ? p.dilation[i + 1] : 1;
    g.lowest[i] = axis_phase(p, i + 1, 0).lowest_offset();
    g.planes *= smaller(g.step[i], larger(1, p.out[i + 1]));
    g.tiles[i] = ceil_div(ceil_div(p.out[i + 1], g.step[i]), g.m[i]);
  }
  return g;
}

// One plane: an image at one output depth, and the outputs of one residue modulo the dilation.
struct WinogradPlane {
  Index batch, depth;
  Index first[2];  // output position
  Index count[2];  // outputs
};

FASTCONV_GEOMETRY WinogradPlane winograd_plane(const ConvProblem& p, const WinogradGrid& g,
                                               Index index) {
  WinogradPlane plane{};
  for (int i = 1; i >= 0; --i) {
    const Index phases = smaller(g.step[i], larger(1, p.out[i + 1]));
    plane.first[i] = index % phases;
    plane.count[i] = ceil_div(p.out[i + 1] - plane.first[i], g.step[i]);
    index /= phases;
  }
  plane.depth = index % p.out[0];
  plane.batch = index / p.out[0];
  return plane;
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
  const Index run = smaller(tiles, g.tiles[1]);
  s.point_pitch = (tiles * blocks + 1) * width;
  s.product_pitch = (tiles * 2 + 1) * width;
  s.input_cols = run * g.m[1] + g.points(1) - g.m[1];
  s.input = g.points(0) * s.input_cols * width;
  s.columns = g.points(0) * s.input_cols * width;
  s.transformed = g.points() * s.point_pitch;
  s.products = g.points() * s.product_pitch;
  s.outputs = (g.m[0] * run * g.m[1] + width) * width;
  return s;
}

// Elements of the place where weights are turned: all kernel elements of a vector of input channels
// for a vector of output channels, and what the last transposition writes beyond them.
FASTCONV_GEOMETRY Index winograd_turned(const ConvProblem& p, Index width) {
  return width * (p.kernel.product() + 1) * width;
}

}  // namespace fastconv
