// Activations over whole arrays, and their gradients.
#include "arguments.h"
#include "bind_errors.h"
#include "bindings.h"
#include "core/activate.h"

namespace fastconv::bind {
namespace {

// The same values without gaps in C order; the array itself where it is that already.
ArrayView contiguous(const ArrayView& array) {
  if (array.is_contiguous()) return array;
  const py::object copy = py::module_::import("numpy").attr("ascontiguousarray")(array.owner);
  return view_own(copy, array.dtype);
}

PyObject* run(const ArrayView& x, const ArrayView* grad, PyObject* kind) {
  const auto activation = static_cast<Activation>(parse_name(kind, kActivationNames, "kind", 0));
  const ArrayView from = contiguous(x);
  const ArrayView gradient = grad == nullptr ? ArrayView{} : contiguous(*grad);
  py::object result = new_array(x.dtype, x.ndim, x.shape);
  const ArrayView to = view_own(result, x.dtype);
  if (to.size() != 0) {
    const py::gil_scoped_release released;
    run_activation(x.dtype, activation, to.size(), from.data, gradient.data, to.data);
  }
  return result.release().ptr();
}

void check_count(Py_ssize_t count, Py_ssize_t expected) {
  if (count == expected) return;
  fail(ErrorKind::type,
       "expected " + std::to_string(expected) + " arguments, got " + std::to_string(count));
}

PyObject* activation(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_count(count, 2);
    return run(view_array(args[0], "x"), nullptr, args[1]);
  });
}

PyObject* activation_backward(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_count(count, 3);
    const ArrayView grad = view_array(args[0], "grad_output");
    const ArrayView x = view_array(args[1], "x");
    check_same_dtype(grad, "grad_output", x, "x");
    if (grad.ndim != x.ndim || !std::equal(x.shape, x.shape + x.ndim, grad.shape)) {
      fail(ErrorKind::shape, "grad_output has shape " + grad.shape_text() + ", but x has shape " +
                                 x.shape_text() + "; pass a gradient for every element of x");
    }
    return run(x, &grad, args[2]);
  });
}

}  // namespace

void bind_activation(py::module_& m) {
  add_fast_function(m, "activation", activation, "activation(x, kind)");
  add_fast_function(m, "activation_backward", activation_backward,
                    "activation_backward(grad_output, x, kind)");
}

}  // namespace fastconv::bind
