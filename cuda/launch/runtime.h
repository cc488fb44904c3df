// What the host asks of the CUDA runtime besides launches: devices, addresses, streams. The tests
// without a GPU have host memory pose as one device (tests/cuda/shim/host_runtime.cpp).
#pragma once

#include <string>

#include "cuda/fastconv_cuda.h"

namespace fastconv::cuda {

// Devices that the driver shows. Fails with `unavailable` where there is no driver, an old one, or
// none; the message says which.
Status device_count(int& count);
std::string device_name(int device);
std::string driver_text();  // version of the driver, as CUDA counts

// The calling thread's current device. `previous` is what it was.
Status use_device(int device, int& previous);

// The device on which an address lies. Fails with `value` where it is not device memory: freed, of
// the host, or never allocated.
Status device_of(const void* address, int& device);

// What follows on `consumer` waits for what `producer` has been given so far.
Status order_after(Stream producer, Stream consumer);

Status fill_bytes(void* to, std::size_t bytes, Stream stream);  // with zeros

// Elements of `size` bytes from one memory layout to another; strides in elements.
Status copy_strided(std::size_t size, int axes, const Index* shape, const Index* from_strides,
                    const void* from, const Index* to_strides, void* to, Stream stream);

}  // namespace fastconv::cuda
