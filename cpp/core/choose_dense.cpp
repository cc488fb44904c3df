// All constants are measured (AVX-512 and AVX2, one thread) and hold to a few hundredths where the
// input fits into a second-level cache or two.
#include "core/choose_dense.h"

#include "core/conv_schedule.h"

namespace fastconv {
namespace {

// Outputs that vectors of pixels compute for each that is kept.
double rounding(const DTypeTable& table, double positions, double kept) {
  const double width = static_cast<double>(table.width);
  return static_cast<double>(static_cast<Index>((positions + width - 1) / width)) * width / kept;
}

// Broadcasting pixels (conv_direct_pixels.inl): turning an element of the input or of the output
// costs as much as 22 of a vector's multiply-adds; packing a weight in passing 25.
double pixels_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  constexpr Index kLeastSum = 128, kLeastCols = 4;
  const Index sum = p.group_in() * p.kernel.product(), width = table.width;
  const Index filled = ceil_div(p.group_out(), width) * width;
  if (width == 1 || (!in_place(p) && sum < kLeastSum) || p.group_out() < 2 * width ||
      p.group_out() * 4 < filled * 3 || axis_phase(p, 2, 0).count < kLeastCols) {
    return kUnsuited;
  }
  const double outputs = static_cast<double>(p.out.product());
  const double inputs =
      p.kernel.product() == 1 ? 1.0 : static_cast<double>(p.in.product()) / outputs;
  const double turning = inputs / static_cast<double>(p.group_out() * p.kernel.product()) +
                         1.0 / static_cast<double>(sum);
  const double packing = keeps_weights ? 0.0 : 25.0 / (static_cast<double>(p.batch) * outputs);
  // Tiles of 6 pixels load a weight for fewer of them than tiles of 14.
  const double tile = table.pixels_m < 12 ? 1.15 : 1.05;
  return static_cast<double>(filled) / static_cast<double>(p.group_out()) * tile + 22.0 * turning +
         packing;
}

}  // namespace

// Vectors of pixels. Those that straddle cache lines cost the direct kernel 6 %; unfolding one
// element costs as much as multiplying it for 12 to 16 output channels; weights that are not packed
// cost im2col 12 %, because its blocks cut their streams short. A pointwise layer in place adds to
// its outputs once for each block of channels; where the input comes from memory, both wait for it.
DenseCost dense_cost(const ConvProblem& p, const DTypeTable& table, bool keeps_weights) {
  const AxisPhase cols = axis_phase(p, 2, 0);
  const PackedAxis packed = packed_axis(cols, cols.count);
  const Index left = larger(0, -cols.lowest_offset());
  const double pitch = static_cast<double>(
      larger(cols.count, packed.length - smaller(packed.length - cols.count, left / packed.step)));
  const double k = static_cast<double>(p.group_out());
  const double taps = static_cast<double>(p.kernel.product());
  const double rows = static_cast<double>(axis_phase(p, 1, 0).count);
  const double useful = rows * static_cast<double>(cols.count);
  const double outputs = useful * static_cast<double>(axis_phase(p, 0, 0).count);
  const double loose = keeps_weights || packs_weights(p) ? 0.0 : 0.12;
  DenseCost cost{0.0, rounding(table, outputs, outputs) * (1.0 + loose + 12.0 / k),
                 pixels_cost(p, table, keeps_weights)};
  if (!in_place(p)) {
    // Elements that only a strided pointwise layer picks are copied for a single product.
    const double picking = p.kernel.product() == 1 ? 0.3 : 0.0;
    cost.direct = rounding(table, rows * pitch, useful) * 1.06 + 4.0 / (k * taps) + picking;
    // What unfolding costs beside the copies, where broadcasting pixels is the alternative.
    const double gathering = table.width < 16 ? 0.2 : 0.42;
    if (cost.pixels < kUnsuited) cost.im2col += p.stride[2] > 1 ? gathering : 0.12;
    return cost;
  }
  if (loose != 0.0) {
    cost.direct = rounding(table, useful, useful) * (1.15 + loose);
    return cost;
  }
  constexpr double kFromMemory = 0.3;
  constexpr Index kLargeInput = Index{8} << 20;  // bytes
  const double channels = static_cast<double>(p.group_in());
  const double waiting =
      p.group_in() * p.in.product() * element_size(p.dtype) > kLargeInput ? kFromMemory : 0.0;
  // The channels of a tile of pixels, where they leave the first-level cache between two tiles of
  // output channels.
  constexpr Index kFirstLevel = 48 << 10;
  const double reading =
      p.group_in() * table.planar_n * element_size(p.dtype) > kFirstLevel ? 0.07 : 0.0;
  cost.direct = rounding(table, useful, useful) * 1.07 + 4.0 / k + 2.0 / channels +
                channels * static_cast<double>(table.width) / 136e3 + reading + waiting;
  cost.im2col = rounding(table, useful, useful) * 1.08 + 16.0 / k + waiting;
  return cost;
}

}  // namespace fastconv
