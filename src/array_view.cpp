#include "array_view.h"

#include <atomic>
#include <cstring>
#include <vector>

#include "core/names.h"
#include "result_memory.h"

namespace fastconv::bind {
namespace {

constexpr int kNpyFloat = py::detail::npy_api::NPY_FLOAT_;
constexpr int kNpyDouble = py::detail::npy_api::NPY_DOUBLE_;
constexpr int kNpyHalf = 23;            // NPY_HALF, which pybind11 does not name
constexpr int kNpyFirstOfOthers = 256;  // NPY_USERDEF: types that packages add to NumPy
constexpr const char* kFloats = "float32, float64, float16 or bfloat16 (ml_dtypes.bfloat16)";

// NumPy has no bfloat16 of its own. Its number is known from the first array that has it: nothing
// is imported for those who never use one.
std::atomic<int> g_npy_bfloat16{-1};

bool is_bfloat16(const py::detail::PyArrayDescr_Proxy* descr) {
  if (descr->type_num < kNpyFirstOfOthers) return false;
  if (descr->type_num == g_npy_bfloat16.load(std::memory_order_relaxed)) return true;
  const auto* type = reinterpret_cast<const PyTypeObject*>(descr->typeobj);
  if (std::strcmp(type->tp_name, "ml_dtypes.bfloat16") != 0) return false;
  g_npy_bfloat16.store(descr->type_num, std::memory_order_relaxed);
  return true;
}

int type_number(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return kNpyFloat;
    case DType::float64:
      return kNpyDouble;
    case DType::float16:
      return kNpyHalf;
    case DType::bfloat16:
      break;
  }
  return g_npy_bfloat16.load(std::memory_order_relaxed);
}

std::string type_name(PyObject* object) {
  return Py_TYPE(object)->tp_name;
}

std::string dtype_text(PyObject* array) {
  return py::str(py::reinterpret_borrow<py::object>(array).attr("dtype")).cast<std::string>();
}

// An argument must be an ndarray, and have no mask.
void check_is_array(PyObject* object, const char* name) {
  const auto& api = py::detail::npy_api::get();
  if (Py_TYPE(object) == api.PyArray_Type_) return;
  const std::string where = std::string(name) + " is a " + type_name(object);
  if (object == Py_None) {
    fail(ErrorKind::type, std::string(name) + " is None; it must be a numpy.ndarray of " + kFloats);
  }
  if (!api.PyArray_Check_(object)) {
    fail(ErrorKind::type, where + "; it must be a numpy.ndarray of " + kFloats +
                              ": convert it with numpy.asarray(" + name + ", dtype=numpy.float32)");
  }
  if (is_masked(object)) {
    fail(ErrorKind::type, where + "; a mask has no meaning here: pass " + name +
                              ".filled(0) or another plain array");
  }
}

DType checked_dtype(PyObject* object, const char* name) {
  const auto* array = py::detail::array_proxy(object);
  const auto* descr = py::detail::array_descriptor_proxy(array->descr);
  DType dtype = DType::float32;
  if (descr->type_num == kNpyDouble) {
    dtype = DType::float64;
  } else if (descr->type_num == kNpyHalf) {
    dtype = DType::float16;
  } else if (is_bfloat16(descr)) {
    dtype = DType::bfloat16;
  } else if (descr->type_num != kNpyFloat) {
    fail(ErrorKind::dtype, std::string(name) + " has dtype " + dtype_text(object) +
                               "; it must be " + kFloats + ": convert it with " + name +
                               ".astype(numpy.float32)");
  }
  if (descr->byteorder == '>') {
    fail(ErrorKind::dtype, std::string(name) + " has dtype " + dtype_text(object) +
                               " in foreign byte order; convert it with " + name + ".astype(" +
                               name + ".dtype.newbyteorder('='))");
  }
  return dtype;
}

void fill_view(PyObject* object, DType dtype, ArrayView& view) {
  const auto* array = py::detail::array_proxy(object);
  const Index element = element_size(dtype);
  view.data = array->data;
  view.ndim = array->nd;
  view.dtype = dtype;
  view.writable = (array->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_) != 0;
  view.c_contiguous = (array->flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_) != 0;
  view.aligned = (array->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  for (int i = 0; i < array->nd; ++i) {
    view.shape[i] = array->dimensions[i];
    const Index bytes = array->strides[i];
    view.strides[i] = bytes / element;
    view.aligned = view.aligned && (bytes % element == 0 || array->dimensions[i] <= 1);
  }
}

py::object new_typed_array(int type_number, int ndim, const Index* shape, bool channels_last,
                           int channel_axis, Index element) {
  const auto& api = py::detail::npy_api::get();
  Py_intptr_t dims[kMostDims];
  Py_intptr_t strides[kMostDims];
  for (int i = 0; i < ndim; ++i) dims[i] = static_cast<Py_intptr_t>(shape[i]);
  const Py_intptr_t* given = nullptr;
  if (channels_last) {
    Py_intptr_t step = static_cast<Py_intptr_t>(element);
    strides[channel_axis] = step;
    step *= dims[channel_axis] > 0 ? dims[channel_axis] : 1;
    for (int i = ndim - 1; i >= 0; --i) {
      if (i == channel_axis) continue;
      strides[i] = step;
      step *= dims[i] > 0 ? dims[i] : 1;
    }
    given = strides;
  }
  Index bytes = element;
  for (int i = 0; i < ndim; ++i) {
    if (__builtin_mul_overflow(bytes, shape[i], &bytes)) bytes = 0;  // NumPy will say so
  }
  const ResultMemory memory(static_cast<std::size_t>(bytes));
  PyObject* made =
      api.PyArray_NewFromDescr_(api.PyArray_Type_, api.PyArray_DescrFromType_(type_number), ndim,
                                dims, given, nullptr, 0, nullptr);
  if (made == nullptr) {
    PyErr_Clear();
    fail(ErrorKind::memory, "no memory for a result of shape " + shape_text(ndim, shape));
  }
  return py::reinterpret_steal<py::object>(made);
}

}  // namespace

bool is_masked(PyObject* object) {
  return py::isinstance(object, py::module_::import("numpy.ma").attr("MaskedArray"));
}

bool is_numpy_array(PyObject* object) {
  const auto& api = py::detail::npy_api::get();
  return Py_TYPE(object) == api.PyArray_Type_ || api.PyArray_Check_(object);
}

ArrayView view_in_place(PyObject* object, const char* name) {
  check_is_array(object, name);
  const DType dtype = checked_dtype(object, name);
  const auto* array = py::detail::array_proxy(object);
  if (array->nd > kMostDims) {
    const std::vector<Index> shape(array->dimensions, array->dimensions + array->nd);
    fail_axes(name, array->nd, shape.data());
  }
  ArrayView view;
  fill_view(object, dtype, view);
  view.owner = py::reinterpret_borrow<py::object>(object);
  return view;
}

ArrayView view_array(PyObject* object, const char* name) {
  ArrayView view = view_in_place(object, name);
  if (view.aligned) return view;
  view.owner = py::module_::import("numpy").attr("array")(
      py::handle(object), py::arg("copy") = true, py::arg("order") = "C");
  fill_view(view.owner.ptr(), view.dtype, view);
  return view;
}

ArrayView contiguous(const ArrayView& view) {
  if (view.c_contiguous || view.ndim == 0) return view;
  const py::object copy = py::module_::import("numpy").attr("ascontiguousarray")(view.owner);
  return view_own(copy, view.dtype);
}

void copy_to(const ArrayView& target, const ArrayView& source) {
  py::module_::import("numpy").attr("copyto")(target.owner, source.owner);
}

void fill_zero(const ArrayView& view) {
  std::memset(view.data, 0, static_cast<std::size_t>(view.size() * element_size(view.dtype)));
}

py::object new_array(DType dtype, int ndim, const Index* shape, bool channels_last,
                     int channel_axis) {
  return new_typed_array(type_number(dtype), ndim, shape, channels_last, channel_axis,
                         element_size(dtype));
}

py::object new_index_array(int ndim, const Index* shape, bool channels_last, int channel_axis) {
  return new_typed_array(py::detail::npy_api::NPY_INT64_, ndim, shape, channels_last, channel_axis,
                         8);
}

ArrayView view_own(const py::object& array, DType dtype) {
  ArrayView view;
  fill_view(array.ptr(), dtype, view);
  view.owner = array;
  return view;
}

}  // namespace fastconv::bind
