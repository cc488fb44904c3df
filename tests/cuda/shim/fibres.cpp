#include "fibres.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "fibre_switch.h"
#include "shim.h"

namespace fastconv::cuda::shim {
namespace {

constexpr unsigned kWarp = 32;
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStack = std::size_t{256} << 10;
#else
constexpr std::size_t kStack = std::size_t{128} << 10;
#endif

enum class State { ready, at_block_barrier, at_warp_barrier, ended };

struct Fibre {
  Context context;
  std::byte* stack = nullptr;
  State state = State::ended;
  unsigned warp_mask = 0;
  const void* published = nullptr;
  uint3 index{};
};

// One block at a time; nothing of it is shared between processor threads.
class Block {
 public:
  void run(unsigned threads, Extent block, std::size_t shared_bytes,
           const std::function<void()>& thread) {
    grow(threads);
    count_ = threads;
    ended_ = 0;
    thread_ = &thread;
    // Bytes of all ones are NaN in every element type and -1 as integers. Exactly as long as asked
    // for, so that the address sanitizer sees a step beyond.
    shared_.reset();
    shared_ = Shared(static_cast<std::byte*>(std::aligned_alloc(
                         kSharedAlignment, (shared_bytes + kSharedAlignment - 1) /
                                               kSharedAlignment * kSharedAlignment)),
                     std::free);
    std::memset(shared_.get(), 0xff, shared_bytes);
    for (unsigned i = 0; i < threads; ++i) {
      Fibre& fibre = fibres_[i];
      fibre.index = {i % block.x, i / block.x % block.y, i / (block.x * block.y)};
      fibre.state = State::ready;
      fibre.context.prepare(fibre.stack, kStack, entry);
    }
    schedule();
  }

  void wait(State state, unsigned mask) {
    Fibre& fibre = *current_;
    fibre.state = state;
    fibre.warp_mask = mask;
    fibre.context.switch_to(home_);
  }

  Fibre& current() { return *current_; }
  Fibre& lane(unsigned lane) { return fibres_[number() / kWarp * kWarp + lane]; }
  unsigned number() const { return static_cast<unsigned>(current_ - fibres_.data()); }
  void* shared() const { return shared_.get(); }
  void set_order(Order order) { order_ = order; }

 private:
  static constexpr std::size_t kSharedAlignment = 128;
  using Shared = std::unique_ptr<std::byte, void (*)(void*)>;

  static void entry();

  void grow(unsigned threads) {
    while (fibres_.size() < threads) {
      void* memory = mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) fail("no memory for the stacks of the threads");
      fibres_.emplace_back().stack = static_cast<std::byte*>(memory);
    }
  }

  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "shim: block (%u, %u, %u): %s\n", blockIdx.x, blockIdx.y, blockIdx.z,
                 what);
    std::abort();
  }

  void schedule() {
    while (ended_ < count_) {
      bool ran = false;
      for (unsigned i = 0; i < count_; ++i) {
        Fibre& fibre = fibres_[order_ == Order::forward ? i : count_ - 1 - i];
        if (fibre.state != State::ready) continue;
        current_ = &fibre;
        threadIdx = fibre.index;
        home_.switch_to(fibre.context);
        ran = true;
      }
      const bool released = release();
      if (!ran && !released && ended_ < count_) {
        fail("threads wait for each other forever: a barrier that not all of them reach");
      }
    }
  }

  bool release() {
    bool released = false;
    unsigned at_barrier = 0;
    for (unsigned i = 0; i < count_; ++i) at_barrier += fibres_[i].state == State::at_block_barrier;
    if (at_barrier == count_) {
      for (unsigned i = 0; i < count_; ++i) fibres_[i].state = State::ready;
      return true;
    }
    for (unsigned first = 0; first < count_; first += kWarp) {
      for (unsigned lane = 0; lane < kWarp && first + lane < count_; ++lane) {
        const Fibre& fibre = fibres_[first + lane];
        if (fibre.state != State::at_warp_barrier) continue;
        if (complete(first, fibre.warp_mask)) {
          free_lanes(first, fibre.warp_mask);
          released = true;
        }
      }
    }
    return released;
  }

  unsigned present(unsigned first) const {
    const unsigned lanes = count_ - first < kWarp ? count_ - first : kWarp;
    return lanes == kWarp ? ~0u : (1u << lanes) - 1;
  }
  bool complete(unsigned first, unsigned mask) const {
    for (unsigned lane = 0; lane < kWarp; ++lane) {
      if ((mask & present(first)) >> lane & 1u) {
        const Fibre& fibre = fibres_[first + lane];
        if (fibre.state != State::at_warp_barrier || fibre.warp_mask != mask) return false;
      }
    }
    return true;
  }
  void free_lanes(unsigned first, unsigned mask) {
    for (unsigned lane = 0; lane < kWarp; ++lane) {
      if ((mask & present(first)) >> lane & 1u) fibres_[first + lane].state = State::ready;
    }
  }

  std::vector<Fibre> fibres_;
  Context home_;
  Fibre* current_ = nullptr;
  const std::function<void()>* thread_ = nullptr;
  unsigned count_ = 0, ended_ = 0;
  Shared shared_{nullptr, std::free};
  Order order_ = Order::forward;
};

Block g_block;

void Block::entry() {
  g_block.current_->context.entered();
  (*g_block.thread_)();
  g_block.current_->state = State::ended;
  ++g_block.ended_;
  g_block.current_->context.switch_to(g_block.home_, true);
  std::abort();
}

}  // namespace

void set_order(Order order) {
  g_block.set_order(order);
}

void run_grid(Extent grid, Extent block, std::size_t shared_bytes,
              const std::function<void()>& thread) {
  gridDim = dim3(grid.x, grid.y, grid.z);
  blockDim = dim3(block.x, block.y, block.z);
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = {x, y, z};
        g_block.run(block.x * block.y * block.z, block, shared_bytes, thread);
      }
    }
  }
}

void block_barrier() {
  g_block.wait(State::at_block_barrier, 0);
}
void warp_barrier(unsigned mask) {
  g_block.wait(State::at_warp_barrier, mask);
}
void publish(const void* data) {
  g_block.current().published = data;
}
const void* published(int lane) {
  return g_block.lane(static_cast<unsigned>(lane)).published;
}
int current_lane() {
  return static_cast<int>(g_block.number() % kWarp);
}
void* shared_bytes() {
  return g_block.shared();
}

}  // namespace fastconv::cuda::shim
