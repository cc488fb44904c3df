// Convolution as an implicit matrix product on the ordinary multipliers: rows are the output
// channels of a group, columns the pixels of all images, terms the input channels times the kernel
// elements. No unfolded copy of the input exists: a table of the kernel elements' offsets says
// where a term of a pixel lies.
//
// Grid: tiles of output channels fastest, so that neighbouring blocks read the same input; then
// pixels, groups and phases of a transposed convolution (each an ordinary convolution of every S-th
// kernel element); parts of the sum along y, where there are too few tiles for the device. Loop of
// a block: steps of `k` terms; while a step is multiplied out of one buffer in shared memory, the
// next is on its way from memory to registers. Sums stay in registers from the first term to the
// last.
//
// Lanes load along pixels and terms run over a channel's kernel elements (NCHW), or lanes load
// along terms, which run over channels (channels-last): both read memory in order. The result goes
// through shared memory, so that stores run along whichever axis is dense.
//
// It beats the direct kernel by its reuse: a tile of 128 x 64 multiplies each loaded number 64 or
// 128 times. It loses where a group has few output channels (rows of the tile stay empty), and
// against matrix units wherever these may be used. Not yet run on hardware.
#pragma once

#include "cuda/kernels/conv_gemm.h"
#include "cuda/kernels/gemm_tile.cuh"
#include "cuda/kernels/padding_repair.cuh"

namespace fastconv::cuda {

// Kernel element of a phase: offsets of its input and its weight, and its reach along each axis.
struct alignas(16) GemmTap {
  int x, w;
  short depth, row;
  int col;
};

// A column of the tile: where its window starts and where its result goes; input positions that are
// negative by far stand for pixels that do not exist.
struct alignas(16) GemmPixel {
  Index x, y;
  int depth, row, col, unused;
};
inline constexpr int kNoPixel = -(1 << 30);

// Which pixel of a phase: image and position within the phase's grid.
struct PhasePixel {
  Index image;
  Axes at;
};
__device__ __forceinline__ Index quotient(Index a, Index b) {
  // 64-bit division is a long sequence of instructions.
  if (((a | b) >> 32) == 0) return static_cast<unsigned>(a) / static_cast<unsigned>(b);
  return a / b;
}
__device__ inline PhasePixel phase_pixel(const AxisPhase* axis, Index i) {
  PhasePixel pixel{};
  for (int a = kAxes - 1; a > 0; --a) {
    const Index rest = quotient(i, axis[a].count);
    pixel.at[a] = i - rest * axis[a].count;
    i = rest;
  }
  pixel.image = quotient(i, axis[0].count);
  pixel.at[0] = i - pixel.image * axis[0].count;
  return pixel;
}
__device__ inline Index phase_pixels(const ConvProblem& p, const AxisPhase* axis) {
  return p.batch * axis[0].count * axis[1].count * axis[2].count;
}

// Phase number `phase` of all phases, along one axis.
__device__ inline AxisPhase phase_axis(const ConvProblem& p, const Axes& phases, Index phase,
                                       int axis) {
  for (int a = kAxes - 1; a > axis; --a) phase /= phases[a];
  return axis_phase(p, axis, phase % phases[axis]);
}

__device__ inline OutputIndex phase_output(const AxisPhase* axis, const PhasePixel& pixel,
                                           Index channel) {
  OutputIndex o{pixel.image, channel, {}};
  for (int a = 0; a < kAxes; ++a) o.at[a] = axis[a].out_start + pixel.at[a] * axis[a].out_step;
  return o;
}

// A term that moves on: kernel element and channel, one of them running fastest.
struct GemmTerm {
  int inner, outer, inner_count, outer_count;
  int inner_jump, outer_jump;

  __device__ void start(int term, int step) {
    outer = inner_count == 0 ? outer_count : term / inner_count;
    inner = inner_count == 0 ? 0 : term % inner_count;
    outer_jump = inner_count == 0 ? 0 : step / inner_count;
    inner_jump = inner_count == 0 ? 0 : step % inner_count;
  }
  __device__ bool exists() const { return outer < outer_count; }
  __device__ void next() {
    if (++inner == inner_count) {
      inner = 0;
      ++outer;
    }
  }
  __device__ void jump() {
    inner += inner_jump;
    outer += outer_jump;
    if (inner >= inner_count) {
      inner -= inner_count;
      ++outer;
    }
  }
};

template <class T, class Tile, bool kReadsChannels>
struct GemmLoader {
  using A = typename Tile::Sum;
  static constexpr int kX = Tile::k * Tile::n / Tile::threads;
  static constexpr int kW = Tile::k * Tile::m / Tile::threads;
  static_assert(Tile::threads % Tile::k == 0 && Tile::threads % Tile::n == 0);

