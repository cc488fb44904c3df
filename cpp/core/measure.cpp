#include "core/measure.h"

#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "core/config.h"
#include "core/names.h"
#include "core/parallel.h"
#include "core/registry.h"

namespace fastconv {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Shortest of several repetitions of one threaded phase: the run that was disturbed least.
double best_seconds(int threads, const Phase& phase, const void* context) {
  constexpr int kRepetitions = 7;
  double best = 0.0;
  for (int i = 0; i < kRepetitions; ++i) {
    const Clock::time_point start = Clock::now();
    if (!run_phases(threads, &phase, 1, context, 0)) return 0.0;
    const double taken = seconds_since(start);
    if (i == 0 || taken < best) best = taken;
  }
  return best;
}

struct ChainWork {
  double (*chain)(Index);
  Index count;
};

// Speed of `count` steps of a chain on each thread, a step being so many multiply-adds.
double chain_gflops(double (*chain)(Index), Index count, Index per_step, int threads) {
  const ChainWork work{chain, count};
  const Phase phase{threads, [](const void* context, Index begin, Index end, std::byte*) {
                      const auto* given = static_cast<const ChainWork*>(context);
                      volatile double sink = 0.0;
                      for (Index i = begin; i < end; ++i) sink = sink + given->chain(given->count);
                    }};
  const double seconds = best_seconds(threads, phase, &work);
  return 2.0 * static_cast<double>(count * per_step * threads) / seconds * 1e-9;
}

Status cannot_run(Isa isa) {
  return Status::error(StatusCode::unavailable, std::string("instruction set '") + isa_name(isa) +
                                                    "' cannot run here; choose one of " +
                                                    runnable_isas());
}

struct CopyWork {
  const std::byte* from;
  std::byte* to;
  std::size_t bytes;
  Index blocks;
};

}  // namespace

Status measure_fma(Isa isa, DType dtype, int threads, double& gflops) {
  const Unit* unit = find_unit(isa);
  if (unit == nullptr) return cannot_run(isa);
  const DTypeTable& table = unit->table[static_cast<int>(dtype)];
  gflops = chain_gflops(table.fma_chain, 4'000'000, table.width, threads);
  return {};
}

Status measure_matrix(Isa isa, int threads, double& gflops) {
  const Unit* unit = find_unit(isa);
  if (unit == nullptr) return cannot_run(isa);
  const auto chain = unit->table[static_cast<int>(DType::float32)].product_chain;
  constexpr Index kTileWork = 16 * 16 * 32;  // multiply-adds of one product
  gflops = chain == nullptr ? 0.0 : chain_gflops(chain, 200'000, kTileWork, threads);
  return {};
}

Status measure_copy(std::size_t bytes, int threads, double& gigabytes) {
  const std::unique_ptr<std::byte[]> from(new (std::nothrow) std::byte[bytes]);
  const std::unique_ptr<std::byte[]> to(new (std::nothrow) std::byte[bytes]);
  if (!from || !to) {
    return Status::error(StatusCode::memory, "measure_copy: no memory for two arrays of " +
                                                 std::to_string(bytes) + " bytes");
  }
  std::memset(from.get(), 1, bytes);
  std::memset(to.get(), 2, bytes);
  constexpr Index kBlock = Index{1} << 18;
  const CopyWork work{from.get(), to.get(), bytes, ceil_div(static_cast<Index>(bytes), kBlock)};
  const Phase phase{work.blocks, [](const void* context, Index begin, Index end, std::byte*) {
                      const auto* copy = static_cast<const CopyWork*>(context);
                      const auto at = static_cast<std::size_t>(begin * kBlock);
                      const std::size_t stop = static_cast<std::size_t>(
                          smaller(end * kBlock, static_cast<Index>(copy->bytes)));
                      std::memcpy(copy->to + at, copy->from + at, stop - at);
                    }};
  const double seconds = best_seconds(threads, phase, &work);
  gigabytes = 2.0 * static_cast<double>(bytes) / seconds * 1e-9;
  return {};
}

}  // namespace fastconv
