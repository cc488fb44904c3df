#include "fibre_switch.h"

namespace fastconv::cuda::shim {

namespace {

// The context that was left last: what the address sanitizer learns of its stack belongs to it.
Context* g_left = nullptr;

}  // namespace

#if defined(__x86_64__)

// Saves what a function must preserve (System V ABI) and changes stacks.
asm(R"(
.text
.type fastconv_shim_switch, @function
fastconv_shim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size fastconv_shim_switch, .-fastconv_shim_switch
)");
extern "C" void fastconv_shim_switch(void** save, void* load);

void Context::prepare(std::byte* stack, std::size_t bytes, void (*entry)()) {
  stack_ = stack;
  bytes_ = bytes;
  // Six registers, the address to return to, and one word so that the stack is aligned as after a
  // call.
  auto* top = reinterpret_cast<std::uint64_t*>(stack + bytes) - 8;
  for (int i = 0; i < 8; ++i) top[i] = 0;
  top[6] = reinterpret_cast<std::uint64_t>(entry);
  stack_pointer_ = top;
}

#else

void Context::prepare(std::byte* stack, std::size_t bytes, void (*entry)()) {
  stack_ = stack;
  bytes_ = bytes;
  getcontext(&state_);
  state_.uc_stack.ss_sp = stack;
  state_.uc_stack.ss_size = bytes;
  state_.uc_link = nullptr;
  makecontext(&state_, entry, 0);
}

#endif

void Context::switch_to(Context& to, [[maybe_unused]] bool ends) {
  g_left = this;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(ends ? nullptr : &fake_stack_, to.stack_, to.bytes_);
#endif
#if defined(__x86_64__)
  fastconv_shim_switch(&stack_pointer_, to.stack_pointer_);
#else
  swapcontext(&state_, &to.state_);
#endif
  entered();
}

void Context::entered() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack_, &g_left->stack_, &g_left->bytes_);
#endif
}

}  // namespace fastconv::cuda::shim