  const ConvGemm& g;
  const T* x;
  const T* w;
  const GemmTap* taps;
  const GemmPixel* pixels;
  const int in_depth, in_rows, in_cols;
  int first_channel;  // of the tile's rows
  GemmTerm x_term, w_term;
  T x_values[kX], w_values[kW];
  GemmPixel pixel;  // the only one, where lanes run along pixels

  __device__ GemmLoader(const ConvGemm& gemm, const Axes& in, const T* x_, const T* w_,
                        const GemmTap* taps_, const GemmPixel* pixels_, int tap_count, int channel,
                        int first_term)
      : g(gemm),
        x(x_),
        w(w_),
        taps(taps_),
        pixels(pixels_),
        in_depth(static_cast<int>(in[0])),
        in_rows(static_cast<int>(in[1])),
        in_cols(static_cast<int>(in[2])),
        first_channel(channel) {
    const int thread = static_cast<int>(threadIdx.x);
    x_term.inner_count = w_term.inner_count = kReadsChannels ? g.channels : tap_count;
    x_term.outer_count = w_term.outer_count = kReadsChannels ? tap_count : g.channels;
    w_term.start(first_term + thread % Tile::k, Tile::k);
    if (kReadsChannels) {
      x_term.start(first_term + thread % Tile::k, Tile::k);
    } else {
      x_term.start(first_term + thread / Tile::n * kX, Tile::k - kX);
      pixel = pixels[thread % Tile::n];
    }
  }

  __device__ __forceinline__ T x_value(const GemmPixel& at, const GemmTerm& term) const {
    T value = from_acc<T>(A(0));
    if (!term.exists()) return value;
    const GemmTap tap = taps[kReadsChannels ? term.outer : term.inner];
    const int channel = kReadsChannels ? term.inner : term.outer;
    const bool inside =
        static_cast<unsigned>(at.col + tap.col) < static_cast<unsigned>(in_cols) &&
        static_cast<unsigned>(at.row + tap.row) < static_cast<unsigned>(in_rows) &&
        static_cast<unsigned>(at.depth + tap.depth) < static_cast<unsigned>(in_depth);
    if (inside) value = x[at.x + (tap.x + channel * g.x_channel)];
    return value;
  }

  // Starts to load the next step.
  __device__ __forceinline__ void fetch() {
    const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < kX; ++i) {
      if (kReadsChannels) {
        x_values[i] = x_value(pixels[thread / Tile::k + i * (Tile::threads / Tile::k)], x_term);
      } else {
        x_values[i] = x_value(pixel, x_term);
        x_term.next();
      }
    }
    x_term.jump();
    const bool exists = w_term.exists();
    int offset = 0;
    if (exists) {
      offset = taps[kReadsChannels ? w_term.outer : w_term.inner].w +
               (kReadsChannels ? w_term.inner : w_term.outer) * g.weight_in;
    }
#pragma unroll
    for (int i = 0; i < kW; ++i) {
      const int row = first_channel + thread / Tile::k + i * (Tile::threads / Tile::k);
      w_values[i] = from_acc<T>(A(0));
      if (exists && row < g.out_channels) w_values[i] = w[offset + row * g.weight_out];
    }
    w_term.jump();
  }

  // Puts what was loaded into a buffer.
  __device__ __forceinline__ void put(A* a, A* b) const {
    const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < kW; ++i) {
      a[thread % Tile::k * Tile::pitch_m + thread / Tile::k + i * (Tile::threads / Tile::k)] =
          to_acc(w_values[i]);
    }
#pragma unroll
    for (int i = 0; i < kX; ++i) {
      const int term = kReadsChannels ? thread % Tile::k : thread / Tile::n * kX + i;
      const int column =
          kReadsChannels ? thread / Tile::k + i * (Tile::threads / Tile::k) : thread % Tile::n;
      b[term * Tile::pitch_n + column] = to_acc(x_values[i]);
    }
  }
};

