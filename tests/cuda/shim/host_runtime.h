// What tests tell the host memory that poses as a device, and ask of it, through ctypes.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

void fastconv_shim_set_devices(int count);
void fastconv_shim_allocated(std::uintptr_t address, std::size_t bytes, int device);
void fastconv_shim_freed(std::uintptr_t address);
int fastconv_shim_ordered();         // how often two streams were ordered
int fastconv_shim_current_device();  // of the calling thread
}
