#include "array_view.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

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

bool fill_view(PyObject* object, DType dtype, ArrayView& view) {
  const auto* array = py::detail::array_proxy(object);
  const Index element = element_size(dtype);
  view.data = array->data;
  view.ndim = array->nd;
  view.dtype = dtype;
  view.writable = (array->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_) != 0;
  view.c_contiguous = (array->flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_) != 0;
  bool aligned = (array->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  for (int i = 0; i < array->nd; ++i) {
    view.shape[i] = array->dimensions[i];
    const Index bytes = array->strides[i];
    view.strides[i] = bytes / element;
    aligned = aligned && (bytes % element == 0 || array->dimensions[i] <= 1);
  }
  return aligned;
}

struct Extent {
  std::uintptr_t lo, hi;
};

Extent extent(const ArrayView& view) {
  const Index element = element_size(view.dtype);
  Index lo = 0, hi = 0;
  for (int i = 0; i < view.ndim; ++i) {
    if (view.shape[i] == 0) return {0, 0};
    const Index reach = (view.shape[i] - 1) * view.strides[i] * element;
    (reach < 0 ? lo : hi) += reach;
  }
  const auto base = reinterpret_cast<std::uintptr_t>(view.data);
  return {base + static_cast<std::uintptr_t>(lo), base + static_cast<std::uintptr_t>(hi + element)};
}

// An axis whose step does not lead past the elements of the axes with smaller steps, or -1. Slices
// and transpositions of an array have none.
int overlapping_axis(const ArrayView& view) {
  const auto step = [&](int axis) { return std::abs(view.strides[axis]); };
  int order[kMostDims];  // by rising step
  int count = 0;
  for (int i = 0; i < view.ndim; ++i) {
    if (view.shape[i] == 0) return -1;
    if (view.shape[i] == 1) continue;
    int at = count++;
    for (; at > 0 && step(order[at - 1]) > step(i); --at) order[at] = order[at - 1];
    order[at] = i;
  }
  Index reach = 0;
  for (int i = 0; i < count; ++i) {
    if (step(order[i]) <= reach) return order[i];
    reach += (view.shape[order[i]] - 1) * step(order[i]);
  }
  return -1;
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

void fail(ErrorKind kind, std::string message) {
  throw Error{kind, std::move(message)};
}

void check(const Status& status) {
  if (status.ok()) return;
  switch (status.code) {
    case StatusCode::shape:
      fail(ErrorKind::shape, status.message);
    case StatusCode::dtype:
      fail(ErrorKind::dtype, status.message);
    case StatusCode::unsupported:
      fail(ErrorKind::unsupported, status.message);
    case StatusCode::unavailable:
      fail(ErrorKind::unavailable, status.message);
    case StatusCode::memory:
      fail(ErrorKind::memory, status.message);
    case StatusCode::value:
    case StatusCode::ok:
      fail(ErrorKind::value, status.message);
  }
}

std::string shape_text(int ndim, const Index* shape) {
  std::string text = "(";
  for (int i = 0; i < ndim; ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + (ndim == 1 ? ",)" : ")");
}

std::string ArrayView::shape_text() const {
  return bind::shape_text(ndim, shape);
}

Index ArrayView::size() const {
  Index total = 1;
  for (int i = 0; i < ndim; ++i) total *= shape[i];
  return total;
}

bool ArrayView::is_contiguous() const {
  return c_contiguous;
}

ArrayView view_array(PyObject* object, const char* name) {
  check_is_array(object, name);
  const DType dtype = checked_dtype(object, name);
  if (py::detail::array_proxy(object)->nd > kMostDims) {
    fail(ErrorKind::shape, std::string(name) + " has " +
                               std::to_string(py::detail::array_proxy(object)->nd) +
                               " axes; no operator takes more than 5");
  }
  ArrayView view;
  if (fill_view(object, dtype, view)) {
    view.owner = py::reinterpret_borrow<py::object>(object);
    return view;
  }
  view.owner = py::module_::import("numpy").attr("array")(
      py::handle(object), py::arg("copy") = true, py::arg("order") = "C");
  fill_view(view.owner.ptr(), dtype, view);
  return view;
}

ArrayView view_output(PyObject* object, DType dtype, int ndim, const Index* shape) {
  check_is_array(object, "out");
  const DType given = checked_dtype(object, "out");
  if (given != dtype) {
    fail(ErrorKind::dtype, "out has dtype " + dtype_text(object) +
                               "; it must have the input's dtype " + dtype_name(dtype));
  }
  const auto* array = py::detail::array_proxy(object);
  bool same = array->nd == ndim;
  for (int i = 0; same && i < ndim; ++i) same = array->dimensions[i] == shape[i];
  if (!same) {
    std::string shown = "(";
    for (int i = 0; i < array->nd; ++i) {
      shown += (i > 0 ? ", " : "") + std::to_string(array->dimensions[i]);
    }
    shown += array->nd == 1 ? ",)" : ")";
    fail(ErrorKind::shape,
         "out has shape " + shown + "; this call needs " + shape_text(ndim, shape));
  }
  ArrayView view;
  const bool aligned = fill_view(object, dtype, view);
  view.owner = py::reinterpret_borrow<py::object>(object);
  if (!view.writable) {
    fail(ErrorKind::value, "out is read-only; pass a writable array, or leave it out");
  }
  if (!aligned) {
    fail(ErrorKind::value, "out is not aligned to its elements; pass an array made by numpy.empty");
  }
  if (const int axis = overlapping_axis(view); axis >= 0) {
    fail(ErrorKind::value, "out repeats its memory along axis " + std::to_string(axis) +
                               " (stride " + std::to_string(view.strides[axis]) +
                               " elements); pass an array whose elements are apart");
  }
  return view;
}

void check_same_dtype(const ArrayView& a, const char* a_name, const ArrayView& b,
                      const char* b_name) {
  if (a.dtype == b.dtype) return;
  fail(ErrorKind::dtype, std::string(a_name) + " has dtype " + dtype_name(a.dtype) + " and " +
                             b_name + " has dtype " + dtype_name(b.dtype) +
                             "; convert one with astype");
}

void check_no_overlap(const ArrayView& out, const ArrayView& in, const char* in_name) {
  const Extent a = extent(out), b = extent(in);
  if (a.lo >= b.hi || b.lo >= a.hi) return;
  bool shared = true;
  try {
    shared = py::module_::import("numpy")
                 .attr("shares_memory")(out.owner, in.owner, py::arg("max_work") = 10000)
                 .cast<bool>();
  } catch (py::error_already_set&) {
    shared = true;  // too hard to tell
  }
  if (shared) {
    fail(ErrorKind::value, std::string("out shares memory with ") + in_name +
                               "; pass an array of its own, or leave it out");
  }
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
