// Workspace memory. Kernels walk through it with strides of about a page, so it is asked for in
// huge pages where the system has them. By itself that gained nothing measurable on the layers
// tried; it keeps address translation out of the picture where a kernel touches more pages than the
// processor's table holds.
#pragma once

#include <cstddef>
#include <memory>

namespace fastconv {

// Sanitizers see what a kernel does beyond its workspace only where that ends with the last byte it
// asked for: nothing is rounded up, and nothing is left of an earlier, larger call.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kExactWorkspaces = true;
#else
inline constexpr bool kExactWorkspaces = false;
#endif

struct FreeWorkspace {
  void operator()(std::byte* p) const;
};
using Workspace = std::unique_ptr<std::byte, FreeWorkspace>;

// At least `bytes`, aligned to a cache line or better; null when there is no memory.
Workspace allocate_workspace(std::size_t bytes);

}  // namespace fastconv
