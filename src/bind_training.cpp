// Batch normalisation's passes over arrays, and a step of gradient descent. The layers and
// optimisers of Python check what users pass; here only what would read or write outside an array.
#include "arguments.h"
#include "bind_errors.h"
#include "bindings.h"
#include "core/training.h"

namespace fastconv::bind {
namespace {

ArrayView wide_array(PyObject* object, const char* name) {
  ArrayView view = view_array(object, name);
  if (is_narrow(view.dtype) || !view.is_contiguous()) {
    fail(ErrorKind::dtype, std::string(name) + " must be float32 or float64, in C order");
  }
  return view;
}

ArrayView matching(PyObject* object, const char* name, const ArrayView& x, const char* x_name) {
  ArrayView view = wide_array(object, name);
  check_same_dtype(view, name, x, x_name);
  if (view.ndim != x.ndim || !std::equal(x.shape, x.shape + x.ndim, view.shape)) {
    fail(ErrorKind::shape, std::string(name) + " must have the shape of " + x_name);
  }
  return view;
}

// One float64 number for each channel of x.
ArrayView per_channel(PyObject* object, const char* name, const ArrayView& x) {
  ArrayView view = wide_array(object, name);
  if (view.dtype != DType::float64 || view.ndim != 1 || x.ndim < 2 || view.shape[0] != x.shape[1]) {
    fail(ErrorKind::shape, std::string(name) + " must hold a float64 for each channel");
  }
  return view;
}

Index inner_size(const ArrayView& x) {
  Index size = 1;
  for (int i = 2; i < x.ndim; ++i) size *= x.shape[i];
  return size;
}

void check_count(Py_ssize_t count, Py_ssize_t expected) {
  if (count == expected) return;
  fail(ErrorKind::type,
       "expected " + std::to_string(expected) + " arguments, got " + std::to_string(count));
}

PyObject* channel_products(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_count(count, 3);
    const ArrayView x = wide_array(args[0], "x");
    const ArrayView centre = per_channel(args[2], "centre", x);
    const bool has_grad = args[1] != Py_None;
    const ArrayView grad = has_grad ? matching(args[1], "grad", x, "x") : ArrayView{};
    const Index channels = x.shape[1];
    const py::object sums = new_array(DType::float64, 1, &channels);
    const py::object products = new_array(DType::float64, 1, &channels);
    const auto data = [](const py::object& array) {
      return reinterpret_cast<double*>(view_own(array, DType::float64).data);
    };
    const ChannelProducts job{x.shape[0], channels,      inner_size(x),
                              x.data,     grad.data,     reinterpret_cast<double*>(centre.data),
                              data(sums), data(products)};
    {
      const py::gil_scoped_release released;
      run_channel_products(x.dtype, job);
    }
    return py::make_tuple(sums, products).release().ptr();
  });
}

PyObject* channel_affine(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_count(count, 5);
    const ArrayView x = wide_array(args[0], "x");
    const ArrayView a = per_channel(args[1], "a", x);
    const bool two = args[2] != Py_None;
    const ArrayView z = two ? matching(args[2], "z", x, "x") : ArrayView{};
    const ArrayView b = per_channel(args[3], "b", x);
    const ArrayView shift = per_channel(args[4], "shift", x);
    py::object result = new_array(x.dtype, x.ndim, x.shape);
    const ChannelAffine job{x.shape[0],
                            x.shape[1],
                            inner_size(x),
                            x.data,
                            z.data,
                            reinterpret_cast<double*>(a.data),
                            reinterpret_cast<double*>(b.data),
                            reinterpret_cast<double*>(shift.data),
                            view_own(result, x.dtype).data};
    {
      const py::gil_scoped_release released;
      run_channel_affine(x.dtype, job);
    }
    return result.release().ptr();
  });
}

PyObject* descend(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_count(count, 9);
    const ArrayView weight = wide_array(args[0], "weight");
    const ArrayView grad = matching(args[1], "grad", weight, "weight");
    const bool keeps = args[2] != Py_None;
    const ArrayView velocity =
        keeps ? matching(args[2], "velocity", weight, "weight") : ArrayView{};
    if (!weight.writable || (keeps && !velocity.writable)) {
      fail(ErrorKind::value, "weight and velocity must be writable");
    }
    double numbers[4];
    for (int i = 0; i < 4; ++i) {
      numbers[i] = PyFloat_AsDouble(args[3 + i]);
      if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    }
    const Descent job{weight.size(),
                      weight.data,
                      velocity.data,
                      grad.data,
                      numbers[0],
                      numbers[1],
                      numbers[2],
                      numbers[3],
                      parse_bool(args[7], "nesterov"),
                      parse_bool(args[8], "first")};
    {
      const py::gil_scoped_release released;
      run_descent(weight.dtype, job);
    }
    Py_RETURN_NONE;
  });
}

}  // namespace

void bind_training(py::module_& m) {
  add_fast_function(m, "channel_products", channel_products, "channel_products(x, grad, centre)");
  add_fast_function(m, "channel_affine", channel_affine, "channel_affine(x, a, z, b, shift)");
  add_fast_function(
      m, "descend", descend,
      "descend(weight, grad, velocity, rate, momentum, share, decay, nesterov, first)");
}

}  // namespace fastconv::bind
