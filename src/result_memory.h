// Memory of large results, used again: a result whose pages the kernel of the operating system has
// to hand out and clear anew costs as much time as a fast layer.
//
// Arrays own their memory as any other array of NumPy does (it is freed through the memory handler
// of NEP 49 that they were made with), so a block comes back when the array and all views of it are
// gone. Freed blocks are kept, newest first, as long as results and kept blocks together take no
// more than results have taken at once before: a training step finds the memory of the last one.
// What nobody has wanted for some thousand results goes back to the system. Any number of threads
// may take and free blocks, and a forked child goes on with its own copies.
#pragma once

#include "arguments.h"

namespace fastconv::bind {

// While it lives, NumPy arrays of `bytes` that this thread makes take their memory from the pool;
// small ones do not.
class ResultMemory {
 public:
  explicit ResultMemory(std::size_t bytes);
  ~ResultMemory();
  ResultMemory(const ResultMemory&) = delete;
  ResultMemory& operator=(const ResultMemory&) = delete;

 private:
  PyObject* previous_ = nullptr;  // NumPy's handler; null where nothing was changed
};

// Gives all kept blocks back to the system; returns their bytes.
std::size_t free_kept_results();

}  // namespace fastconv::bind
