// Memory with an unmapped page on either side: a kernel that reads or writes one byte too far dies.
#pragma once

#include <cstddef>

namespace fastconv::runner {

// Which end of the data touches an unmapped page.
enum class Guard { after, before };

class GuardedBuffer {
 public:
  GuardedBuffer(std::size_t bytes, Guard guard);
  ~GuardedBuffer();
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

  // Whether the filler between the data and the page boundary on its other side is untouched.
  bool canary_intact() const;

 private:
  std::byte* mapping_ = nullptr;
  std::size_t mapped_ = 0, usable_ = 0, page_ = 0;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace fastconv::runner
