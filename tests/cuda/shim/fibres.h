// A block of threads on one processor thread: each is a fibre with a stack of its own, and runs
// until it waits for others or ends.
#pragma once

#include <cstddef>
#include <functional>

namespace fastconv::cuda::shim {

struct Extent {
  unsigned x, y, z;
};

// The order in which waiting threads go on. A missing barrier shows in one of the two.
enum class Order { forward, reverse };
void set_order(Order order);

// Runs `thread` for every thread of every block, with dynamic shared memory that holds no numbers
// at the start of each block. Ends the program with a message where threads wait for each other
// forever: at a barrier that another thread of the block left out or passed by its end.
void run_grid(Extent grid, Extent block, std::size_t shared_bytes,
              const std::function<void()>& thread);

// Waits for all threads of the block.
void block_barrier();
// Waits for the lanes of `mask` in the thread's warp.
void warp_barrier(unsigned mask);
// What the lanes of the thread's warp gave to `publish`, valid between two barriers.
void publish(const void* data);
const void* published(int lane);

int current_lane();
void* shared_bytes();

}  // namespace fastconv::cuda::shim
