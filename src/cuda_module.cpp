// fastconv._cuda: the functions of _core for arrays on a GPU. Importing it asks for no GPU.
#include "cuda_module.h"

#include "bind_errors.h"
#include "bindings.h"
#include "cuda/launch/registry.h"
#include "cuda/launch/runtime.h"
#include "cuda_call.h"
#include "cuda_gradients.h"

namespace fastconv::bind {
namespace {

// Why no call can succeed, or None.
py::object unavailable() {
  int count = 0;
  const Status status = cuda::device_count(count);
  if (status.ok()) return py::none();
  return py::str(status.message);
}

int device_count() {
  int count = 0;
  check(cuda::device_count(count));
  return count;
}

std::string device_text(int device) {
  int previous = 0, ignored = 0;
  check(cuda::use_device(device, previous));
  cuda::DeviceTraits traits;
  const Status status = cuda::device_traits(device, traits);
  (void)cuda::use_device(previous, ignored);
  if (!status.ok()) return cuda::device_name(device) + " (unusable: " + status.message + ")";
  return cuda::device_name(device) + " (sm_" + std::to_string(traits.capability()) + ", " +
         std::to_string(traits.multiprocessors) + " multiprocessors), " + cuda::driver_text();
}

std::string verification() {
  int verified = 0, all = 0;
  for (const cuda::ConvEntry* entry : cuda::conv_entries()) {
    verified += entry->verified != nullptr ? 1 : 0;
    ++all;
  }
  if (verified == 0) return "kernels not yet run on hardware";
  return std::to_string(verified) + " of " + std::to_string(all) +
         " kernels of convolution verified on hardware";
}

int device_of(std::uintptr_t address) {
  int device = 0;
  check(cuda::device_of(reinterpret_cast<const void*>(address), device));
  return device;
}

}  // namespace

const char* const kPlanType = "fastconv._cuda.ConvPlan";

}  // namespace fastconv::bind

PYBIND11_MODULE(_cuda, m) {
  namespace bind = fastconv::bind;
  m.doc() = "CUDA kernels of fastconv. Use the functions of the fastconv package instead.";
  bind::bind_conv(m);
  bind::bind_gradient(m);
  bind::bind_plan(m);
  bind::bind_image(m);
  bind::bind_pool(m);
  bind::bind_pool_gradient(m);
  bind::bind_fold(m);
  bind::bind_activation(m);
  bind::bind_cuda_gradients(m);
  m.def("unavailable", [] { return bind::translated([] { return bind::unavailable(); }); });
  m.def("device_count", [] { return bind::translated([] { return bind::device_count(); }); });
  m.def(
      "device_text",
      [](int device) { return bind::translated([&] { return bind::device_text(device); }); },
      pybind11::arg("device"));
  m.def("verification", [] { return bind::verification(); });
  m.def(
      "device_of",
      [](std::uintptr_t address) {
        return bind::translated([&] { return bind::device_of(address); });
      },
      pybind11::arg("address"));
  m.def(
      "read_dlpack",
      [](const pybind11::object& capsule) {
        return bind::translated([&] { return bind::read_dlpack(capsule); });
      },
      pybind11::arg("capsule"));
}
