// From a problem, the machine and what was forced to a plan: a pure function, which explain()
// prints.

#include <fastconv/fastconv.h>

#include <string>

#include "core/choose_dense.h"
#include "core/choose_matrix.h"
#include "core/config.h"
#include "core/conv_choose.h"
#include "core/conv_schedule.h"
#include "core/conv_widen.h"
#include "core/cpu_features.h"
#include "core/estimate.h"
#include "core/names.h"
#include "core/parallel.h"
#include "core/registry.h"
#include "core/subpixel.h"
#include "core/winograd.h"

namespace fastconv {

namespace {

bool adds_arrays(Family family) {
  switch (family) {
    case Family::rows:
    case Family::rows_in_place:
    case Family::depthwise_channels_last:
    case Family::matrix:
    case Family::matrix_unfolded:
    case Family::transposed_planar:
    case Family::transposed_pixels:
    case Family::depthwise_turned:
    case Family::fft:
      return false;
    default:
      return true;
  }
}

// Arrays of which each element along a row lies in another cache line.
// Elements of the planes of one vector of channels.
constexpr Index kMostTurned = 1 << 16;

// The elements of a plane, in one piece.
bool adjoining(const Strides& s, const Axes& size) {
  Index step = 1;
  for (int a = kAxes - 1; a >= 0; --a) {
    if (size[a] > 1 && s.spatial[a] != step) return false;
    step *= size[a];
  }
  return true;
}

}  // namespace

const char* declines(const ConvProblem& p, Family family, const DTypeTable& table) {
  const bool zeros = p.boundary == Boundary::fill && p.fill_value == 0.0;
  const bool last = channels_last(p);
  if (is_narrow(p.dtype) && table.conv[static_cast<int>(family)].run == nullptr) {
    return "it has no kernel for 16-bit arrays as they are";
  }
  if (!zeros && family != Family::rows && family != Family::fft)
    return "it knows no boundary but zeros";
  if (p.has_addend && !adds_arrays(family)) return "it adds no other array to its results";
  switch (family) {
    case Family::plain:
    case Family::direct_planar:
    case Family::direct_pixels:
    case Family::im2col_planar:
      return nullptr;
    case Family::rows:
      if (p.transposed) return "it has no transposed form";
      if (zeros && p.group_out() > 3) return "it suits at most 3 output channels per group";
      if (zeros && p.group_in() > 4) return "it suits at most 4 input channels per group";
      return nullptr;
    case Family::rows_in_place:
      if (p.transposed) return "it has no transposed form";
      if (p.x.spatial[2] != 1) return "the elements of a row do not adjoin";
      if (p.stride[2] > 2) return "it knows column strides of 1 and 2";
      if (p.group_out() > 3) return "it suits at most 3 output channels per group";
      if (p.group_in() > 4) return "it suits at most 4 input channels per group";
      return nullptr;
    case Family::direct_channels_last:
    case Family::im2col_channels_last:
      return last ? nullptr : "the arrays are not channels-last";
    case Family::depthwise_channels_last:
      if (p.group_in() != 1 || p.group_out() != 1) return "the problem is not depthwise";
      if (!last) return "the arrays are not channels-last";
      return p.groups < table.width ? "the channels do not fill a vector" : nullptr;
    case Family::depthwise_turned:
      if (p.group_in() != 1 || p.group_out() != 1) return "the problem is not depthwise";
      if (p.transposed) return "it has no transposed form";
      if (p.dilation[2] != 1 && p.kernel[2] != 1) return "it knows no dilation along the row";
      if (!adjoining(p.x, p.in) || !adjoining(p.y, p.out)) return "the planes have gaps";
      if (!kernel_adjoins(p)) return "the elements of a kernel do not adjoin";
      return p.in.product() * table.width > kMostTurned ? "its planes do not fit a cache" : nullptr;
    case Family::winograd_2x2:
    case Family::winograd_4x4:
    case Family::winograd_4x2:
    case Family::winograd_3x3:
      return winograd_declines(p, family);
    case Family::fft:
      return fft_declines(p);
    case Family::matrix:
    case Family::matrix_unfolded:
      if (table.conv[static_cast<int>(family)].run == nullptr) {
        return "this instruction set has no matrix unit for the dtype";
      }
      if (p.group_in() == 0 || p.group_out() == 0) return "there is nothing to multiply";
      if (family == Family::matrix) return nullptr;
      if (p.transposed) return "it has no transposed form";
      return p.group_in() * p.kernel.product() > 4096 || p.kernel.product() > 512
                 ? "the unfolded rows of a few pixels would not stay in the cache"
                 : nullptr;
    case Family::few_pixels:
      if (p.transposed) return "it has no transposed form";
      if (p.batch * p.out.product() > kMostFewPixels) return "the output has too many pixels";
      return adjoining_weights(p) ? nullptr : "an output channel's weights do not adjoin";
    case Family::transposed_planar:
    case Family::transposed_pixels:
      if (!p.transposed) return "it has only the transposed form";
      return p.stride[2] > kMostSubpixels || p.stride[1] * p.stride[2] > kMostPhasePairs
                 ? "the stride has too many phases"
                 : nullptr;
  }
  return nullptr;
}

namespace {

// Where weights are best read once and where they lie: see conv_few_pixels.inl. Pixels whose inputs
// are unfolded element by element must be fewer; and so must those of short sums, or of weights
// that are packed anyway, because packed weights serve more output channels for each loaded input.
bool suits_few_pixels(const ConvProblem& p, bool keeps_weights) {
  constexpr Index kPointwise = 40, kPacked = 16, kOthers = 9, kLeastSum = 32;
  const Index pixels = p.batch * p.out.product(), sum = p.group_in() * p.kernel.product();
  if (sum < kLeastSum) return false;
  if (p.kernel.product() > 1) return pixels <= kOthers;
  const bool packs = keeps_weights || sum < 2 * p.group_out();
  return pixels <= (packs ? kPacked : kPointwise);
}

// Where vectors of channels are full and rows are not: see conv_depthwise_turned.inl.
bool suits_turned(const ConvProblem& p, const DTypeTable& table) {
  if (table.width == 1 || p.groups < table.width) return false;
  // Cycles for a plane, measured with AVX-512 and AVX2. Of signals with long kernels, loads serve
  // several products (row_tile.inl).
  const double width = number(table.width), vectors = number(ceil_div(p.out[2], table.width));
  const double rows = number(p.out[0] * p.out[1]), taps = number(p.kernel.product());
  const bool signal = p.kernel[0] * p.kernel[1] == 1 && 2 * p.kernel[2] >= 3 * table.width;
  const double picking = p.stride[2] > 1 ? 2.3 : 1.0;  // of every other element
  const double along = rows * (12 + vectors * taps * (signal ? 0.4 : 0.85)) * picking;
  double inside = 1;
  for (int a = 0; a < kAxes; ++a) inside *= number(smaller(p.kernel[a], p.in[a]));
  const double outputs = number(p.out.product()), moved = number(p.in.product()) + outputs;
  const double filled = number(p.groups) / number(ceil_div(p.groups, table.width) * table.width);
  // Planes leave the first-level cache in between where they do not fit.
  constexpr double kFirstLevel = 45e3;
  const double slowed = moved * width * number(element_size(p.dtype)) > kFirstLevel ? 1.5 : 1.0;
  const double turned =
      ((2.4 + 0.35 * width) * slowed * moved + outputs * inside / 1.75 + 40 * rows) / width /
      filled;
  return turned < along;
}

// Output channels of a group below which vectors of them are almost empty.
constexpr Index kLeastOutputs = 4;

bool suits_channels_last(const ConvProblem& p) {
  return channels_last(p) && p.group_out() >= kLeastOutputs;
}

// The families of an algorithm, most specialised first.
Family pick_direct(const ConvProblem& p, const DTypeTable& table, bool keeps_weights,
                   const char*& why) {
  const auto can = [&](Family family) { return declines(p, family, table) == nullptr; };
  if (can(Family::depthwise_channels_last)) {
    why = "depthwise and channels-last: vectors along the channels";
    return Family::depthwise_channels_last;
  }
  if (can(Family::few_pixels) && suits_few_pixels(p, keeps_weights)) {
    why = "few pixels share the weights: vectors along the sum, weights read once where they lie";
    return Family::few_pixels;
  }
  if (can(Family::direct_channels_last) && suits_channels_last(p) &&
      (p.groups == 1 || p.group_out() >= table.width)) {
    const ChannelsLastCost cost = channels_last_cost(p, table, keeps_weights);
    if (cost.pixels < cost.direct) {
      why = "channels-last, fewest cycles by estimate: inputs are copied, tiles of many pixels";
      return Family::direct_pixels;
    }
    why = "channels-last, fewest cycles by estimate: inputs are broadcast where they lie";
    return Family::direct_channels_last;
  }
  if (can(Family::depthwise_turned) && suits_turned(p, table)) {
    why = "depthwise, rows shorter than a vector: planes are turned so that channels fill vectors";
    return Family::depthwise_turned;
  }
  if (can(Family::rows_in_place)) {
    why = "few channels per group: vectors along rows where they lie, shared by output rows";
    return Family::rows_in_place;
  }
  if (suits_channels_last(p) && p.groups > 1 && table.width > 1) {
    why = "narrow groups, channels-last: copied where pixels adjoin, stored as they are";
    return Family::direct_pixels;
  }
  if (can(Family::rows)) {
    why = "few channels per group: vectors along the row, input rows shared by output rows";
    return Family::rows;
  }
  const DenseCost cost = dense_cost(p, table, keeps_weights);
  if (can(Family::transposed_planar) && p.stride[1] * p.stride[2] > 1) {
    const TransposedCost strided = transposed_cost(p, table, keeps_weights);
    if (cost.pixels < strided.planar && cost.pixels < strided.pixels) {
      why = "fewest cycles by estimate: transposed with a stride, each phase for itself";
      return Family::direct_pixels;
    }
    if (strided.pixels < strided.planar) {
      why = "fewest cycles by estimate: one product for all phases, added up in the cache";
      return Family::transposed_pixels;
    }
    why = "transposed with a stride: outputs of all phases are interleaved in the cache";
    return Family::transposed_planar;
  }
  if (cost.pixels < cost.direct) {
    why = "fewest cycles by estimate: packed weights in vectors, pixels broadcast";
    return Family::direct_pixels;
  }
  why = "fewest cycles by estimate: vectors along flattened rows";
  return Family::direct_planar;
}

Family pick_im2col(const ConvProblem& p, const DTypeTable& table, const char*& why) {
  if (declines(p, Family::im2col_channels_last, table) == nullptr) {
    why = "channels-last: unfolded pixels against packed weights";
    return Family::im2col_channels_last;
  }
  why = "panels of unfolded input against weights where they lie";
  return Family::im2col_planar;
}

// 16-bit arrays: whether a kernel takes them as they are.
bool pick_narrow(const ConvProblem& p, Algorithm algorithm, const DTypeTable& table, Family& family,
                 const char*& why) {
  if (algorithm != Algorithm::automatic && algorithm != Algorithm::direct) return false;
  for (const Family candidate : {Family::depthwise_channels_last, Family::rows_in_place}) {
    if (declines(p, candidate, table) != nullptr) continue;
    family = candidate;
    why = "memory decides: elements are widened as they are loaded and rounded as they are stored";
    return true;
  }
  return false;
}

Family pick(const ConvProblem& p, Algorithm algorithm, const DTypeTable& table, bool keeps_weights,
            const char*& why) {
  if (algorithm == Algorithm::im2col) return pick_im2col(p, table, why);
  if (algorithm == Algorithm::winograd) return pick_winograd(p, table, keeps_weights, why);
  const char* const transformed =
      "so many kernel elements that transforming tiles there and back takes fewer operations";
  if (algorithm == Algorithm::fft) {
    why = transformed;
    return Family::fft;
  }
  const Family direct = pick_direct(p, table, keeps_weights, why);
  if (algorithm == Algorithm::direct) return direct;
  if (fft_suits(p, table)) {
    why = transformed;
    return Family::fft;
  }
  if (winograd_suits(p, table, keeps_weights)) return pick_winograd(p, table, keeps_weights, why);
  const bool strided = p.transposed && p.stride[1] * p.stride[2] > 1;
  if (!strided && !suits_channels_last(p) &&
      (direct == Family::direct_planar || direct == Family::direct_pixels)) {
    const DenseCost cost = dense_cost(p, table, keeps_weights);
    if (cost.im2col < (direct == Family::direct_planar ? cost.direct : cost.pixels)) {
      why = "fewest cycles by estimate: vectors of unfolded pixels, which hold no padding";
      return Family::im2col_planar;
    }
  }
  if (direct == Family::direct_channels_last && table.width == 1 && p.group_in() < 8 &&
      p.kernel.product() > 1) {
    why = "few input channels, channels-last: unfolded so that the innermost loop is long";
    return Family::im2col_channels_last;
  }
  return direct;
}

// A single thread where another would cost more to wake than it saves.
int useful_threads(const ConvProblem& p, int threads) {
  constexpr double kLeastWork = 250'000;  // multiply-adds, or elements moved times eight
  const double work = static_cast<double>(multiply_adds(p)) +
                      8.0 * static_cast<double>(p.batch * p.out_channels * p.out.product());
  return work < kLeastWork ? 1 : threads;
}

// Workspace of a thread beyond which a block of the input is not worth copying.
constexpr std::size_t kMostScratch = std::size_t{64} << 20;

// What takes elements one by one where others copy whole stretches of the input.
Family without_blocks(const ConvProblem& p, Algorithm algorithm, const DTypeTable& table) {
  if (algorithm == Algorithm::direct) return Family::plain;
  const char* why = "";
  return pick_im2col(p, table, why);
}

}  // namespace

bool accurate_enough(const ConvProblem& problem, Family family) {
  return family_algorithm(family) != Algorithm::winograd ||
         problem.precision != Precision::highest || winograd_meets_highest(problem, family);
}

bool takes_every_value(Family family) {
  return family != Family::matrix && family != Family::matrix_unfolded &&
         family_algorithm(family) != Algorithm::winograd && family != Family::fft;
}

namespace {

// Fills in a plan whose family is set.
void complete_plan(const ConvProblem& problem, Algorithm algorithm, const DTypeTable& table,
                   bool keeps_weights, ConvPlan& plan) {
  const ConvPlan unscheduled = plan;
  const Index cache = static_cast<Index>(second_level_cache()) / 2;
  schedule(problem, table, cache, keeps_weights, plan);
  if (plan.scratch_bytes > kMostScratch) {
    const Family sparse = without_blocks(problem, algorithm, table);
    if (declines(problem, sparse, table) == nullptr) {
      plan = unscheduled;
      plan.family = sparse;
      plan.reason = "the steps are so large that blocks of the input would be mostly holes";
      schedule(problem, table, cache, keeps_weights, plan);
    }
  }
  plan.threads = static_cast<int>(larger(1, smaller(plan.threads, plan.tasks[1])));
}

}  // namespace

void plan_any_value(const ConvProblem& problem, int threads, bool keeps_weights, ConvPlan& plan) {
  const Unit* unit = find_unit(active_isa());
  const DTypeTable& table = unit->table[static_cast<int>(problem.dtype)];
  plan = ConvPlan{};
  plan.threads = threads;
  plan.isa = unit->isa;
  plan.family = pick(problem, Algorithm::direct, table, keeps_weights, plan.reason);
  complete_plan(problem, Algorithm::direct, table, keeps_weights, plan);
}

Status choose_conv(const ConvProblem& problem, const PlanOptions& options, Isa isa,
                   ConvPlan& plan) {
  // An empty batch is planned as one image: there is nothing to share, but a plan to show.
  ConvProblem filled = problem;
  filled.batch = larger(1, problem.batch);
  plan = ConvPlan{};
  plan.threads = useful_threads(filled, options.threads);
  const Algorithm algorithm = options.algorithm;
  const Unit* unit = find_unit(isa);
  const DTypeTable& table = unit->table[static_cast<int>(problem.dtype)];
  plan.isa = unit->isa;
  if (is_narrow(problem.dtype)) {
    ConvProblem wide = filled;
    wide.dtype = DType::float32;
    const DTypeTable& wide_table = unit->table[static_cast<int>(wide.dtype)];
    const bool transforms = algorithm == Algorithm::automatic && fft_suits(wide, wide_table);
    if (transforms ||
        (!pick_narrow(filled, algorithm, table, plan.family, plan.reason) &&
         !pick_matrix(filled, algorithm, table, options.keeps_weights, plan.family, plan.reason))) {
      return plan_widened(problem, options, plan);
    }
  } else {
    plan.family = pick(filled, algorithm, table, options.keeps_weights, plan.reason);
    if (algorithm != Algorithm::winograd && plan.family != Family::rows &&
        plan.family != Family::rows_in_place && plan.family != Family::depthwise_channels_last &&
        plan.family != Family::depthwise_turned && plan.family != Family::fft) {
      pick_matrix(filled, algorithm, table, options.keeps_weights, plan.family, plan.reason);
    }
  }
  const char* why = declines(filled, plan.family, table);
  if (why == nullptr && !accurate_enough(filled, plan.family)) {
    why = "its sums are too short for the bound of precision 'highest'";
  }
  if (why != nullptr) {
    return Status::error(StatusCode::unsupported,
                         std::string("algorithm '") + algorithm_name(algorithm) +
                             "' cannot compute this problem: " + why + "; use algorithm='auto'");
  }
  complete_plan(filled, algorithm, table, options.keeps_weights, plan);
  return {};
}

}  // namespace fastconv
