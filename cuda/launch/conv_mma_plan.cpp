#include "cuda/launch/conv_mma_plan.h"

#include <cstdint>

#include "core/grid.h"

namespace fastconv::cuda {
namespace {

constexpr Index kMost = Index{1} << 30;  // sizes, positions and counts that kernels keep in 32 bits
constexpr std::size_t kAlignment = 256;  // of the pieces of the workspace

struct Tiles {
  Index edge;  // pixels and output channels of a tile
  Index rows, columns, all;
};

Index axis_phases(const ConvProblem& p, int a) {
  return p.transposed ? larger(1, smaller(p.stride[a], p.out[a])) : 1;
}

Tiles tiles_of(const ConvProblem& p, bool large) {
  Tiles t{large ? 128 : 64, 0, 0, 0};
  Index pixels = p.batch, phases = 1;
  for (int a = 0; a < kAxes; ++a) {
    phases *= axis_phases(p, a);
    pixels *= ceil_div(p.out[a], axis_phases(p, a));
  }
  t.rows = ceil_div(pixels, t.edge);
  t.columns = ceil_div(p.group_out(), t.edge);
  t.all = t.rows * t.columns * p.groups * phases;
  return t;
}

Index rounded_up(Index size, Index unit) {
  return ceil_div(size, unit) * unit;
}

// Steps of the longest sum.
Index steps_of(const ConvProblem& p) {
  Index taps = 1;
  for (int a = 0; a < kAxes; ++a) {
    const Index step =
        p.transposed ? p.stride[a] / greatest_common_divisor(p.stride[a], p.dilation[a]) : 1;
    taps *= ceil_div(p.kernel[a], step);
  }
  return taps * ceil_div(p.group_in(), mma_step(mma_format(p)));
}

PackedWeights packed_weights(const ConvProblem& p, bool large) {
  const MmaFormat format = mma_format(p);
  PackedWeights w{};
  w.columns = static_cast<int>(rounded_up(p.group_out(), large ? 128 : 64));
  w.terms = static_cast<int>(rounded_up(p.group_in(), mma_step(format)));
  w.taps = static_cast<int>(p.kernel.product());
  w.row_bytes = w.terms / mma_step(format) * 64;
  w.tap_bytes = Index{w.row_bytes} * w.columns;
  w.group_bytes = w.tap_bytes * w.taps;
  w.part_bytes = w.group_bytes * p.groups;
  return w;
}

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}
std::size_t packed_bytes(const ConvProblem& p, bool large) {
  return aligned(static_cast<std::size_t>(packed_weights(p, large).part_bytes) *
                 static_cast<std::size_t>(mma_parts(mma_format(p))));
}

// Share of the products that are not those of zeros: channels fill steps and tiles in part.
double filled(const ConvProblem& p) {
  const Index step = mma_step(mma_format(p));
  return static_cast<double>(p.group_in()) / static_cast<double>(rounded_up(p.group_in(), step)) *
         static_cast<double>(p.group_out()) / static_cast<double>(rounded_up(p.group_out(), 64));
}

bool in_whole_chunks(const Strides& s, Index channels, Index chunk, const void* at) {
  bool whole = s.channel == 1 && channels % chunk == 0 && s.batch % chunk == 0;
  for (int a = 0; a < kAxes; ++a) whole = whole && s.spatial[a] % chunk == 0;
  return whole && reinterpret_cast<std::uintptr_t>(at) % 16 == 0;
}

MmaAxis narrow_axis(const AxisPhase& a) {
  const auto to = [](Index value) { return static_cast<int>(value); };
  return {to(a.out_start), to(a.out_step), to(a.count),   to(a.in_step),    to(a.taps),
          to(a.tap0),      to(a.tap_step), to(a.offset0), to(a.offset_step)};
}

}  // namespace

MmaFormat mma_format(const ConvProblem& p) {
  if (p.dtype == DType::float16) return MmaFormat::float16;
  if (p.dtype == DType::bfloat16) return MmaFormat::bfloat16;
  return p.precision == Precision::medium ? MmaFormat::tf32
         : p.precision == Precision::high ? MmaFormat::bfloat16_x2
                                          : MmaFormat::bfloat16_x3;
}

int mma_parts(MmaFormat format) {
  return format == MmaFormat::bfloat16_x3 ? 3 : format == MmaFormat::bfloat16_x2 ? 2 : 1;
}

int mma_step(MmaFormat format) {
  return format == MmaFormat::tf32 ? 16 : 32;
}

const char* mma_device_declines(const ConvProblem& p, const DeviceTraits& traits) {
  if (p.dtype == DType::float64) return "tensor cores of this kernel do not take float64";
  if (traits.capability() < 75) return "tensor cores need compute capability 7.5";
  // Code for older architectures has nothing in the place of kernels that these cannot run.
  const int code = traits.code == 0 ? traits.capability() : traits.code;
  if (code < 80 && p.dtype != DType::float16) {
    return "tensor cores take bfloat16 and float32 from compute capability 8.0 on, in code that is "
           "compiled for it";
  }
  const std::size_t needed = std::size_t{p.dtype == DType::float32 ? 96u : 64u} << 10;
  if (traits.shared_per_block < needed) return "its tiles need more shared memory";
  return nullptr;
}

