// Each family's time is a sum of what it does (steps of register tiles, elements copied, vectors
// stored) times what each of these costs. The costs are non-negative least squares of relative
// errors over 900 layers with AVX-512 and 400 with AVX2, drawn at random: 1-D to 3-D, strides,
// dilation, groups, few and many channels; some were moved within their uncertainty until layers of
// the benchmark's suites kept their fastest family. The family with the least estimate then takes,
// on average, 1.02 to 1.06 times as long as the fastest; those for pointwise layers that read whole
// rows come from 919 and 260 layers of their own. The two estimates for channels-last come
// from 615 and 188 layers: 1.02 to 1.03 times, where either family alone takes 1.06 to 1.13. All
// were measured on processors whose units for multiply-adds are as wide as a vector.
#include "core/choose_dense.h"

#include <algorithm>
#include <cstdlib>

#include "core/conv_schedule.h"
#include "core/estimate.h"
#include "core/pixel_layout.h"

namespace fastconv {
namespace {

// The part of the products along an axis that meet the input and not its padding.
double part_inside(const ConvProblem& p, int axis) {
  const AxisPhase phase = widest_phase(p, axis);
  if (p.transposed || phase.taps == 0 || phase.count == 0) return 1.0;
  Index met = 0;
  for (Index t = 0; t < phase.taps; ++t) {
    const Range inside = outputs_inside(phase.count, p.in[axis], phase.in_step, phase.offset(t));
    met += inside.hi - inside.lo;
  }
  return number(met) / number(phase.taps * phase.count);
}

// What the estimates have in common. Sizes are those of one phase of the outputs.
struct Work {
  const ConvProblem& p;
  const DTypeTable& table;
  AxisPhase depth, height, width;  // kernel elements of the widest phase
  double units;                    // images, groups and phases
  double rows, cols, slices;
  double channels, outputs;  // of a group
  double taps;
  double in_depth, in_height, in_width;  // parts of products that are not padding
  double tile;                           // sums of a register tile of pixels' vectors

  Work(const ConvProblem& problem, const DTypeTable& units_table)
      : p(problem),
        table(units_table),
        depth(widest_phase(p, 0)),
        height(widest_phase(p, 1)),
        width(widest_phase(p, 2)) {
    const Grid grid = grid_of(p, 1, 1);
    units = number(p.batch * p.groups * grid.phases.product());
    slices = number(grid.count[0]);
    rows = number(grid.count[1]);
    cols = number(grid.count[2]);
    channels = number(p.group_in());
    outputs = number(p.group_out());
    taps = number(depth.taps * height.taps * width.taps);
    in_depth = part_inside(p, 0);
    in_height = part_inside(p, 1);
    in_width = part_inside(p, 2);
    tile = number(table.planar_m * table.planar_n);
  }