// Elements of dynamic shared memory in bytes: buffers, pixels, kernel elements.
template <class Tile>
constexpr std::size_t gemm_shared_bytes(Index taps) {
  return Tile::shared * sizeof(typename Tile::Sum) + Tile::n * sizeof(GemmPixel) +
         static_cast<std::size_t>(taps) * sizeof(GemmTap);
}

// Where a block works.
struct GemmBlock {
  int channel;  // first of the tile, within the group
  Index pixel;  // first of the tile
  Index group, phase;
};
__device__ inline GemmBlock gemm_block(const ConvGemm& g, Index groups, int tile_m, int tile_n) {
  GemmBlock b{};
  Index i = blockIdx.x;
  const Index by_channels = quotient(i, g.channel_tiles);
  b.channel = static_cast<int>(i - by_channels * g.channel_tiles) * tile_m;
  const Index by_pixels = quotient(by_channels, g.pixel_tiles);
  b.pixel = (by_channels - by_pixels * g.pixel_tiles) * tile_n;
  b.phase = quotient(by_pixels, groups);
  b.group = by_pixels - b.phase * groups;
  return b;
}

__device__ inline void fill_pixels(const ConvProblem& p, const AxisPhase* axis, Index first,
                                   Index count, int columns, GemmPixel* pixels) {
  for (int n = static_cast<int>(threadIdx.x); n < columns; n += static_cast<int>(blockDim.x)) {
    GemmPixel& to = pixels[n];
    to = {0, -1, 0, 0, kNoPixel, 0};
    if (first + n >= count) continue;
    const PhasePixel at = phase_pixel(axis, first + n);
    const OutputIndex o = phase_output(axis, at, 0);
    to.y = output_offset(p, o);
    to.x = at.image * p.x.batch;
    for (int a = 0; a < kAxes; ++a) to.x += at.at[a] * axis[a].in_step * p.x.spatial[a];
    to.depth = static_cast<int>(at.at[0] * axis[0].in_step);
    to.row = static_cast<int>(at.at[1] * axis[1].in_step);
    to.col = static_cast<int>(at.at[2] * axis[2].in_step);
  }
}

__device__ inline void fill_taps(const ConvProblem& p, const AxisPhase* axis, int count,
                                 GemmTap* taps) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    const int cols = static_cast<int>(axis[2].taps), rows = static_cast<int>(axis[1].taps);
    const int tap[kAxes] = {i / (cols * rows), i / cols % rows, i % cols};
    Index x = 0, w = 0;
    for (int a = 0; a < kAxes; ++a) {
      x += axis[a].offset(tap[a]) * p.x.spatial[a];
      w += (axis[a].tap0 + tap[a] * axis[a].tap_step) * p.w.spatial[a];
    }
    taps[i] = {static_cast<int>(x), static_cast<int>(w), static_cast<short>(axis[0].offset(tap[0])),
               static_cast<short>(axis[1].offset(tap[1])),
               static_cast<int>(axis[2].offset(tap[2]))};
  }
}

