// The Fourier transform: what it takes, when it pays, and the size of its tiles.
#include <array>
#include <cmath>
#include <numbers>

#include "core/conv_schedule.h"
#include "core/fft.h"

namespace fastconv {

const double* fft_roots() {
  static const auto kRoots = [] {
    std::array<double, 2 * kMostPoints> roots{};
    for (Index k = 0; k < kMostPoints; ++k) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(k) / kMostPoints;
      roots[static_cast<std::size_t>(k)] = std::cos(angle);
      roots[static_cast<std::size_t>(kMostPoints + k)] = std::sin(angle);
    }
    return roots;
  }();
  return kRoots.data();
}

const char* fft_declines(const ConvProblem& p) {
  if (is_narrow(p.dtype)) return "its transforms are for float32 and float64";
  if (p.transposed) return "it has no transposed form";
  if (p.stride[1] != 1 || p.stride[2] != 1) return "it knows no stride but 1";
  if (p.kernel[0] != 1) return "it suits kernels of one depth";
  if (p.group_in() == 0) return "there are no input channels";
  if (p.group_in() > kMostFftInputs) return "it suits at most 4 input channels per group";
  if (p.group_out() > kMostFftOutputs) return "it suits at most 3 output channels per group";
  constexpr Index kMostTaps = kMostPoints / 4;
  return p.kernel[1] > kMostTaps || p.kernel[2] > kMostTaps
             ? "it suits kernels of at most 1024 elements along an axis"
             : nullptr;
}

namespace {

double number(Index n) {
  return static_cast<double>(n);
}

double quarterings(Index points) {
  return std::log2(number(points)) / 2;
}

// Cycles of one core, of vectors of any width. The constants are measured with AVX-512: a stage of
// radix 4, for each vector of complex numbers; transposing, packing and storing one.
double cycles(const ConvProblem& p, const FftGrid& g, Index width) {
  constexpr double kStage = 9.4, kTurn = 15, kMove = 7, kMultiply = 4.3;
  const double vectors = number(g.size()) / number(width);
  const double there =
      vectors * (kStage * (quarterings(g.points[0]) + quarterings(g.points[1])) + kTurn + kMove);
  const double in = number(p.group_in()), out = number(p.group_out());
  const double pair = there * (in + out) + vectors * kMultiply * in * out;
  // Groups that share one kernel transform it once.
  const double kernels = number(p.groups > 1 && p.w.batch == 0 ? 1 : p.groups);
  const double bytes = number(fft_tile_elements(g, element_size(p.dtype))) * (1 + in * out) *
                       number(element_size(p.dtype));
  constexpr double kSecondLevel = 1.6e6;
  const double row = g.points[0] == 1 ? 1.5 : 1.0;  // signals: little work for what is packed
  const double slowed = row * (bytes > kSecondLevel ? 1.6 : 1.0);
  return slowed * (number(p.groups * g.pairs()) * pair + kernels * in * out * there);
}

// The tiles with the lowest estimate.
FftGrid best_grid(const ConvProblem& p, Index width) {
  FftGrid best{};
  double lowest = 0;
  for (Index rows = 1; rows <= kMostPoints / 4; rows *= 2) {
    if (rows < p.kernel[1]) continue;
    for (Index cols = width; cols <= kMostPoints; cols *= 2) {
      if (cols < p.kernel[2] || rows * cols < width * width) continue;
      const FftGrid g = fft_grid(p, rows, cols);
      const double cost = cycles(p, g, width);
      if (best.tiles != 0 && cost >= lowest) continue;
      best = g;
      lowest = cost;
    }
  }
  return best;
}

// Of the kernel's rows under all outputs, those that meet the input: direct kernels skip the
// others.
double inside_share(const ConvProblem& p) {
  const AxisPhase rows = axis_phase(p, 1, 0);
  Index inside = 0;
  for (Index tap = 0; tap < rows.taps; ++tap) {
    const Range outputs = outputs_inside(rows.count, p.in[1], rows.in_step, rows.offset(tap));
    inside += outputs.hi - outputs.lo;
  }
  return number(inside) / number(larger(1, rows.taps * rows.count));
}

}  // namespace

bool fft_suits(const ConvProblem& p, const DTypeTable& table) {
  constexpr Index kLeastTaps = 64;
  if (table.width == 1 || p.kernel.product() < kLeastTaps || fft_declines(p) != nullptr) {
    return false;
  }
  // Two multiply-adds of vectors a cycle, of which the row kernels reach three quarters.
  constexpr double kSpeed = 0.75;
  const double direct =
      number(multiply_adds(p)) / number(table.width) / 2 / kSpeed * inside_share(p);
  return cycles(p, best_grid(p, table.width), table.width) < 0.9 * direct;
}

void schedule_fft(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  const Index width = m.table.width;
  const FftGrid g = best_grid(p, width);
  plan.tile_m = g.points[0];
  plan.tile_n = g.points[1];
  plan.block_rows = g.block[0];
  plan.block_cols = g.block[1];
  plan.block_depth = p.group_in();
  plan.tasks[1] = p.groups * g.pairs();
  const Index products = p.group_in() * p.group_out();
  const Index tiles = 1 + products + (products == 1 ? 0 : p.group_out());
  const Index tables = 2 * (g.points[0] + g.points[1]) + 2 * width + 2 * width * width;
  constexpr Index kAlignment = 64 * 64;  // of what is carved
  plan.scratch_bytes = static_cast<std::size_t>(
      (tiles * fft_tile_elements(g, m.element) + tables) * m.element + kAlignment);
}

}  // namespace fastconv
