// Arrays as pointers, shapes and strides: no copy, no cast. And the errors of the border. In _core
// these are NumPy arrays (array_view.cpp), in _cuda arrays of one device (cuda_array_view.cpp).
#pragma once

#include <fastconv/problem.h>
#include <fastconv/status.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

namespace fastconv::bind {

namespace py = pybind11;

// What can be wrong with an argument, beyond what the core itself reports.
enum class ErrorKind { shape, value, dtype, type, unsupported, unavailable, cuda, memory };

struct Error {
  ErrorKind kind;
  std::string message;
};

[[noreturn]] void fail(ErrorKind kind, std::string message);
void check(const Status& status);  // throws Error unless ok
[[noreturn]] void fail_axes(const char* name, int ndim, const Index* shape);  // too many

inline constexpr int kMostDims = 8;

struct ArrayView {
  py::object owner;  // keeps the memory alive; a copy where the array is not aligned
  char* data = nullptr;
  int ndim = 0;
  DType dtype = DType::float32;
  bool writable = false;
  bool aligned = true;  // to its elements
  bool c_contiguous = false;
  Index shape[kMostDims] = {};
  Index strides[kMostDims] = {};  // elements

  Index size() const;
  bool is_contiguous() const;  // C order, without gaps
  std::string shape_text() const;
};

// Views an argument. Anything but an array of a floating-point type that kernels take, of native
// byte order, is an error that names the argument. A NumPy array that is not aligned is copied;
// memory stays as it is otherwise.
ArrayView view_array(PyObject* object, const char* name);
ArrayView view_in_place(PyObject* object, const char* name);  // aligned or not

bool is_numpy_array(PyObject* object);
bool is_masked(PyObject* object);

// Views an output: as above, but writable, aligned, of this dtype and shape, and without elements
// that share memory.
ArrayView view_output(PyObject* object, DType dtype, int ndim, const Index* shape);

// Both must have one dtype.
void check_same_dtype(const ArrayView& a, const char* a_name, const ArrayView& b,
                      const char* b_name);

// Raises unless the memory of an output and an input is apart.
void check_no_overlap(const ArrayView& out, const ArrayView& in, const char* in_name);

// A new array. With `channels_last`, axis `channel_axis` varies fastest in memory.
py::object new_array(DType dtype, int ndim, const Index* shape, bool channels_last = false,
                     int channel_axis = 1);
py::object new_index_array(int ndim, const Index* shape, bool channels_last = false,
                           int channel_axis = 1);

// A view of an array that the binding itself made.
ArrayView view_own(const py::object& array, DType dtype);

// The same values without gaps in C order; the array itself where it is that already.
ArrayView contiguous(const ArrayView& view);
void copy_to(const ArrayView& target, const ArrayView& source);
void fill_zero(const ArrayView& view);  // of an array without gaps

std::string shape_text(int ndim, const Index* shape);

}  // namespace fastconv::bind
