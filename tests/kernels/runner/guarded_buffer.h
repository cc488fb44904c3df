// Memory with an unmapped page on either side: a kernel that reads or writes one byte too far dies.
#pragma once

#include <cstddef>
#include <utility>

namespace fastconv::runner {

// Which end of the data touches an unmapped page.
enum class Guard { after, before };

class GuardedBuffer {
 public:
  GuardedBuffer(std::size_t bytes, Guard guard);
  ~GuardedBuffer();
  GuardedBuffer(GuardedBuffer&& other) noexcept
      : mapping_(std::exchange(other.mapping_, nullptr)),
        mapped_(other.mapped_),
        usable_(other.usable_),
        page_(other.page_),
        data_(other.data_),
        bytes_(other.bytes_) {}
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

  // From here on writing to the data dies.
  void make_read_only() const;

  // Puts the filler back over part of the data; afterwards `only_filler` tells whether any byte
  // between the two unmapped pages was written that was not put back.
  void erase(std::size_t offset, std::size_t bytes) const;
  bool only_filler() const;

 private:
  std::byte* mapping_ = nullptr;
  std::size_t mapped_ = 0, usable_ = 0, page_ = 0;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace fastconv::runner
