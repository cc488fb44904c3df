// Which kernel computes the gradient of a convolution's weight. As in choose_dense.cpp, each
// family's time is a sum of what it does times what that costs; the costs are fitted to 400 layers
// with AVX-512 and 300 with AVX2, drawn at random. The family with the least estimate then takes,
// on average, 1.02 times as long as the fastest.
#include "core/conv_schedule.h"
#include "core/estimate.h"
#include "core/weight_schedule.h"

namespace fastconv {
namespace {

// What the estimates, in cycles of one core, have in common.
struct Work {
  const ConvProblem& p;
  Index lanes;             // of a vector
  double pixels, rows;     // of all images and groups
  double outputs, inputs;  // channels of a group
  double taps, copied;     // kernel elements; input pixels that these reach
  double parts;

  Work(const ConvProblem& problem, const DTypeTable& table) : p(problem), lanes(table.width) {
    pixels = number(p.groups * p.batch * p.out.product());
    rows = number(p.groups * p.batch * p.out[0] * p.out[1]);
    outputs = number(p.group_out());
    inputs = number(p.group_in());
    taps = number(p.kernel.product());
    copied = number(p.groups * p.batch * p.out[0] * p.kernel[0] * packed_rows(p, p.out[1]).count *
                    packed_cols(p, p.out[2]).count);
    parts = number(larger(1, smaller(ceil_div(kWeightTasks, p.groups),
                                     p.batch * p.out.product() / kLeastPartPixels)));
  }

  double vectors(Index elements) const { return number(ceil_div(elements, lanes)); }
  // Turning a vector of pixels or channels.
  double turning() const { return 2.5 + 0.45 * number(lanes); }
  // Sums that tiles add to for each block of pixels.
  double sums(Index columns) const {
    constexpr Index kRows = 12;
    return pixels / number(kBlockPixels) * number(ceil_div(columns, 2 * lanes) * 2 * lanes) *
           number(ceil_div(p.group_out(), kRows) * kRows);
  }
};

// weights_rows.inl: every pair of channels for itself.
double rows_cost(const Work& w) {
  const ConvProblem& p = w.p;
  const double pairs = w.outputs * w.inputs, taps = w.taps;
  const double strips = w.vectors(p.out[2]);
  const double tiles = number(p.kernel[0] * ceil_div(p.kernel[1], 3) * ceil_div(p.kernel[2], 4));
  const double planes = number(p.groups * p.batch * p.out[0]);
  double cost = pairs * (w.rows * strips * taps * 2 + planes * strips * tiles * 13 +
                         number(p.groups * p.batch) * 230 + number(p.groups) * 160);
  if (p.stride[2] == 1 && p.x.spatial[2] == 1 && p.y.spatial[2] == 1) return cost;
  const double copied = planes * number(p.kernel[0] * packed_rows(p, p.out[1]).count);
  const Index step = p.stride[2];
  const Index copies = smaller(p.kernel[2], step / greatest_common_divisor(step, p.dilation[2]));
  return cost + pairs * copied * number(copies) * (47 + 0.55 * number(p.in[2] / step));
}

// weights_panels.inl: a matrix product for each kernel element.
double panels_cost(const Work& w) {
  const ConvProblem& p = w.p;
  const double columns = w.vectors(p.group_in());
  return w.pixels * w.outputs * w.taps * columns * 0.48 +
         w.turning() * (w.copied * columns + w.pixels * w.vectors(p.group_out())) + w.rows * 60 +
         w.sums(p.group_in()) * w.taps * 2 +
         w.parts * number(p.groups) * w.outputs * w.taps * columns * number(w.lanes) * 1.4;
}

// weights_unfolded.inl: one over unfolded pixels.
double unfolded_cost(const Work& w) {
  const ConvProblem& p = w.p;
  const Index sum = p.group_in() * p.kernel.product();
  const double columns = w.vectors(sum);
  return w.pixels * w.outputs * columns * 0.65 + w.pixels * number(sum) * 0.45 +
         w.rows * number(sum) * 54 + w.pixels * w.vectors(p.group_out()) * w.turning() +
         w.sums(sum) * 0.5 +
         w.parts * number(p.groups) * w.outputs * columns * number(w.lanes) * 1.6;
}

bool takes_depthwise_last(const ConvProblem& p) {
  return p.group_in() == 1 && p.group_out() == 1 && p.x.channel == 1 && p.y.channel == 1;
}

}  // namespace

bool takes_weights(const ConvProblem& p, WeightFamily family, Index width) {
  if (family == WeightFamily::depthwise_last) return takes_depthwise_last(p);
  if (family == WeightFamily::winograd) return takes_winograd(p, width);
  return true;
}

WeightFamily choose_weights(const ConvProblem& p, const DTypeTable& table) {
  if (takes_depthwise_last(p) && p.out_channels >= table.width) return WeightFamily::depthwise_last;
  const Work w(p, table);
  WeightFamily best = WeightFamily::panels;
  double least = panels_cost(w);
  const auto consider = [&](WeightFamily family, double cost) {
    if (cost >= least) return;
    best = family;
    least = cost;
  };
  if (p.kernel.product() > 1) consider(WeightFamily::unfolded, unfolded_cost(w));
  consider(WeightFamily::rows, rows_cost(w));
  // An element of a transformed tile errs as the largest of its products does; a sum of few
  // products may have none that are as large. (Of one product the bound was seen to be passed.)
  constexpr Index kFewPixels = 32;
  if (takes_winograd(p, table.width) && p.batch * p.out.product() >= kFewPixels) {
    // Half a cycle for a multiply-add, and more where elements of a tile do not adjoin.
    const double cycles = p.dilation[1] * p.dilation[2] > 1 ? 0.75 : 0.55;
    consider(WeightFamily::winograd, w.pixels * winograd_weight_cost(p, table.width) * cycles);
  }
  return best;
}

}  // namespace fastconv
