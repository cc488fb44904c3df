// What array views need to know of memory, NumPy's or a device's: overlaps, and checks of outputs.
// And the errors of the border.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "array_view.h"
#include "core/names.h"

namespace fastconv::bind {
namespace {

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

// An array of the same addresses, which nobody reads: NumPy knows whether two of them meet.
py::array addresses(const ArrayView& view) {
  const auto element = static_cast<py::ssize_t>(element_size(view.dtype));
  py::array::ShapeContainer shape(view.shape, view.shape + view.ndim);
  py::array::StridesContainer strides(view.strides, view.strides + view.ndim);
  for (py::ssize_t& stride : *strides) stride *= element;
  return py::array(py::dtype("V" + std::to_string(element)), std::move(shape), std::move(strides),
                   view.data, py::none());
}

}  // namespace

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

void fail_axes(const char* name, int ndim, const Index* shape) {
  fail(ErrorKind::shape, std::string(name) + " has shape " + shape_text(ndim, shape) +
                             "; every operator needs 5 axes or fewer");
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

ArrayView view_output(PyObject* object, DType dtype, int ndim, const Index* shape) {
  const ArrayView view = view_in_place(object, "out");
  if (view.dtype != dtype) {
    fail(ErrorKind::dtype, std::string("out has dtype ") + dtype_name(view.dtype) +
                               "; it must have the input's dtype " + dtype_name(dtype));
  }
  if (view.ndim != ndim || !std::equal(shape, shape + ndim, view.shape)) {
    fail(ErrorKind::shape,
         "out has shape " + view.shape_text() + "; this call needs " + shape_text(ndim, shape));
  }
  if (!view.writable) {
    fail(ErrorKind::value, "out is read-only; pass a writable array, or leave it out");
  }
  if (!view.aligned) {
    fail(ErrorKind::value,
         "out is not aligned to its elements; pass an array of its own, as empty() makes it");
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
                 .attr("shares_memory")(addresses(out), addresses(in), py::arg("max_work") = 10000)
                 .cast<bool>();
  } catch (py::error_already_set&) {
    shared = true;  // too hard to tell
  }
  if (shared) {
    fail(ErrorKind::value, std::string("out shares memory with ") + in_name +
                               "; pass an array of its own, or leave it out");
  }
}

}  // namespace fastconv::bind