  double lanes() const { return number(table.width); }
  double vectors(double elements) const {
    return static_cast<double>(static_cast<Index>((elements + lanes() - 1) / lanes()));
  }
  double pixels() const { return slices * rows * cols; }
  double stored() const { return units * outputs * pixels(); }
};

// Elements that fall out of the nearest caches on their way to many planes at once.
constexpr Index kManyPlanes = 96, kLargeOutput = Index{2} << 20;  // bytes
double scattered(const Work& w) {
  const Index bytes = w.p.batch * w.p.out_channels * w.p.out.product() * element_size(w.p.dtype);
  return w.p.group_out() >= kManyPlanes && bytes > kLargeOutput ? w.stored() : 0.0;
}

// conv_direct_planar.inl, with packed strips.
double direct_cost(const Work& w) {
  const ConvProblem& p = w.p;
  const PackedAxis row = packed_axis(w.width, w.width.count);
  const PackedAxis col = packed_axis(w.height, w.height.count);
  const Index left = larger(0, -w.width.lowest_offset());
  const double pitch = number(
      larger(w.width.count, row.length - smaller(row.length - w.width.count, left / row.step)));
  const TileSteps steps(p.group_out(), w.table, 1.75);  // many straddle cache lines
  const double positions = (w.rows - 1) * pitch + w.cols;
  const double tiles =
      w.units * w.slices * w.vectors(positions) * w.lanes() / number(w.table.planar_n);
  // Tiles of long rows skip the kernel columns that meet no input.
  const double reach = number(larger(0, w.width.taps - 1) * std::abs(w.width.offset_step));
  const double tile_width = number(w.table.planar_n);
  const double met = reach < tile_width || w.cols < 2 * w.lanes()
                         ? 1.0
                         : std::min(1.0, w.in_width + tile_width / reach);
  const double sum = std::max(1.0, w.channels * w.taps * w.in_depth * w.in_height * met);
  // A run of steps starts anew for each kernel element, or row; strips of few channels are near.
  const double restart = p.group_in() <= 8 ? 0.002 : 0.004;
  const double run = row.copies > 1 ? 1.0 : number(larger(1, w.width.taps));
  const double packed_rows = w.units * w.slices * w.channels * number(w.depth.taps) * w.in_depth *
                             number(row.copies * col.copies * col.length);
  const double element = p.stride[2] > 1 && !p.transposed ? 0.65 : 4.0 / w.lanes();
  return tiles * sum * (steps.cycles + restart * w.tile * steps.tiles / run) +
         packed_rows * (26 + pitch * element) + (0.5 + 0.6 / sum) * w.stored();
}

// What pointwise layers that read whole rows move through the caches.
struct PointwiseTraffic {
  static constexpr double kLine = 64;
  double tiles;                      // of pixels
  double input_lines, output_lines;  // beyond what caches hold from one run to the next
  bool floods;                       // an output that falls out of the last cache plane by plane

  explicit PointwiseTraffic(const Work& w)
      : tiles(w.units * w.vectors(w.cols) * w.lanes() / number(w.table.planar_n)) {
    constexpr double kCached = 2 << 20, kLastCache = 48 << 20;
    const double size = number(element_size(w.p.dtype));
    const double output = w.stored() * size;
    input_lines = std::max(0.0, w.units * w.channels * w.pixels() * size - kCached) / kLine;
    output_lines = std::max(0.0, output - kCached) / kLine;
    floods = output > kLastCache;
  }
};

// The part of a tile's input, some lines of each plane, that finds its set of the first-level cache
// full: planes a power of two apart share few sets.
double crowded_out(Index planes, Index plane_bytes, Index tile_bytes) {
  constexpr Index kLine = 64, kSets = 64, kWays = 12;
  if (plane_bytes < 0) plane_bytes = -plane_bytes;  // a reversed view
  const Index lines = tile_bytes / kLine + 1;
  Index held[kSets] = {}, lost = 0;
  for (Index c = 0; c < planes; ++c) {
    for (Index l = 0; l < lines; ++l) lost += ++held[(c * plane_bytes / kLine + l) % kSets] > kWays;
  }
  return number(lost) / number(planes * lines);
}

// The same for a pointwise layer in place: it adds to its outputs once for each block of channels.
double in_place_cost(const Work& w) {
  constexpr Index kStreamed = 128;  // longer sums do not write plane by plane
  const ConvProblem& p = w.p;
  const PointwiseTraffic moved(w);
  const TileSteps steps(p.group_out(), w.table, 1.75);
  const Index size = element_size(p.dtype), tile_bytes = w.table.planar_n * size;
  const Index depth = panel_depth(larger(1, p.group_in()), tile_bytes);
  const Index blocks = ceil_div(p.group_in(), depth);
  const double again =
      (blocks > 1 ? 0.8 : 0.0) + 2.2 * crowded_out(depth, p.x.channel * size, tile_bytes);
  return moved.tiles * (w.channels * (steps.cycles + again * steps.tiles) +
                        4 * w.tile / w.lanes() * steps.tiles * number(blocks)) +
         5.3 * moved.input_lines + 2.6 * moved.output_lines +
         (moved.floods && p.group_in() > kStreamed ? 23 * w.stored() / w.lanes() : 0.0);
}

// conv_im2col_planar.inl.
double im2col_cost(const Work& w) {
  const TileSteps steps(w.p.group_out(), w.table, 1.0);
  const double tiles = w.units * w.vectors(w.pixels()) * w.lanes() / number(w.table.planar_n);
  const double unfolded = w.units * w.channels * w.taps;
  const bool gathers = w.p.stride[2] > 1 && !w.p.transposed;
  const double element = gathers ? 0.82 : 5.0 / w.lanes();
  const double copying = unfolded * (w.pixels() * element + w.slices * w.rows * 7);
  return tiles * (w.channels * w.taps * 0.96 * steps.cycles + 0.7 * w.tile * steps.tiles) +
         copying + 15 * scattered(w) / w.lanes();
}

// The same for a pointwise layer, which copies panels one by one.
double copied_cost(const Work& w) {
  constexpr Index kFirstLevel = 48 << 10;  // bytes
  const ConvProblem& p = w.p;
  const PointwiseTraffic moved(w);
  const TileSteps steps(p.group_out(), w.table, 1.0);
  const Index tile_bytes = w.table.planar_n * element_size(p.dtype);
  const double again = p.group_in() * tile_bytes > kFirstLevel ? 1.1 : 0.0;
  return moved.tiles * w.channels *
             (0.9 * steps.cycles + again * steps.tiles +
              3.8 * number(tile_bytes) / PointwiseTraffic::kLine) +
         3.5 * moved.input_lines + 6.1 * moved.output_lines +
         ((moved.floods ? 10.3 : 3.3) * w.stored() + 0.7 * scattered(w)) / w.lanes();
}

// What conv_direct_pixels.inl does in either layout: tiles of a row's pixels, or of a pair of short
// rows', by panels of two vectors of output channels, of which the last may have one.
struct PixelSteps {
  bool picks, clips;  // takes only some inputs; kernel columns one after the other
  double tiles, panels;
  double cycles;     // of a product of all panels' tiles
  double sum;        // products of an output
  double sums;       // of a register tile, over all passes
  double runs;       // of products that follow each other
  double positions;  // of inputs that are copied

