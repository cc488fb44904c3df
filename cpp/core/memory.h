// Workspace memory. Kernels walk through it with strides of about a page, so it is asked for in
// huge pages where the system has them. By itself that gained nothing measurable on the layers
// tried; it keeps address translation out of the picture where a kernel touches more pages than the
// processor's table holds.
#pragma once

#include <cstddef>
#include <memory>

namespace fastconv {

struct FreeWorkspace {
  void operator()(std::byte* p) const;
};
using Workspace = std::unique_ptr<std::byte, FreeWorkspace>;

// At least `bytes`, aligned to a cache line or better; null when there is no memory.
Workspace allocate_workspace(std::size_t bytes);

}  // namespace fastconv
