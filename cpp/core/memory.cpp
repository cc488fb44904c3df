#include "core/memory.h"

#include <sys/mman.h>

#include <cstdlib>

namespace fastconv {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Below this, whole huge pages would be mostly waste.
constexpr std::size_t kLeastHuge = std::size_t{128} << 10;

}  // namespace

void FreeWorkspace::operator()(std::byte* p) const {
  std::free(p);
}

Workspace allocate_workspace(std::size_t bytes) {
  if constexpr (kExactWorkspaces) {
    void* made = nullptr;
    if (posix_memalign(&made, kCacheLine, bytes == 0 ? 1 : bytes) != 0) made = nullptr;
    return Workspace(static_cast<std::byte*>(made));
  }
  const std::size_t unit = bytes >= kLeastHuge ? kHugePage : kCacheLine;
  if (bytes > static_cast<std::size_t>(-1) - unit) return nullptr;
  const std::size_t rounded = (bytes + unit - 1) / unit * unit;
  Workspace made(static_cast<std::byte*>(std::aligned_alloc(unit, rounded == 0 ? unit : rounded)));
  // Advice only: without huge pages the memory is as good as any.
  if (made && unit == kHugePage) madvise(made.get(), rounded, MADV_HUGEPAGE);
  return made;
}

}  // namespace fastconv