  explicit PixelSteps(const Work& w) : picks(w.p.kernel.product() == 1), clips(clips_columns(w.p)) {
    const Index most = w.table.pixels_m;
    const bool pairs = 2 * w.cols <= number(most);
    const double to_row = number(ceil_div(w.width.count, most));
    const double pixels = pairs ? 2 * w.cols : w.cols / to_row;
    tiles = w.units * w.slices * (pairs ? std::max(1.0, w.rows / 2) : w.rows * to_row);
    const double vectors = w.vectors(w.outputs), pair = number(static_cast<Index>(vectors) / 2);
    const double single = vectors - 2 * pair;
    panels = pair + single;
    const double two = pair_cycles(w.table);
    cycles = pair * std::max(two * pixels, 4.0) + single * std::max(two * (pixels + 1) / 2, 4.0);
    sum = w.channels * w.taps * w.in_depth * w.in_height * (clips ? w.in_width : 1.0);
    const double columns = number(larger(1, w.width.taps));
    sums = number(most * w.table.pixels_n) * (clips ? columns : 1.0);
    // Products of a kernel row follow each other where its elements do.
    const bool adjoin = w.p.dilation[2] == 1 && !w.p.transposed && !clips;
    runs = w.taps * w.in_depth * w.in_height / (adjoin ? columns : 1.0);
    positions = picks
                    ? w.pixels()
                    : number(w.depth.taps) * w.in_depth * w.slices * number(w.p.in[1] * w.p.in[2]);
  }
};

bool suits_pixels(const Work& w) {
  return w.table.width > 1 && w.p.group_out() >= 4;
}

// conv_direct_pixels.inl, NCHW.
double pixels_cost(const Work& w, bool in_place) {
  const ConvProblem& p = w.p;
  if (!suits_pixels(w)) return kUnsuited;
  const PixelSteps steps(w);
  // Turned inputs; those that only strides pick come one by one.
  double turning = w.vectors(w.channels) * (in_place ? 0.6 * w.lanes() : 1.8);
  if (steps.picks && p.stride[2] > 1) turning += 0.7 * w.channels;
  // Outputs of a phase are stored one by one.
  const double storing = p.transposed && p.stride[2] > 1 ? 2.5 * w.lanes() : 7.4;
  const double slowed = in_place ? 1.15 : 1.04;  // planes that lie pages apart
  return steps.tiles * (steps.sum * slowed * steps.cycles +
                        (0.2 * steps.sums + 5 * steps.runs) * steps.panels) +
         w.units * (steps.positions * turning + w.pixels() * w.vectors(w.outputs) * storing);
}

// The same, channels-last: inputs are copied with their padding, outputs stored as they are.
double last_pixels_cost(const Work& w) {
  if (!suits_pixels(w)) return kUnsuited;
  const PixelSteps steps(w);
  return steps.tiles * (steps.sum * 1.19 * steps.cycles +
                        (0.55 * steps.sums + 3 * steps.runs + 15) * steps.panels) +
         w.units * (steps.positions * (11 * w.vectors(w.channels) + 0.2) +
                    2 * w.pixels() * w.vectors(w.outputs));
}

// conv_channels_last.inl: tiles of pixels by even panels of output channels; kernel elements that
// lie on padding for a whole tile are skipped.
double last_direct_cost(const Work& w) {
  const Index pixels = w.table.channels_last_m;
  const Index vectors = ceil_div(w.p.group_out(), w.table.width);
  const Index panels = ceil_div(vectors, larger(1, w.table.channels_last_n / w.table.width));
  double cycles = 0;
  for (Index i = 0; i < panels; ++i) {
    const Index v = vectors * (i + 1) / panels - vectors * i / panels;
    cycles += std::max(0.5 * pair_cycles(w.table) * number(pixels * v), 4.0);
  }
  const double tiles = w.units * number(ceil_div(static_cast<Index>(w.pixels()), pixels));
  const double met = w.taps * w.in_depth * w.in_height * std::min(1.0, w.in_width + 5 / w.cols);
  // A panel's weights that leave the second-level cache between two tiles.
  constexpr double kSecondLevel = 1e6;  // bytes
  const double panel = w.channels * w.taps * w.lanes() * number(ceil_div(vectors, panels)) *
                       number(element_size(w.p.dtype));
  const double streams = panel > kSecondLevel ? 0.08 * number(vectors) : 0.0;
  return tiles * (met * (w.channels * (1.12 * cycles + streams) + 40 * number(panels)) +
                  260 * number(panels));
}

}  // namespace

DenseCost dense_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  const Work w(p, table);
  const bool whole = in_place(p);
  DenseCost cost{whole ? in_place_cost(w) : direct_cost(w), whole ? copied_cost(w) : im2col_cost(w),
                 pixels_cost(w, whole)};
  // Phases of few positions wait for their weights where these leave the second-level cache:
  // measured 1.05 to 2 times on 4x4 to 16x16 positions.
  constexpr double kWaits = 1.3, kSecondLevel = 2e6;  // bytes
  const double weights = number(p.out_channels) * w.channels * number(p.kernel.product());
  if (p.transposed && p.stride.product() > 1 &&
      weights * number(element_size(p.dtype)) > kSecondLevel) {
    cost.pixels *= kWaits;
  }
  if (keeps_weights) return cost;
  // Packing a weight: in a phase of its own, after which it moves from core to core, or in passing;
  // of transposed problems it is picked from between others. Weights that are not packed slow the
  // planar kernels down.
  const double of_phase = number(p.out_channels) * w.channels * w.taps;
  const bool packs = packs_weights(p);
  cost.direct += (packs ? 3.6 : 0.2) * of_phase;
  cost.im2col += (packs ? 3.2 : 0.9) * of_phase;
  cost.pixels += (p.transposed ? 7.0 : packs ? 2.5 : 0.6) * of_phase;
  return cost;
}

ChannelsLastCost channels_last_cost(const ConvProblem& p, const DTypeTable& table,
                                    bool keeps_weights) {
  const Work w(p, table);
  ChannelsLastCost cost{last_direct_cost(w), last_pixels_cost(w)};
  // Its blocks of rows pack the weights anew; a cost that was set by hand.
  if (!keeps_weights) cost.pixels += 8 * number(p.out_channels) * w.channels * w.taps;
  return cost;
}

}  // namespace fastconv
