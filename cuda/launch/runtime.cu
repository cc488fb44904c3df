#include "cuda/launch/runtime.h"

#include "cuda/launch/launch.h"

namespace fastconv::cuda {
namespace {

cudaStream_t stream_of(Stream stream) {
  return static_cast<cudaStream_t>(stream);
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

std::string driver_text() {
  int version = 0;
  if (cudaDriverGetVersion(&version) != cudaSuccess || version == 0) return "no driver";
  return "driver for CUDA " + version_text(version);
}

Status device_count(int& count) {
  count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return {};
  (void)cudaGetLastError();
  count = 0;
  int driver = 0, runtime = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  std::string why;
  if (driver == 0) {
    why = "no NVIDIA driver was found on this machine";
  } else if (error == cudaErrorInsufficientDriver) {
    why = "the driver is for CUDA " + version_text(driver) + ", older than CUDA " +
          version_text(runtime) + " with which fastconv was built: update it";
  } else if (error == cudaErrorNoDevice || error == cudaSuccess) {
    why = "there is a driver but no device that it shows (CUDA_VISIBLE_DEVICES may hide them)";
  } else {
    why = std::string(cudaGetErrorName(error)) + " (" + cudaGetErrorString(error) + ")";
  }
  return Status::error(StatusCode::unavailable, why);
}

std::string device_name(int device) {
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) {
    (void)cudaGetLastError();
    return "device " + std::to_string(device);
  }
  return properties.name;
}

Status use_device(int device, int& previous) {
  Status status = cuda_status(cudaGetDevice(&previous), "asking for the current CUDA device");
  if (!status.ok() || previous == device) return status;
  return cuda_status(cudaSetDevice(device), "choosing CUDA device " + std::to_string(device));
}

Status device_of(const void* address, int& device) {
  cudaPointerAttributes attributes;
  const cudaError_t error = cudaPointerGetAttributes(&attributes, address);
  (void)cudaGetLastError();
  if (error == cudaSuccess &&
      (attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged)) {
    device = attributes.device;
    return {};
  }
  return Status::error(StatusCode::value,
                       error == cudaSuccess && attributes.type == cudaMemoryTypeHost
                           ? "an address in host memory"
                           : "an address that is no device memory (freed, or never allocated)");
}

Status order_after(Stream producer, Stream consumer) {
  cudaEvent_t event = nullptr;
  const std::string what = "ordering two streams";
  const Status made = cuda_status(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), what);
  if (!made.ok()) return made;
  cudaError_t error = cudaEventRecord(event, stream_of(producer));
  if (error == cudaSuccess) error = cudaStreamWaitEvent(stream_of(consumer), event);
  // Work that waits for it has its own hold on it.
  (void)cudaEventDestroy(event);
  return cuda_status(error, what);
}

Status fill_bytes(void* to, std::size_t bytes, Stream stream) {
  return cuda_status(cudaMemsetAsync(to, 0, bytes, stream_of(stream)),
                     "filling " + std::to_string(bytes) + " bytes with zeros");
}

}  // namespace fastconv::cuda
