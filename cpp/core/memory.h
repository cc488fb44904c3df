// Workspace memory. Kernels walk through it with strides of about a page, so it is asked for in
// huge pages where the system has them: a kernel that touches a hundred small pages in turn waits
// for address translation (measured on 3x3 128->128 @28x28: a quarter of the time).
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
