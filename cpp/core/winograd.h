// How Winograd's algorithm cuts a convolution: the same arithmetic for the scheduler, which counts
// tasks and bytes, and for the kernel, which finds its tiles.
//
// Each plane of outputs is covered by tiles of m[0] rows x m[1] columns. All tiles of a group, over
// images, depths, row phases, tile rows and tile columns (which vary fastest), form one sequence; a
// block is a stretch of it. A dilated kernel meets inputs of one residue modulo the dilation only.
// Of rows, each residue is a plane of its own, without dilation. Of columns, the tiles of all
// residues take turns, so that neighbouring tiles read, and write, neighbouring elements: m[1]
// times `residues` outputs form a band, which holds a tile of each residue.
//
// With stride 2 the inputs that an even kernel element meets are one sequence, those that an odd
// one meets another: two convolutions without stride, of half the kernel each, whose sums are
// added. Such a phase is to the products what an input channel is: more to sum over. Transposed, a
// position (core/subpixel.h) has an output of each phase, all from the same inputs: a phase is what
// an output channel is.
#pragma once

#include "core/subpixel.h"

namespace fastconv {

// Outputs of a tile where both axes are transformed.
struct WinogradTile {
  Index rows, cols;
};

FASTCONV_GEOMETRY WinogradTile winograd_tile(Family family) {
  switch (family) {
    case Family::winograd_4x4:
      return {4, 4};
    case Family::winograd_4x2:
      return {4, 2};
    case Family::winograd_3x3:
      return {3, 3};
    default:
      return {2, 2};
  }
}

// Kernel elements of a phase along a transformed axis: those of the widest one.
FASTCONV_GEOMETRY Index winograd_taps(const ConvProblem& p) {
  const int axis = p.kernel[2] > 1 ? 2 : 1;
  return ceil_div(p.kernel[axis], p.stride[axis]);
}

// Residues modulo the stride that kernel elements have.
FASTCONV_GEOMETRY Index winograd_phases(const ConvProblem& p, int axis) {
  return p.kernel[axis] > 1 ? p.stride[axis] : 1;
}
FASTCONV_GEOMETRY Index winograd_phases(const ConvProblem& p) {
  return winograd_phases(p, 1) * winograd_phases(p, 2);
}

struct WinogradPhase {
  Index row, col;
};

struct WinogradGrid {
  Index m[2];       // outputs of a tile, rows and columns; 1 along an axis with a kernel of 1
  Index taps;       // kernel elements of a phase along a transformed axis
  Index stride[2];  // phases of the inputs
  Index spread[2];  // phases of the outputs: how many a position has
  bool uneven[2];   // the last phase has a kernel element less than the first
  Index step[2];    // dilation: distance of neighbouring inputs, and outputs, of one plane
  Index tiles[2];   // tile rows and columns of a plane
  Index residues;   // tiles of a band of columns
  Index bands;      // of a tile row
  Index planes;     // images x output depths x row phases
  Index origin[2];  // output of the first tile: 0, or before it
  Index lowest[2];  // input of the first tile
  AxisPhase depth;

  FASTCONV_GEOMETRY Index points(int axis) const { return m[axis] == 1 ? 1 : m[axis] + taps - 1; }
  FASTCONV_GEOMETRY Index points() const { return points(0) * points(1); }
  FASTCONV_GEOMETRY Index phases() const { return stride[0] * stride[1]; }

  // The order of phases of inputs (row, column): of both axes (0, 1), (0, 0), (1, 0), (1, 1).
  FASTCONV_GEOMETRY Index phase_index(WinogradPhase phase) const {
    if (stride[0] == 1 || stride[1] == 1) return phase.row + phase.col;
    return phase.row == 0 ? 1 - phase.col : 2 + phase.col;
  }
  FASTCONV_GEOMETRY WinogradPhase phase(Index index) const {
    if (stride[0] == 1) return {0, index};
    if (stride[1] == 1) return {index, 0};
    return {index / 2, index == 0 || index == 3 ? 1 : 0};
  }
  // Phases that a point sums over. The last point, at infinity, sees the last kernel element alone:
  // a phase without it has nothing there. In the order above what is left is a stretch.
  FASTCONV_GEOMETRY Range phases_of(Index point_row, Index point_col) const {
    const bool drops_rows = uneven[0] && point_row == points(0) - 1;
    const bool drops_cols = uneven[1] && point_col == points(1) - 1;
    if (stride[0] == 1 || stride[1] == 1) return {0, drops_rows || drops_cols ? 1 : phases()};
    return {drops_cols ? 1 : 0, drops_rows ? 2 : drops_cols ? 3 : 4};
  }

