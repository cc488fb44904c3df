// The machine's ceilings, measured: what a kernel's speed is held against.
#pragma once

#include <fastconv/problem.h>
#include <fastconv/status.h>
#include <cstddef>

namespace fastconv {

// Fused multiply-adds on independent accumulators, best of several runs, in GFLOP/s (two operations
// per multiply-add), over `threads` threads.
Status measure_fma(Isa isa, DType dtype, int threads, double& gflops);

// Products of bfloat16 tiles on the matrix unit, in the same way; 0 where the unit has none.
Status measure_matrix(Isa isa, int threads, double& gflops);

// Copies between two arrays of `bytes` each, best of several runs, in GB/s counted once for the
// read and once for the write.
Status measure_copy(std::size_t bytes, int threads, double& gigabytes);

}  // namespace fastconv