// Against FFMA: 16 times the products in 16 bits, 8 in tf32, 5 in three products of bfloat16, 2.5
// in six; mma.sync reaches about 0.6 of that on sm_90. What zeros leave of it must be a gain.
double mma_least_filled(MmaFormat format) {
  switch (format) {
    case MmaFormat::float16:
    case MmaFormat::bfloat16:
      return 0.125;
    case MmaFormat::tf32:
      return 0.25;
    case MmaFormat::bfloat16_x2:
      return 0.4;
    case MmaFormat::bfloat16_x3:
      return 0.75;
  }
  return 1.0;
}

const char* conv_mma_declines(const ConvProblem& p, const DeviceTraits& traits) {
  if (const char* why = mma_device_declines(p, traits)) return why;
  if (p.boundary != Boundary::fill || p.fill_value != 0.0) return "its padding is zeros only";
  if (p.in_channels == 0) return "it has no input channels to sum over";
  for (int a = 0; a < kAxes; ++a) {
    if (p.transposed && p.stride[a] > kMostPhases) return "the transposed stride is above 4";
    const Index reach = p.dilation[a] * p.kernel[a] + p.pad_lo[a] + p.pad_hi[a] + p.in[a];
    if (reach >= kMost || p.out[a] * p.stride[a] >= kMost) return "positions exceed 30 bits";
  }
  // Bytes of an output channel's weights are counted in 31 bits.
  if (p.group_in() >= kMost / 4) return "it has too many input channels";
  if (p.batch * p.out.product() >= kMost || p.group_out() * p.kernel.product() >= kMost ||
      p.group_in() * p.kernel.product() >= kMost || tiles_of(p, false).all >= kMost) {
    return "it counts pixels, weights and tiles in 30 bits";
  }
  return nullptr;
}

const char* conv_mma_wanted(const ConvProblem& p, const DeviceTraits&) {
  const MmaFormat format = mma_format(p);
  if (filled(p) < mma_least_filled(format)) return nullptr;
  switch (format) {
    case MmaFormat::float16:
    case MmaFormat::bfloat16:
      return "tensor cores multiply 16-bit numbers many times as fast";
    case MmaFormat::tf32:
      return "precision 'medium': tensor cores multiply tf32";
    case MmaFormat::bfloat16_x2:
      return "precision 'high': three products of bfloat16 parts on tensor cores";
    case MmaFormat::bfloat16_x3:
      return "six products of bfloat16 parts on tensor cores keep float32 accuracy";
  }
  return nullptr;
}

void conv_mma_schedule(const ConvProblem& p, const PlanOptions& options, const DeviceTraits& traits,
                       ConvPlan& plan) {
  // Large tiles where output channels fill them and every multiprocessor gets one.
  const bool fills = p.group_out() % 128 == 0 || p.group_out() > 192;
  const bool large = fills && tiles_of(p, true).all >= traits.multiprocessors;
  const Tiles tiles = tiles_of(p, large);
  plan.variant = large ? 1 : 0;
  plan.tile_m = plan.tile_n = tiles.edge;
  plan.tile_k = mma_step(mma_format(p));
  plan.workspace_bytes = packed_bytes(p, large);
  // Two blocks for each multiprocessor, of at least eight steps each, as far as workspace allows.
  const Index wanted = 2 * traits.multiprocessors / larger(1, tiles.all);
  Index parts = larger(1, smaller(smaller(wanted, 16), steps_of(p) / 8));
  const auto sums = static_cast<std::size_t>(tiles.all * tiles.edge * tiles.edge) * sizeof(float);
  while (parts > 1 &&
         plan.workspace_bytes + static_cast<std::size_t>(parts) * sums > options.workspace_limit) {
    --parts;
  }
  plan.parts = parts;
  if (parts > 1) plan.workspace_bytes += static_cast<std::size_t>(parts) * sums;
}

ConvMma conv_mma_problem(const ConvProblem& p, const ConvPlan& plan, const ConvArrays& arrays,
                         void* workspace) {
  const bool large = plan.variant == 1;
  const Tiles tiles = tiles_of(p, large);
  ConvMma m{};
  m.problem = p;
  m.x = arrays.x;
  m.w = arrays.w;
  m.bias = arrays.bias;
  m.y = arrays.y;
  m.packed = static_cast<unsigned char*>(workspace);
  m.partial = reinterpret_cast<float*>(m.packed + packed_bytes(p, large));
  m.weights = packed_weights(p, large);
  for (int a = 0; a < kAxes; ++a) {
    m.phases[a] = static_cast<int>(axis_phases(p, a));
    for (int phase = 0; phase < m.phases[a]; ++phase) {
      m.axis[a][phase] = narrow_axis(axis_phase(p, a, phase));
    }
  }
  m.row_tiles = static_cast<int>(tiles.rows);
  m.column_tiles = static_cast<int>(tiles.columns);
  m.parts = static_cast<int>(plan.parts);
  const Index chunk = 16 / element_size(p.dtype);
  m.pixels_fast = p.x.channel != 1;
  m.vector_loads = in_whole_chunks(p.x, p.group_in(), chunk, arrays.x);
  m.vector_stores = in_whole_chunks(p.y, p.group_out(), chunk, arrays.y);
  m.channels_last = p.y.channel == 1;
  return m;
}

}  // namespace fastconv::cuda
