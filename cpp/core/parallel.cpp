#include "core/parallel.h"

#include <pthread.h>

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "core/config.h"
#include "core/memory.h"

#if FASTCONV_OPENMP
#include <omp.h>
#endif

namespace fastconv {
namespace {

// Scratch of one thread. It stays between calls, so that a call in a loop touches no fresh page.
class Scratch {
 public:
  std::byte* reserve(std::size_t bytes) {
    if (bytes > size_ || (kExactWorkspaces && bytes != size_)) {
      data_.reset();
      data_ = allocate_workspace(bytes);
      size_ = data_ ? bytes : 0;
    }
    return data_.get();
  }

  void trim() {
    if (size_ <= kKeptScratch) return;
    data_.reset();
    size_ = 0;
  }

 private:
  Workspace data_;
  std::size_t size_ = 0;
};

thread_local Scratch t_scratch;
std::atomic<int> g_threads{0};

// The region as one thread of `team` sees it. A thread without memory makes all of them stop before
// any work is done; `wait` is the team's barrier.
template <class Wait>
void run_member(int member, int team, const Phase* phases, int count, const void* context,
                std::size_t scratch_bytes, std::atomic<bool>& failed, Wait wait) {
  std::byte* scratch = scratch_bytes == 0 ? nullptr : t_scratch.reserve(scratch_bytes);
  if (scratch_bytes != 0) {
    if (scratch == nullptr) failed.store(true, std::memory_order_relaxed);
    wait();
    if (failed.load(std::memory_order_relaxed)) return;
  }
  bool first = true;
  for (int i = 0; i < count; ++i) {
    const Phase& phase = phases[i];
    if (phase.tasks == 0) continue;
    if (!first) wait();
    first = false;
    const Index begin = phase.tasks * member / team, end = phase.tasks * (member + 1) / team;
    if (begin < end) phase.run(context, begin, end, scratch);
  }
  t_scratch.trim();
}

void run_std_threads(int team, const Phase* phases, int count, const void* context,
                     std::size_t scratch_bytes, std::atomic<bool>& failed) {
  std::barrier barrier(team);
  const auto member = [&](int index) {
    run_member(index, team, phases, count, context, scratch_bytes, failed,
               [&] { barrier.arrive_and_wait(); });
  };
  std::vector<std::thread> others;
  others.reserve(static_cast<std::size_t>(team - 1));
  for (int i = 1; i < team; ++i) others.emplace_back(member, i);
  member(0);
  for (std::thread& thread : others) thread.join();
}

#if FASTCONV_OPENMP
// libgomp's pool does not survive fork(): the child would wait for threads that are gone. A child
// process therefore starts threads of its own for every region.
bool g_forked = false;
[[maybe_unused]] const int g_fork_handler =
    pthread_atfork(nullptr, nullptr, [] { g_forked = true; });
#endif

}  // namespace

int max_threads() {
  if (const int set = g_threads.load(std::memory_order_relaxed); set > 0) return set;
  if (const int set = environment_threads(); set > 0) return set;
#if FASTCONV_OPENMP
  return omp_get_max_threads();
#else
  static const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return cores > 0 ? cores : 1;
#endif
}

void set_num_threads(int count) {
  g_threads.store(count, std::memory_order_relaxed);
}

bool run_phases(int threads, const Phase* phases, int count, const void* context,
                std::size_t scratch_bytes) {
  std::atomic<bool> failed{false};
  if (threads <= 1) {
    run_member(0, 1, phases, count, context, scratch_bytes, failed, [] {});
    return !failed.load();
  }
#if FASTCONV_OPENMP
  if (!g_forked) {
#pragma omp parallel num_threads(threads)
    run_member(omp_get_thread_num(), omp_get_num_threads(), phases, count, context, scratch_bytes,
               failed, [] {
#pragma omp barrier
               });
    return !failed.load();
  }
#endif
  run_std_threads(threads, phases, count, context, scratch_bytes, failed);
  return !failed.load();
}

}  // namespace fastconv
