// The only place that knows about threads. Kernels get half-open ranges of independent tasks; how
// tasks are dealt out never changes what a task computes, so results do not depend on the count.
#pragma once

#include <fastconv/geometry.h>
#include <cstddef>

namespace fastconv {

// Threads for the calling thread's next region: set_num_threads() if that was called, else
// FASTCONV_NUM_THREADS, else OpenMP's maximum (which threadpoolctl and OMP_NUM_THREADS limit).
int max_threads();
void set_num_threads(int count);  // 0 returns to the default

// Bytes of scratch for each thread that stay allocated between calls, at most; more is released
// after the call.
inline constexpr std::size_t kKeptScratch = std::size_t{32} << 20;

// One step of a region: `tasks` independent tasks, dealt to threads in contiguous ranges.
struct Phase {
  Index tasks = 0;
  void (*run)(const void* context, Index begin, Index end, std::byte* scratch) = nullptr;
};

// Runs the phases in order with a barrier between them. Each thread brings `scratch_bytes` of
// 64-byte-aligned memory. Returns false, with nothing run, when that memory cannot be had.
bool run_phases(int threads, const Phase* phases, int count, const void* context,
                std::size_t scratch_bytes);

}  // namespace fastconv
