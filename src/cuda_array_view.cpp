// Device arrays as pointers, shapes and strides, through the library that they are of
// (python/fastconv/_device).
#include <pybind11/stl.h>

#include <algorithm>
#include <vector>

#include "array_view.h"
#include "core/names.h"
#include "cuda/launch/runtime.h"
#include "cuda_call.h"
#include "index_view.h"

namespace fastconv::bind {
namespace {

// Numbers of element types beyond DType, as in DTYPES of fastconv._device._library.
constexpr int kInt64 = 4;

// Fields of fastconv._device._library.View.
enum Field { kData, kShape, kStrides, kDType, kWritable, kDevice, kStream, kKeep, kFields };

struct Described {
  ArrayView view;
  int dtype = 0;  // of DTYPES
};

Index element_bytes(int dtype) {
  return dtype == kInt64 ? 8 : element_size(static_cast<DType>(dtype));
}

void read_strides(const py::handle& strides, ArrayView& view) {
  Index dense = 1;
  view.c_contiguous = true;
  for (int i = view.ndim - 1; i >= 0; --i) {
    view.strides[i] =
        strides.is_none() ? dense : PyLong_AsLongLong(PyTuple_GET_ITEM(strides.ptr(), i));
    view.c_contiguous = view.c_contiguous && (view.shape[i] == 1 || view.strides[i] == dense);
    dense *= view.shape[i];
  }
  if (dense == 0) view.c_contiguous = true;
}

Described read(const py::tuple& fields, const py::handle& owner, const char* name) {
  Described described;
  ArrayView& view = described.view;
  view.data = reinterpret_cast<char*>(PyLong_AsUnsignedLongLong(fields[kData].ptr()));
  const py::tuple shape = fields[kShape];
  if (shape.size() > kMostDims) {
    const auto sizes = shape.cast<std::vector<Index>>();
    fail_axes(name, static_cast<int>(sizes.size()), sizes.data());
  }
  view.ndim = static_cast<int>(shape.size());
  for (int i = 0; i < view.ndim; ++i) {
    view.shape[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(shape.ptr(), i));
  }
  read_strides(fields[kStrides], view);
  described.dtype = static_cast<int>(PyLong_AsLong(fields[kDType].ptr()));
  view.dtype = described.dtype < kDTypes ? static_cast<DType>(described.dtype) : DType::float64;
  view.writable = fields[kWritable].ptr() == Py_True;
  if (PyErr_Occurred()) throw py::error_already_set();
  const auto element = static_cast<std::uintptr_t>(element_bytes(described.dtype));
  view.aligned = reinterpret_cast<std::uintptr_t>(view.data) % element == 0;
  const py::object keep = fields[kKeep];
  view.owner = keep.is_none() ? py::reinterpret_borrow<py::object>(owner)
                              : py::object(py::make_tuple(owner, keep));
  return described;
}

// The device that an array says it lies on, or, where it is not trusted, that its address lies on.
void check_device(const py::handle& said, const ArrayView& view, const char* name) {
  const CudaCall& call = current_call();
  int device = call.device;
  if (!said.is_none()) {
    device = said.cast<int>();
  } else if (view.size() != 0) {
    const Status status = cuda::device_of(view.data, device);
    if (!status.ok()) {
      fail(ErrorKind::value, std::string(name) + " points at " + status.message +
                                 "; pass an array whose memory lies on GPU " +
                                 std::to_string(call.device) + " and is still there");
    }
  }
  if (device == call.device) return;
  fail(ErrorKind::unavailable, std::string(name) + " is on GPU " + std::to_string(device) +
                                   " and the call's first array on GPU " +
                                   std::to_string(call.device) +
                                   "; they must be on the same: copy one of them");
}

void follow_producer(const py::handle& said) {
  if (said.is_none()) return;
  const CudaCall& call = current_call();
  // 1 and 2 are CUDA's own handles of the legacy and the per-thread default stream; 0 is the legacy
  // one too.
  const auto producer = said.cast<std::uintptr_t>();
  const auto consumer = reinterpret_cast<std::uintptr_t>(call.stream);
  if (producer == consumer || (producer <= 1 && consumer <= 1)) return;
  check(cuda::order_after(reinterpret_cast<cuda::Stream>(producer), call.stream));
}

py::handle viewer() {
  static const py::handle view =
      py::object(py::module_::import("fastconv._device._registry").attr("view")).release();
  return view;
}

Described view_any(PyObject* object, const char* name) {
  const CudaCall& call = current_call();
  const py::tuple fields = viewer()(call.library, py::handle(object), name, call.device,
                                    reinterpret_cast<std::uintptr_t>(call.stream));
  if (fields.size() != kFields) fail(ErrorKind::type, std::string(name) + " has no view");
  Described described = read(fields, object, name);
  check_device(fields[kDevice], described.view, name);
  follow_producer(fields[kStream]);
  return described;
}

py::object make(int dtype, int ndim, const Index* shape, bool channels_last, int channel_axis) {
  const CudaCall& call = current_call();
  py::tuple sizes(ndim);
  for (int i = 0; i < ndim; ++i) sizes[static_cast<std::size_t>(i)] = shape[i];
  return call.library.attr("empty")(sizes, dtype, call.device, channels_last ? channel_axis : -1);
}

}  // namespace

ArrayView view_in_place(PyObject* object, const char* name) {
  Described described = view_any(object, name);
  if (described.dtype >= kDTypes) {
    fail(ErrorKind::dtype,
         std::string(name) + " holds integers; it must be float32, float64, float16 or bfloat16");
  }
  return described.view;
}

ArrayView view_array(PyObject* object, const char* name) {
  ArrayView view = view_in_place(object, name);
  if (!view.aligned) {
    fail(ErrorKind::value,
         std::string(name) + " is not aligned to its elements; pass a copy of it");
  }
  return view;
}

IndexView view_indices(PyObject* object, const ArrayView& like, const char* name) {
  const Described described = view_any(object, "indices");
  const ArrayView& view = described.view;
  if (described.dtype != kInt64) {
    fail(ErrorKind::dtype, std::string("indices must be int64, got ") + dtype_name(view.dtype) +
                               "; pass what return_indices=True gave");
  }
  if (view.ndim != like.ndim || !std::equal(like.shape, like.shape + like.ndim, view.shape)) {
    fail(ErrorKind::shape, std::string("indices must have the shape of ") + name + ", " +
                               like.shape_text() + ", got " + view.shape_text() +
                               "; pass the indices that max pooling gave with these values");
  }
  if (!view.aligned) fail(ErrorKind::value, "indices is not aligned to its elements; pass a copy");
  IndexView indices{view.owner, reinterpret_cast<const Index*>(view.data), {}};
  std::copy(view.strides, view.strides + view.ndim, indices.strides);
  return indices;
}

py::object new_array(DType dtype, int ndim, const Index* shape, bool channels_last,
                     int channel_axis) {
  return make(static_cast<int>(dtype), ndim, shape, channels_last, channel_axis);
}

py::object new_index_array(int ndim, const Index* shape, bool channels_last, int channel_axis) {
  return make(kInt64, ndim, shape, channels_last, channel_axis);
}

ArrayView view_own(const py::object& array, DType) {
  const CudaCall& call = current_call();
  const py::tuple fields = viewer()(call.library, array, "out", call.device,
                                    reinterpret_cast<std::uintptr_t>(call.stream));
  return read(fields, array, "out").view;
}

ArrayView contiguous(const ArrayView& view) {
  if (view.c_contiguous || view.ndim == 0) return view;
  const ArrayView copy = view_own(new_array(view.dtype, view.ndim, view.shape), view.dtype);
  copy_to(copy, view);
  return copy;
}

void copy_to(const ArrayView& target, const ArrayView& source) {
  check(cuda::copy_strided(static_cast<std::size_t>(element_size(source.dtype)), source.ndim,
                           source.shape, source.strides, source.data, target.strides, target.data,
                           current_call().stream));
}

void fill_zero(const ArrayView& view) {
  const auto bytes = static_cast<std::size_t>(view.size() * element_size(view.dtype));
  if (bytes != 0) check(cuda::fill_bytes(view.data, bytes, current_call().stream));
}

}  // namespace fastconv::bind
