#include "cuda_call.h"

#include <map>
#include <memory>
#include <mutex>

#include "call_scope.h"
#include "cuda/launch/runtime.h"

namespace fastconv::bind {
namespace {

thread_local CudaCall* t_call = nullptr;

py::handle opener() {
  static const py::handle open =
      py::object(py::module_::import("fastconv._device._registry").attr("open_call")).release();
  return open;
}

}  // namespace

CudaCall& current_call() {
  if (t_call == nullptr) fail(ErrorKind::type, "no call with an array on a GPU is in progress");
  return *t_call;
}

const cuda::DeviceTraits& traits_of(int device) {
  static std::mutex mutex;
  static std::map<int, cuda::DeviceTraits> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = known.find(device);
  if (found != known.end()) return found->second;
  cuda::DeviceTraits traits;
  check(cuda::device_traits(device, traits));
  return known.emplace(device, traits).first->second;
}

CallScope::CallScope(const Entry& entry, PyObject* const* args, Py_ssize_t count) {
  if (count <= entry.array) return;
  const py::tuple opened = opener()(py::handle(args[entry.array]));
  auto call = std::make_unique<CudaCall>();
  call->library = opened[0];
  call->device = opened[1].cast<int>();
  call->stream = reinterpret_cast<cuda::Stream>(opened[2].cast<std::uintptr_t>());
  check(cuda::use_device(call->device, call->previous_device));
  try {
    call->traits = &traits_of(call->device);
  } catch (...) {
    int ignored = 0;
    (void)cuda::use_device(call->previous_device, ignored);
    throw;
  }
  call->outer = t_call;
  t_call = call.release();
  opened_ = true;
}

CallScope::~CallScope() {
  if (!opened_) return;
  const std::unique_ptr<CudaCall> call(t_call);
  t_call = call->outer;
  if (call->previous_device == call->device) return;
  int ignored = 0;
  (void)cuda::use_device(call->previous_device, ignored);
}

Workspace::Workspace(std::size_t bytes) {
  if (bytes == 0) return;
  const Index shape[1] = {static_cast<Index>(bytes)};
  constexpr int kBytes = 5;  // of DTYPES in fastconv._device._library
  const CudaCall& call = current_call();
  owner_ = call.library.attr("empty")(py::make_tuple(shape[0]), kBytes, call.device, -1);
  const py::tuple view =
      call.library.attr("view")(owner_, "workspace", reinterpret_cast<std::uintptr_t>(call.stream));
  data_ = reinterpret_cast<void*>(view[0].cast<std::uintptr_t>());
}

Status launched(Status status) {
  if (status.code == StatusCode::unavailable) fail(ErrorKind::cuda, std::move(status.message));
  return status;
}

}  // namespace fastconv::bind
