#include "result_memory.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "core/config.h"

namespace fastconv::bind {
namespace {

constexpr std::size_t kLeast = std::size_t{1} << 20;  // smaller results are NumPy's own
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Blocks come in few sizes, so that one serves results of about its size.
std::size_t block_size(std::size_t bytes) {
  const std::size_t unit = bytes >= 2 * kHugePage ? kHugePage : std::size_t{64} << 10;
  return (bytes + unit - 1) / unit * unit;
}

// What is kept in any case, and at most, unless FASTCONV_RESULT_POOL says otherwise.
constexpr std::size_t kAlwaysKept = std::size_t{128} << 20;
std::size_t most_kept() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  if (pages <= 0 || page <= 0) return kAlwaysKept;
  return static_cast<std::size_t>(pages) / 4 * static_cast<std::size_t>(page);
}

// Free blocks, oldest first.
class Pool {
 public:
  // A kept block for `bytes`, or null after making room for a new one.
  void* take(std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++time_;
    for (int i = count_ - 1; i >= 0; --i) {
      // A block up to a quarter larger than needed serves too.
      if (blocks_[i].size < bytes || blocks_[i].size - bytes / 4 > bytes) continue;
      void* data = blocks_[i].data;
      count_used(blocks_[i].size);
      remove(i);
      return data;
    }
    make_room(0, bound(bytes));
    return nullptr;
  }

  // Counts a new block.
  void made(std::size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    count_used(size);
  }

  // Keeps a block that is no longer wanted; the oldest make room for it.
  void keep(void* data, std::size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++time_;
    used_ -= size;
    const std::size_t most = bound(0);
    make_room(size, most);
    if (size > most) return std::free(data);
    blocks_[count_++] = {data, size, time_};
    bytes_ += size;
  }

  std::size_t empty() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::size_t freed = bytes_;
    for (int i = 0; i < count_; ++i) std::free(blocks_[i].data);
    count_ = 0;
    bytes_ = 0;
    return freed;
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  struct Block {
    void* data;
    std::size_t size;
    std::uint64_t since;
  };
  static constexpr int kMost = 1024;
  static constexpr std::uint64_t kForgotten = 8192;  // blocks taken and freed meanwhile

  // Bytes to keep at most, when arrays take `coming` more.
  std::size_t bound(std::size_t coming) const {
    if (const auto set = environment_result_pool()) return *set;
    const std::size_t used = used_ + coming;
    const std::size_t left = most_used_ > used ? most_used_ - used : 0;
    return std::max(kAlwaysKept, std::min(left, most_kept_));
  }

  void count_used(std::size_t size) {
    used_ += size;
    most_used_ = std::max(most_used_, used_);
  }

  void make_room(std::size_t size, std::size_t most) {
    while (count_ > 0 &&
           (bytes_ + size > most || count_ == kMost || time_ - blocks_[0].since > kForgotten)) {
      std::free(blocks_[0].data);
      remove(0);
    }
  }

  void remove(int index) {
    bytes_ -= blocks_[index].size;
    --count_;
    std::copy(blocks_ + index + 1, blocks_ + count_ + 1, blocks_ + index);
  }