  // Vectors of outputs: of a vector of channels, phases of rows, and of these phases of columns.
  FASTCONV_GEOMETRY Index channel_vectors() const { return spread[0] * spread[1]; }
  FASTCONV_GEOMETRY WinogradPhase output_phase(Index vector) const {
    return {vector / spread[1] % spread[0], vector % spread[1]};
  }
  // Whether two vectors from `vector` on have nothing to sum at a row of points: the first point
  // sees the first kernel element in the order of the inputs alone, which is the last of a phase.
  FASTCONV_GEOMETRY bool silent(Index vector, Index point_row) const {
    return spread[1] > 1 && uneven[0] && spread[0] > 1 && point_row == 0 &&
           output_phase(vector).row == spread[0] - 1;
  }
  FASTCONV_GEOMETRY Index total() const { return planes * tiles[0] * tiles[1]; }
};

FASTCONV_GEOMETRY WinogradGrid winograd_grid(const ConvProblem& p, WinogradTile tile) {
  WinogradGrid g{};
  g.depth = axis_phase(p, 0, 0);
  g.planes = p.batch * p.out[0];
  Index positions[2];
  g.taps = winograd_taps(p);
  for (int i = 0; i < 2; ++i) {
    const bool transforms = p.kernel[i + 1] > 1;
    g.m[i] = !transforms ? 1 : i == 0 ? tile.rows : tile.cols;
    const Index phases = winograd_phases(p, i + 1);
    g.stride[i] = p.transposed ? 1 : phases;
    g.spread[i] = p.transposed ? phases : 1;
    g.uneven[i] = p.kernel[i + 1] % phases != 0;
    g.step[i] = transforms ? p.dilation[i + 1] : 1;
    const AxisPhase axis =
        phases > 1 && p.transposed ? subpixel_axis(p, i + 1) : axis_phase(p, i + 1, 0);
    g.origin[i] = axis.out_start;
    g.lowest[i] = axis.lowest_offset();
    positions[i] = larger(1, axis.count);
  }
  g.planes *= smaller(g.step[0], positions[0]);
  g.tiles[0] = ceil_div(ceil_div(positions[0], g.step[0]), g.m[0]);
  g.residues = smaller(g.step[1], positions[1]);
  g.bands = ceil_div(ceil_div(positions[1], g.step[1]), g.m[1]);
  g.tiles[1] = g.bands * g.residues;
  return g;
}

// Products that a transformed output sums.
FASTCONV_GEOMETRY Index winograd_sum(const ConvProblem& p) {
  return p.kernel[0] * p.group_in() * (p.transposed ? 1 : winograd_phases(p));
}

// Whether tiles have six points along an axis, of which four are not whole: they round more than
// direct sums do, whole numbers too.
FASTCONV_GEOMETRY bool winograd_rounds(const ConvProblem& p, Family family) {
  const WinogradTile tile = winograd_tile(family);
  return larger(tile.rows, tile.cols) + winograd_taps(p) - 1 > 4;
}

// Products in a sum from which tiles meet the bound of "highest". Transforms of six points enlarge
// the rounding errors of sums, which grow with their length, and of inputs, which average out;
// added up in parts (below), long sums err less than a plain float32 loop, which is the longer the
// more kernel elements an output has. Root mean square error over that of the loop, Gaussian
// numbers: 4x4 1.04 at 96 products, 0.85 at 160; 4x2 0.96 at 32; four along one axis 0.93 at 64;
// 2x2 0.75 at 16; kernels of 5 0.93 at 48, along one axis 0.93 at 40; kernels of 2 0.99 at 24; at
// stride 2 0.95 to 1.05 at these limits. Transposed up to a tenth more, as without fused
// multiply-adds.
FASTCONV_GEOMETRY Index winograd_least_sum(const ConvProblem& p, Family family) {
  const bool line = p.kernel[1] == 1 || p.kernel[2] == 1, strided = winograd_phases(p) > 1;
  switch (winograd_taps(p)) {
    case 2: {
      const bool even = strided && p.kernel[1] != 3 && p.kernel[2] != 3;
      if (p.transposed) return even ? 32 : 48;
      return strided ? 32 : 24;
    }
    case 5:
      if (p.transposed) return line ? 48 : 64;
      return line ? 40 : 48;
    default:
      if (family == Family::winograd_2x2) return 1;
      if (line) return 64;
      if (family == Family::winograd_4x4) return strided ? 160 : p.transposed ? 128 : 96;
      return strided ? 48 : 32;
  }
}
FASTCONV_GEOMETRY bool winograd_meets_highest(const ConvProblem& p, Family family) {
  return winograd_sum(p) >= winograd_least_sum(p, family);
}

// Products of a part, summed before they join the sum of all.
FASTCONV_GEOMETRY Index winograd_part(const ConvProblem& p, const WinogradGrid& g) {
  constexpr Index kLeast = 16, kMost = 4;
  const Index sum = winograd_sum(p);
  const bool large = larger(g.points(0), g.points(1)) >= 6;
  const bool pairs = g.taps == 2 && (p.transposed || winograd_phases(p) > 1);
  if (p.precision != Precision::highest || !(large || pairs)) return larger(1, sum);
  const Index parts = large && g.points(0) == g.points(1) ? 6 : 3;
  return larger(1, smaller(kMost, sum / (parts * kLeast))) * kLeast;
}

// One plane: an image at one output depth, and the output rows of one residue modulo the dilation.
struct WinogradPlane {
  Index batch, depth;
  Index first;  // output row
};

FASTCONV_GEOMETRY WinogradPlane winograd_plane(const ConvProblem& p, const WinogradGrid& g,
                                               Index index) {
  WinogradPlane plane{};
  const Index phases = smaller(g.step[0], larger(1, p.out[1]));
  plane.first = index % phases;
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
// last may be one; of a transposed problem with a stride, two phases), each [point][phase][depth
// tap][input channel][output channel]. A vector of padding after each point keeps the points in
// different sets of the first-level cache.
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
  return {width, winograd_sum(p), g.points(), ceil_div(p.group_out(), width) * g.channel_vectors()};
}

// Bands of the strip that up to `tiles` tiles of one tile row read, and its columns.
FASTCONV_GEOMETRY Index winograd_strip_bands(const WinogradGrid& g, Index tiles) {
  return smaller(g.bands, larger(1, smaller(tiles, g.tiles[1]) / g.residues));
}
FASTCONV_GEOMETRY Index winograd_strip_columns(const WinogradGrid& g, Index tiles) {
  const Index beyond = g.points(1) - g.m[1];
  return (winograd_strip_bands(g, tiles) * g.m[1] + beyond) * g.residues * g.stride[1];
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
  const Index blocks = g.phases() * p.kernel[0] * ceil_div(p.group_in(), width);
  const Index bands = winograd_strip_bands(g, tiles);
  s.point_pitch = (tiles * blocks + 1) * width;
  s.product_pitch = (tiles * 2 + 1) * width;
  s.input_cols = winograd_strip_columns(g, tiles);
  s.input = g.points(0) * s.input_cols * width;
  s.columns = g.points(0) * s.input_cols * width;
  s.transformed = g.points() * s.point_pitch;
  s.products = g.points() * s.product_pitch;
  s.outputs = (g.m[0] * bands * g.m[1] * g.residues * g.spread[1] + width) * width;
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