// `p` says what is stored where and `origin` what is computed: they differ where the input was
// unfolded first.
template <class T, class Tile, bool kReadsChannels>
__global__ void __launch_bounds__(Tile::threads, 3)
    conv_gemm(const __grid_constant__ ConvGemm g, const __grid_constant__ ConvProblem p,
              const __grid_constant__ ConvProblem origin, const T* __restrict__ x,
              const T* __restrict__ origin_x, const T* __restrict__ w, const T* __restrict__ bias,
              T* __restrict__ y, Acc<T>* __restrict__ partial) {
  using A = Acc<T>;
  A* const buffers = shared_memory<A>();
  GemmPixel* const pixels = reinterpret_cast<GemmPixel*>(buffers + Tile::shared);
  GemmTap* const taps = reinterpret_cast<GemmTap*>(pixels + Tile::n);
  __shared__ AxisPhase axis[kAxes];
  const int thread = static_cast<int>(threadIdx.x);

  // Where this block works, and the tables.
  const GemmBlock block = gemm_block(g, p.groups, Tile::m, Tile::n);
  if (thread < kAxes) axis[thread] = phase_axis(p, g.phases, block.phase, thread);
  __syncthreads();
  const Index pixel_count = phase_pixels(p, axis);
  if (block.pixel >= pixel_count) return;
  const int tap_count = static_cast<int>(axis[0].taps * axis[1].taps * axis[2].taps);
  fill_pixels(p, axis, block.pixel, pixel_count, Tile::n, pixels);
  fill_taps(p, axis, tap_count, taps);
  __syncthreads();

  // Sums.
  const int part = static_cast<int>(blockIdx.y);
  const int all_steps = (tap_count * g.channels + Tile::k - 1) / Tile::k;
  const int first_step = part * g.tiles_per_part;
  const int left = all_steps - first_step;
  const int steps = left < g.tiles_per_part ? left : g.tiles_per_part;
  GemmThread<Tile> sums;
  GemmLoader<T, Tile, kReadsChannels> loader(g, p.in, x + block.group * g.channels * p.x.channel,
                                             w + weight_origin(p, block.group), taps, pixels,
                                             tap_count, block.channel, first_step * Tile::k);
  if (steps > 0) {
    loader.fetch();
    loader.put(buffers, buffers + Tile::k * Tile::pitch_m);
    __syncthreads();
    for (int step = 0; step < steps; ++step) {
      A* const now = buffers + (step & 1) * Tile::buffer;
      A* const next = buffers + ((step + 1) & 1) * Tile::buffer;
      if (step + 1 < steps) loader.fetch();
      sums.multiply(now, now + Tile::k * Tile::pitch_m);
      if (step + 1 < steps) loader.put(next, next + Tile::k * Tile::pitch_m);
      __syncthreads();
    }
  }

  // Results, half of the rows at a time.
  constexpr int kHalf = Tile::m / 2;
  const int step_m = g.channels_last ? 1 : Tile::pitch_n;
  const int step_n = g.channels_last ? kHalf + Tile::piece : 1;
  const Index first_channel = block.group * g.out_channels;
  const auto each_result = [&](int half, const auto& visit) {
    for (int e = thread; e < kHalf * Tile::n; e += Tile::threads) {
      const int m = g.channels_last ? e % kHalf : e / Tile::n;
      const int n = g.channels_last ? e / kHalf : e % Tile::n;
      const int channel = block.channel + half * kHalf + m;
      if (channel < g.out_channels && pixels[n].col != kNoPixel) visit(m, n, channel);
    }
  };
  bool saw_nan = false;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    sums.put_half(half, buffers, step_m, step_n);
    __syncthreads();
    each_result(half, [&](int m, int n, int channel) {
      A value = buffers[m * step_m + n * step_n];
      if (g.parts > 1) {
        const Index slot = (part * g.phases.product() + block.phase) * p.groups + block.group;
        partial[(slot * g.out_channels + channel) * g.pixels + block.pixel + n] = value;
        return;
      }
      value += bias_of(bias, first_channel + channel);
      saw_nan = saw_nan || value != value;
      y[pixels[n].y + (first_channel + channel) * p.y.channel] =
          from_acc<T>(activate(value, p.activation));
    });
    __syncthreads();
  }
  if (!saw_nan || !g.padded) return;
  for (int half = 0; half < 2; ++half) {
    each_result(half, [&](int, int n, int channel) {
      const PhasePixel at = phase_pixel(axis, block.pixel + n);
      repair_output(origin, phase_output(axis, at, first_channel + channel), origin_x, w, bias, y);
    });
  }
}

// Adds the parts of every output in order, then bias and activation: one thread per output.
template <class T>
__global__ void conv_gemm_add(const __grid_constant__ ConvGemm g,
                              const __grid_constant__ ConvProblem p,
                              const __grid_constant__ ConvProblem origin,
                              const T* __restrict__ origin_x, const T* __restrict__ w,
                              const T* __restrict__ bias, T* __restrict__ y,
                              const Acc<T>* __restrict__ partial) {
  const Index outputs = g.phases.product() * p.groups * g.out_channels * g.pixels;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < outputs;
       i += step) {
    const Index row = i / g.pixels, channel = row % p.out_channels;
    AxisPhase axis[kAxes];
    for (int a = 0; a < kAxes; ++a) axis[a] = phase_axis(p, g.phases, row / p.out_channels, a);
    const Index pixel = i - row * g.pixels;
    if (pixel >= phase_pixels(p, axis)) continue;
    Acc<T> sum = partial[i];
    for (int part = 1; part < g.parts; ++part) sum += partial[part * outputs + i];
    sum += bias_of(bias, channel);
    const OutputIndex o = phase_output(axis, phase_pixel(axis, pixel), channel);
    y[output_offset(p, o)] = from_acc<T>(activate(sum, p.activation));
    if (g.padded && sum != sum) repair_output(origin, o, origin_x, w, bias, y);
  }
}

}  // namespace fastconv::cuda