  std::mutex mutex_;
  Block blocks_[kMost] = {};
  int count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t used_ = 0, most_used_ = 0;  // bytes of blocks that arrays have
  const std::size_t most_kept_ = most_kept();
  std::uint64_t time_ = 0;
};

// Never destroyed: arrays may outlive everything else.
Pool& pool() {
  static Pool* const made = [] {
    auto* fresh = new Pool;
    // No thread holds the lock while the process is copied.
    pthread_atfork([] { pool().lock(); }, [] { pool().unlock(); }, [] { pool().unlock(); });
    return fresh;
  }();
  return *made;
}

// The size of a block lies in front of its data, one cache line before.
constexpr std::size_t kHeader = 64;

void* fresh_block(std::size_t size) {
  const bool huge = size % kHugePage == 0;
  void* block = std::aligned_alloc(huge ? kHugePage : kHeader, size);
  if (block != nullptr && huge) madvise(block, size, MADV_HUGEPAGE);  // advice only
  return block;
}

void* allocate(void*, std::size_t bytes) {
  if (bytes > static_cast<std::size_t>(PTRDIFF_MAX) - 2 * kHugePage) return nullptr;
  const std::size_t size = block_size(bytes + kHeader);
  void* block = pool().take(size);
  if (block == nullptr) {
    block = fresh_block(size);
    if (block == nullptr) {
      pool().empty();
      block = fresh_block(size);
    }
    if (block == nullptr) return nullptr;
    std::memcpy(block, &size, sizeof size);
    pool().made(size);
  }
  return static_cast<std::byte*>(block) + kHeader;
}

void release(void*, void* data, std::size_t) {
  if (data == nullptr) return;
  void* block = static_cast<std::byte*>(data) - kHeader;
  std::size_t size = 0;
  std::memcpy(&size, block, sizeof size);
  pool().keep(block, size);
}

void* allocate_zeros(void* context, std::size_t count, std::size_t element) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, element, &bytes)) return nullptr;
  void* data = allocate(context, bytes);
  if (data != nullptr) std::memset(data, 0, bytes);
  return data;
}

void* reallocate(void* context, void* data, std::size_t bytes) {
  void* moved = allocate(context, bytes);
  if (moved == nullptr || data == nullptr) return moved;
  std::size_t size = 0;
  std::memcpy(&size, static_cast<std::byte*>(data) - kHeader, sizeof size);
  std::memcpy(moved, data, std::min(bytes, size - kHeader));
  release(context, data, 0);
  return moved;
}

// NumPy's PyDataMem_Handler, version 1, and where its functions stand in the table of the C API.
struct Handler {
  char name[127];
  std::uint8_t version;
  struct {
    void* context;
    void* (*malloc)(void*, std::size_t);
    void* (*calloc)(void*, std::size_t, std::size_t);
    void* (*realloc)(void*, void*, std::size_t);
    void (*free)(void*, void*, std::size_t);
  } allocator;
};
constexpr int kSetHandler = 304;
constexpr const char* kHandlerName = "mem_handler";

Handler g_handler{"fastconv results", 1, {nullptr, allocate, allocate_zeros, reallocate, release}};

struct NumpyMemory {
  PyObject* (*set_handler)(PyObject*);
  PyObject* handler;
};

const NumpyMemory& numpy_memory() {
  static const NumpyMemory found = [] {
    const py::module_ core = py::detail::import_numpy_core_submodule("multiarray");
    const py::object table = core.attr("_ARRAY_API");
    auto* functions = static_cast<void**>(PyCapsule_GetPointer(table.ptr(), nullptr));
    PyObject* handler = PyCapsule_New(&g_handler, kHandlerName, nullptr);
    if (functions == nullptr || handler == nullptr) throw py::error_already_set();
    return NumpyMemory{reinterpret_cast<PyObject* (*)(PyObject*)>(functions[kSetHandler]), handler};
  }();
  return found;
}

}  // namespace

ResultMemory::ResultMemory(std::size_t bytes) {
  if (bytes < kLeast || environment_result_pool() == std::size_t{0}) return;
  const NumpyMemory& numpy = numpy_memory();
  previous_ = numpy.set_handler(numpy.handler);
  if (previous_ == nullptr) throw py::error_already_set();
}

ResultMemory::~ResultMemory() {
  if (previous_ == nullptr) return;
  // An error of the allocation itself is kept.
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyObject* ours = numpy_memory().set_handler(previous_);
  if (ours == nullptr) PyErr_Clear();
  Py_XDECREF(ours);
  Py_DECREF(previous_);
  PyErr_Restore(type, value, trace);
}

std::size_t free_kept_results() {
  return pool().empty();
}

}  // namespace fastconv::bind
