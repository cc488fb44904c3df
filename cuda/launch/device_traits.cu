#include <string>

#include "cuda/launch/launch.h"

namespace fastconv::cuda {
namespace {

// Tells whether this build has code for the device: every build has the code of this kernel.
__global__ void probe() {}

Status read_attribute(int device, cudaDeviceAttr attribute, int& value) {
  return cuda_status(cudaDeviceGetAttribute(&value, attribute, device),
                     "reading the properties of CUDA device " + std::to_string(device));
}

Status find_code(int device, DeviceTraits& traits) {
  cudaFuncAttributes attributes;
  const cudaError_t error =
      cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(probe));
  if (error == cudaSuccess) {
    traits.code = attributes.ptxVersion;
    return {};
  }
  return cuda_status(error, "this build of fastconv has no code for CUDA device " +
                                std::to_string(device) + ", compute capability " +
                                std::to_string(traits.major) + "." + std::to_string(traits.minor) +
                                "; it needs 7.5 or later, or a build whose "
                                "FASTCONV_CUDA_ARCHITECTURES has it");
}

}  // namespace

Status device_traits(int device, DeviceTraits& traits) {
  int current = 0;
  if (Status s = cuda_status(cudaGetDevice(&current), "looking for a CUDA device"); !s.ok()) {
    return s;
  }
  if (device < 0) device = current;
  int shared = 0, l2 = 0;
  const struct {
    cudaDeviceAttr attribute;
    int* value;
  } wanted[] = {{cudaDevAttrComputeCapabilityMajor, &traits.major},
                {cudaDevAttrComputeCapabilityMinor, &traits.minor},
                {cudaDevAttrMultiProcessorCount, &traits.multiprocessors},
                {cudaDevAttrMaxSharedMemoryPerBlockOptin, &shared},
                {cudaDevAttrL2CacheSize, &l2}};
  for (const auto& one : wanted) {
    if (Status s = read_attribute(device, one.attribute, *one.value); !s.ok()) return s;
  }
  traits.shared_per_block = static_cast<std::size_t>(shared);
  traits.l2 = static_cast<std::size_t>(l2);
  return device == current ? find_code(device, traits) : Status{};
}

}  // namespace fastconv::cuda
