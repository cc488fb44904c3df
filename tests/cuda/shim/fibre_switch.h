// Changing from one stack to another. By hand on x86-64, where it takes a few nanoseconds; through
// ucontext, which asks the kernel each time, elsewhere and under the address sanitizer's eyes.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace fastconv::cuda::shim {

// A point of execution that can be left and entered again. The default one is the program's own.
class Context {
 public:
  // Starts at `entry`, which must never return, on the given stack.
  void prepare(std::byte* stack, std::size_t bytes, void (*entry)());
  // Leaves this context and goes on in `to`. `ends`: this one is never entered again.
  void switch_to(Context& to, bool ends = false);
  // To be called first thing by an entry function.
  void entered();

 private:
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t state_;
#endif
  const void* stack_ = nullptr;
  std::size_t bytes_ = 0;
  void* fake_stack_ = nullptr;
};

}  // namespace fastconv::cuda::shim
