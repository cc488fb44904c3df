#include "guarded_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace fastconv::runner {

namespace {
constexpr std::byte kFiller{0xC5};
}

GuardedBuffer::GuardedBuffer(std::size_t bytes, Guard guard)
    : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), bytes_(bytes) {
  usable_ = (bytes + page_ - 1) / page_ * page_;
  if (usable_ == 0) usable_ = page_;
  mapped_ = usable_ + 2 * page_;
  void* mapping =
      mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<std::byte*>(mapping);
  std::byte* usable = mapping_ + page_;
  if (mprotect(mapping_, page_, PROT_NONE) != 0 ||
      mprotect(usable + usable_, page_, PROT_NONE) != 0) {
    munmap(mapping_, mapped_);
    throw std::bad_alloc();
  }
  std::memset(usable, static_cast<int>(kFiller), usable_);
  data_ = guard == Guard::after ? usable + (usable_ - bytes) : usable;
}

GuardedBuffer::~GuardedBuffer() {
  munmap(mapping_, mapped_);
}

void GuardedBuffer::make_read_only() const {
  if (mprotect(mapping_ + page_, usable_, PROT_READ) != 0) throw std::bad_alloc();
}

void GuardedBuffer::erase(std::size_t offset, std::size_t bytes) const {
  std::memset(data_ + offset, static_cast<int>(kFiller), bytes);
}

bool GuardedBuffer::only_filler() const {
  const std::byte* usable = mapping_ + page_;
  return std::all_of(usable, usable + usable_, [](std::byte b) { return b == kFiller; });
}

}  // namespace fastconv::runner
