// The call in progress on a thread of _cuda: which library its arrays are of, and where it runs.
#pragma once

#include "array_view.h"
#include "cuda/fastconv_cuda.h"

namespace fastconv::bind {

struct CudaCall {
  py::object library;  // of fastconv._device: views arrays, makes results and workspace
  int device = 0;
  cuda::Stream stream = nullptr;
  const cuda::DeviceTraits* traits = nullptr;
  int previous_device = 0;
  CudaCall* outer = nullptr;
};

// An error where no call is in progress: nothing says then where arrays lie.
CudaCall& current_call();

// What a device can do, read once. Fails where this build has no code for it.
const cuda::DeviceTraits& traits_of(int device);

// Memory of the caller's library for one call. It may be given to others as soon as this ends: they
// come later on the same stream.
class Workspace {
 public:
  explicit Workspace(std::size_t bytes);
  void* data() const { return data_; }

 private:
  py::object owner_;
  void* data_ = nullptr;
};

// The status of what was planned before: a failure is then the runtime's or the driver's, and
// raises CudaError.
Status launched(Status status);

}  // namespace fastconv::bind
