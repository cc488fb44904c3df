#include "core/choose_matrix.h"

#include "core/conv_choose.h"
#include "core/conv_schedule.h"

namespace fastconv {
namespace {

// Estimates in cycles of one core; the constants are measured on layers of 64 to 2048 channels.
// A product of two tiles takes 16 cycles; float32 takes six of them, see kernels/amx/split.inl.
constexpr double kProduct = 16;

double products(const ConvProblem& p) {
  if (p.dtype == DType::bfloat16 || p.precision == Precision::medium) return 1;
  return p.precision == Precision::high ? 3 : 6;
}

double parts(const ConvProblem& p) {
  return products(p) == 6 ? 3 : products(p) == 3 ? 2 : 1;
}

double number(Index a) {
  return static_cast<double>(a);
}

double weights_of(const ConvProblem& p) {
  return number(p.out_channels * p.group_in() * p.kernel.product());
}

double outputs_of(const ConvProblem& p) {
  return number(p.batch * p.out_channels * p.out.product());
}

double inputs_of(const ConvProblem& p) {
  return number(p.batch * p.in_channels * p.in.product());
}

// Tiles of weights stream from the second-level cache, and past its size from the third.
double streaming(double weight_bytes) {
  constexpr double kSecondLevel = 1.5e6;
  return weight_bytes > kSecondLevel ? weight_bytes / 12 : 0;
}

bool sharing_channels(const ConvProblem& p) {
  return weights_of(p) * 2 * parts(p) > 2e6 || p.batch * p.out.product() < 128;
}

double direct_cycles(const ConvProblem& p, bool last, bool keeps_weights) {
  const double blocks = number(ceil_div(p.group_in(), 32));
  const double channels = number(ceil_div(p.group_out(), 16) * p.groups);
  // Positions between rows cost where a row ends inside a tile.
  double tiles = 0, taps = number(p.kernel.product());
  const Grid whole = grid_of(p, 1, 1);
  const AxisPhase cols = axis_phase(p, 2, 0);
  const PackedAxis packed = packed_axis(cols, cols.count);
  const double count = number(cols.count), gap = number(packed.length - cols.count);
  const double rows = number(p.batch * whole.phases.product() * whole.count[0] * whole.count[1]);
  tiles = gap < 16 ? rows * (count + gap * 0.6) / 16 : rows * number(ceil_div(cols.count, 16));
  taps /= number(whole.phases.product());
  const double steps = tiles * channels * blocks * taps;
  // Output channels are shared out where weights are many or pixels few: every thread packs all
  // the input then.
  const double times = sharing_channels(p) ? 2 : 1;
  const double split = times * (last ? 0.4 + 0.2 * parts(p) : 0.35 + 0.25 * parts(p));
  const double packing = inputs_of(p) * blocks * 32 / number(larger(1, p.group_in())) * split;
  const double weight_count = weights_of(p) * blocks * 32 / number(larger(1, p.group_in()));
  return steps * products(p) * kProduct * 1.15 + packing + tiles * channels * (last ? 110 : 160) +
         streaming(weight_count * 2 * parts(p)) + (keeps_weights ? 0 : weight_count * 1.5);
}

double unfolded_cycles(const ConvProblem& p, bool keeps_weights) {
  const Index taps = p.kernel.product();
  const double blocks = number(ceil_div(p.group_in() * taps, 32));
  const double channels = number(ceil_div(p.group_out(), 16) * p.groups);
  const double tiles = number(p.batch) * number(ceil_div(p.out.product(), 16));
  const double steps = tiles * channels * blocks;
  const double rows = tiles * blocks * 32 * number(p.groups);  // vectors of unfolded pixels
  const double packing = rows * ((taps == 1 && p.stride[2] == 1 ? 4 : 18) + 6 * parts(p));
  return steps * products(p) * kProduct * 1.35 + packing + tiles * channels * 80 +
         streaming(weights_of(p) * 2 * parts(p)) + (keeps_weights ? 0 : weights_of(p) * 0.8);
}

// Two multiply-adds of sixteen numbers a cycle, two thirds of which are reached.
double vector_cycles(const ConvProblem& p) {
  const double k = number(p.group_out());
  const double filled = k >= 8 ? 1.0 : k / 8;
  return number(multiply_adds(p)) / (32 * 0.66 * filled) + inputs_of(p) * 0.1 + outputs_of(p) * 0.1;
}

}  // namespace

bool pick_matrix(const ConvProblem& p, Algorithm algorithm, const DTypeTable& table,
                 bool keeps_weights, Family& family, const char*& why) {
  // Below this the unit's configuration and the shapes of tiles decide.
  constexpr Index kLeastWork = 200'000;
  if (p.group_in() * p.kernel.product() < 8 || p.group_out() < 8 || multiply_adds(p) < kLeastWork) {
    return false;
  }
  double best = vector_cycles(p);
  bool found = false;
  const bool last = p.x.channel == 1 && p.in_channels > 1;
  if (algorithm != Algorithm::im2col && declines(p, Family::matrix, table) == nullptr) {
    if (const double cost = direct_cycles(p, last, keeps_weights); cost < best) {
      best = cost;
      family = Family::matrix;
      why = "tiles of channels and pixels on the matrix unit";
      found = true;
    }
  }
  if (algorithm != Algorithm::direct && !last &&
      declines(p, Family::matrix_unfolded, table) == nullptr) {
    if (const double cost = unfolded_cycles(p, keeps_weights); cost < best) {
      family = Family::matrix_unfolded;
      why = p.kernel.product() == 1
                ? "pointwise: rows of channels and pixels, as they lie, on the matrix unit"
                : "few input channels: unfolded rows fill the tiles of the matrix unit";
      found = true;
    }
  }
  return found;
}

}  // namespace fastconv
