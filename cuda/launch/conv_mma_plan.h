// How a convolution is cut for tensor cores: pure functions of problem, options and device.
#pragma once

#include "cuda/fastconv_cuda.h"
#include "cuda/kernels/conv_mma_problem.h"

namespace fastconv::cuda {

// Number formats in which an element type is multiplied at a precision (mma_arithmetic.cuh).
enum class MmaFormat : int { float16, bfloat16, tf32, bfloat16_x2, bfloat16_x3 };
MmaFormat mma_format(const ConvProblem& problem);
int mma_parts(MmaFormat format);
// Terms of one step of a sum, and bytes of one number of one part.
int mma_step(MmaFormat format);

// Why tensor cores of a device cannot take an element type, for every kernel on them.
const char* mma_device_declines(const ConvProblem& problem, const DeviceTraits& traits);
// Share of products that must not be those of zeros, for tensor cores to be chosen.
double mma_least_filled(MmaFormat format);

const char* conv_mma_declines(const ConvProblem& problem, const DeviceTraits& traits);
const char* conv_mma_wanted(const ConvProblem& problem, const DeviceTraits& traits);
// plan.variant is 1 for tiles of 128 x 128, 0 for 64 x 64.
void conv_mma_schedule(const ConvProblem& problem, const PlanOptions& options,
                       const DeviceTraits& traits, ConvPlan& plan);

// What the kernels get. `arrays` and `workspace` are looked at for their alignment only.
ConvMma conv_mma_problem(const ConvProblem& problem, const ConvPlan& plan, const ConvArrays& arrays,
                         void* workspace);

// Tiles of all phases and groups.
inline Index mma_tiles(const ConvMma& p) {
  return p.problem.groups * p.phases[0] * p.phases[1] * p.phases[2] * p.row_tiles * p.column_tiles;
}

// One for each file of kernels.
Status launch_conv_mma_float16(const ConvMma& p, bool large, Stream stream);
Status launch_conv_mma_bfloat16(const ConvMma& p, bool large, Stream stream);
Status launch_conv_mma_float32(const ConvMma& p, MmaFormat format, bool large, Stream stream);

}  // namespace fastconv::cuda
