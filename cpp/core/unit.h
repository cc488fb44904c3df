// What an instruction-set unit hands to the core: one table of functions per element type.
//
// A unit is one object library compiled with its own flags. It may define functions only inside its
// own namespace (and `static`), calls nothing but what it defines, libm and memcpy/memset, has no
// static initialisers, and does not throw. Everything about choice and detection is compiled at
// baseline.
#pragma once

#include <fastconv/plan.h>
#include "core/training.h"
#include "core/weight_gradient.h"

#include <cstddef>

namespace fastconv {

// One convolution call. Buffers never overlap, except that `fold`ed bias may be null.
struct ConvJob {
  const ConvProblem* problem;
  const ConvPlan* plan;
  const void* x;
  const void* w;
  const void* bias;  // out_channels values, contiguous; null without bias
  void* y;
  std::byte* shared;  // plan->shared_bytes, 64-byte aligned
  // Set to 1 when a result before the activation is NaN and the kernel multiplies padding: the
  // caller then looks whether an infinite or NaN weight met a padded tap. May be set by all
  // threads.
  unsigned char* saw_nan;
  // Set to 1 by a kernel that met a value which it cannot compute with: the caller then computes
  // the whole problem by another family (see `takes_every_value`). May be set by all threads, while
  // packing too; the output then holds anything.
  unsigned char* declined = nullptr;
  // Where problem->has_addend: elements from an output to what is added to it.
  Index addend = 0;
  const double* fft_roots = nullptr;  // see core/fft.h; for the family that transforms
};

struct PoolJob {
  const PoolProblem* problem;
  const PoolPlan* plan;
  const void* x;
  void* y;
  Index* indices;  // null unless problem->with_indices
};

// The sum of each channel: of a gradient, that of the bias.
struct ChannelSums {
  DType dtype;
  Index batch, channels;
  Axes size;
  Strides x;
  const void* from;
  void* to;  // contiguous
};

// An activation of `count` elements without gaps, of sums where `addend` is not null, or, where
// `grad` is not null, its gradient. `to` may be `x`.
struct ActivationJob {
  Activation activation;
  Index count;
  const void* x;
  const void* addend;
  const void* grad;
  void* to;
};
inline constexpr Index kActivationBlock = 4096;  // elements of a task

// Both see a `const ConvJob*` / `const PoolJob*` as context: see Phase in parallel.h.
using TaskFunction = void (*)(const void* job, Index begin, Index end, std::byte* scratch);

// Channels that one packing task of the depthwise channels-last kernel takes.
inline constexpr Index kPackedChannels = 64;

// A convolution kernel: phase 0 packs into job.shared (null when the family does not), phase 1
// computes.
struct ConvKernel {
  TaskFunction pack = nullptr;
  TaskFunction run = nullptr;
};

struct DTypeTable {
  int width = 1;  // elements of a vector
  int vector_bytes = 0;
  // Register tiles of the planar kernels (output channels x pixels), of the channels-last kernels
  // and of the pixel kernel (pixels x output channels); the second number is a multiple of `width`.
  Index planar_m = 1, planar_n = 1;
  Index channels_last_m = 1, channels_last_n = 1;
  Index pixels_m = 1, pixels_n = 1;
  Index winograd_m = 1, winograd_n = 1;  // tiles (transposed: positions) x columns
  ConvKernel conv[kFamilies];            // run == nullptr: this unit leaves the family to another
  TaskFunction pool_planar = nullptr;  // any strides; vectors along the row where it is contiguous
  TaskFunction pool_channels_last = nullptr;  // channel stride 1
  // Runs `count` fused multiply-adds of full vectors on independent accumulators; the returned
  // value only keeps the work alive. For measuring the ceiling.
  double (*fma_chain)(Index count) = nullptr;
  // The same for `count` products of matrix tiles; null without a matrix unit.
  double (*product_chain)(Index count) = nullptr;
  // Gradients of a convolution: see core/weight_gradient.h; tasks of the second are output
  // channels.
  Index weights_m = 1;  // output channels of a register tile
  TaskFunction weights[kWeightFamilies] = {};
  TaskFunction add_weights = nullptr;
  // Sums over images and pixels of each channel, a ChannelSums as context: tasks are channels, or
  // as many as a vector has where these lie side by side.
  TaskFunction channel_sums = nullptr;
  TaskFunction activation = nullptr;  // an ActivationJob as context
  // See core/training.h; tasks are channels, and blocks of elements. Null for 16-bit types.
  TaskFunction channel_products = nullptr, channel_affine = nullptr, descend = nullptr;
  // Gradient of average pooling, a SpreadJob (core/pool_gradient.h) as context: tasks are planes,
  // and input rows.
  TaskFunction spread_planar = nullptr, spread_channels_last = nullptr;
  // Of 16-bit types, null for others: to[i] = from[i*step], and to[i*step] = from[i] rounded to
  // nearest even.
  void (*widen)(float* to, const void* from, Index step, Index count) = nullptr;
  void (*narrow)(void* to, Index step, const float* from, Index count) = nullptr;
};

struct Unit {
  Isa isa;
  const char* name;
  DTypeTable table[kDTypes];
};

// nullptr where the unit is not compiled in or this machine cannot run it.
const Unit* find_unit(Isa isa);

}  // namespace fastconv
