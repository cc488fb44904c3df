// What the kernels for strided transposed convolution cost. As in choose_dense.cpp, costs in cycles
// are fitted to layers drawn at random, 180 with AVX-512 and 48 with AVX2; the choice then takes,
// on average, 1.06 times as long as the fastest of all families.
#include "core/choose_dense.h"
#include "core/conv_schedule.h"
#include "core/estimate.h"
#include "core/subpixel.h"

namespace fastconv {
namespace {

double weights(const ConvProblem& p) {
  return number(p.out_channels * p.group_in() * p.kernel.product());
}

double outputs(const ConvProblem& p) {
  return number(p.batch * p.out_channels * p.out.product());
}

// conv_transposed_planar.inl: register tiles over strips with the padding between rows.
double planar_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  const AxisPhase h = subpixel_axis(p, 1), w = subpixel_axis(p, 2);
  const bool merged = subpixel_merged(p);
  const Index phases = merged ? 1 : p.stride[1] * p.stride[2];
  // What a tile of pixels reads, of all channels, where it comes from the second-level cache.
  constexpr Index kFirstLevel = 48 << 10;
  const Index read = p.group_in() * h.taps * table.planar_n * element_size(p.dtype);
  const TileSteps steps(merged ? subpixel_rows(p) : p.group_out(), table, 1.75,
                        read > kFirstLevel ? 9.0 : 4.0);
  const double units = number(p.batch * p.groups * p.out[0]);
  const Index positions = (h.count - 1) * (w.count + w.taps - 1) + w.count;
  const double tiles = units * number(ceil_div(larger(1, positions), table.width) * table.width) /
                       number(table.planar_n);
  const double taps = number(subpixel_taps(p, 1) * subpixel_taps(p, 2));
  constexpr double kSlowed = 1.1;  // positions between rows, and tiles that the last row cuts
  return tiles * (kSlowed * number(p.group_in()) * taps * steps.cycles +
                  200.0 * steps.tiles * number(phases)) +
         units * number(p.group_in() * (h.count + h.taps - 1)) * 15 +
         outputs(p) / number(table.width) * 4 + (keeps_weights ? 0.0 : weights(p) * 3);
}

// conv_transposed_pixels.inl: a product for each kernel element of each input, then sums of planes.
double pixels_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  const Index width = table.width, lot = subpixel_column_lot(p, width);
  const Index taps = p.kernel[1] * p.kernel[2], lots = ceil_div(p.group_out(), lot);
  const double vectors = number(lots * ceil_div(lot * taps, width));
  const double inputs = number(p.batch * p.groups * p.kernel[0] * p.in.product());
  const double met =
      number(ceil_div(p.kernel[1], p.stride[1]) * ceil_div(p.kernel[2], p.stride[2]));
  // Tasks pack for themselves where they are few; kernel elements of several depths are picked from
  // between others.
  const double packing = (p.kernel[0] == 1 ? 0.5 : 12.0) * number(smaller(16, p.batch * p.out[0]));
  return inputs * (vectors * (pair_cycles(table) * number(p.group_in()) / 2 + 3) +
                   number(ceil_div(p.group_in(), width)) * 5) +
         outputs(p) / number(width) * (7 + 8 * met) +
         number(p.batch * p.groups * p.out[0] * lots * taps) * 70 +
         (keeps_weights ? 0.0 : weights(p) * packing);
}

}  // namespace

TransposedCost transposed_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  return {planar_cost(p, table, keeps_weights),
          table.width > 1 ? pixels_cost(p, table, keeps_weights) : kUnsuited};
}

}  // namespace fastconv
