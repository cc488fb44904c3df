// Memory for float32 copies of 16-bit tensors.
#pragma once

#include <fastconv/status.h>
#include "core/memory.h"
#include "core/parallel.h"

#include <string>

namespace fastconv {

// Bytes of a copy of so many elements, in whole cache lines.
inline std::size_t widened_size(Index elements) {
  constexpr std::size_t line = 64;
  return (static_cast<std::size_t>(elements) * sizeof(float) + line - 1) / line * line;
}

// Images of a block: as many as `cache` bytes hold, input and output together, in even shares.
inline Index images_per_block(Index batch, Index image_bytes, Index cache) {
  const Index whole = larger(1, batch);
  const Index most = larger(1, cache / larger(1, image_bytes));
  return ceil_div(whole, ceil_div(whole, most));
}

// The calling thread's, kept so that a loop of calls touches no fresh page.
inline std::byte* widened_space(std::size_t bytes) {
  thread_local Workspace kept;
  thread_local std::size_t size = 0;
  if (bytes > size || size > kKeptScratch) {
    kept.reset();
    kept = allocate_workspace(bytes);
    size = kept ? bytes : 0;
  }
  return kept.get();
}

inline Status no_widened_space(std::size_t bytes) {
  return Status::error(StatusCode::memory,
                       "no memory for a workspace of " + std::to_string(bytes) +
                           " bytes, the float32 copies of 16-bit arrays; use fewer or smaller "
                           "images");
}

}  // namespace fastconv
