// Host memory as the memory of one device: what cuda/launch/runtime.h promises, for the tests of
// the bindings without a GPU. Tests name the addresses that count as device memory, and how many
// devices there are, through the functions at the end.
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

#include "cuda/launch/runtime.h"
#include "host_runtime.h"

namespace fastconv::cuda {
namespace {

std::mutex g_mutex;
std::map<std::uintptr_t, std::pair<std::size_t, int>> g_allocations;  // size and device
int g_devices = 1;
thread_local int g_current = 0;
int g_ordered = 0;

}  // namespace

Status device_traits(int device, DeviceTraits& traits) {
  if (device >= g_devices) return Status::error(StatusCode::unavailable, "no such device");
  traits = DeviceTraits{};
  return {};
}

Status device_count(int& count) {
  count = g_devices;
  if (count > 0) return {};
  return Status::error(StatusCode::unavailable, "the shim was told to have no device");
}

std::string device_name(int) {
  return "host memory (shim)";
}

std::string driver_text() {
  return "no driver (shim)";
}

Status use_device(int device, int& previous) {
  previous = g_current;
  if (device < 0 || device >= g_devices) {
    return Status::error(StatusCode::unavailable, "no such device");
  }
  g_current = device;
  return {};
}

Status device_of(const void* address, int& device) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  auto next = g_allocations.upper_bound(at);
  if (next != g_allocations.begin()) {
    --next;
    if (at < next->first + next->second.first) {
      device = next->second.second;
      return {};
    }
  }
  return Status::error(StatusCode::value,
                       "an address that is no device memory (freed, or never allocated)");
}

Status order_after(Stream, Stream) {
  ++g_ordered;
  return {};
}

Status fill_bytes(void* to, std::size_t bytes, Stream) {
  std::memset(to, 0, bytes);
  return {};
}

}  // namespace fastconv::cuda

#define FASTCONV_VISIBLE __attribute__((visibility("default")))

using namespace fastconv::cuda;

FASTCONV_VISIBLE void fastconv_shim_set_devices(int count) {
  g_devices = count;
}

FASTCONV_VISIBLE void fastconv_shim_allocated(std::uintptr_t address, std::size_t bytes,
                                              int device) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  g_allocations[address] = {bytes, device};
}

FASTCONV_VISIBLE void fastconv_shim_freed(std::uintptr_t address) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  g_allocations.erase(address);
}

FASTCONV_VISIBLE int fastconv_shim_ordered() {
  return g_ordered;
}

FASTCONV_VISIBLE int fastconv_shim_current_device() {
  return g_current;
}
