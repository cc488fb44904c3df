// Activations over whole arrays, and their gradients.
#include <algorithm>

#include "arguments.h"
#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "tensor.h"

namespace fastconv::bind {
namespace {

PyObject* run(const ArrayView& x, const ArrayView* grad, PyObject* kind) {
  const auto activation = static_cast<Activation>(parse_name(kind, kActivationNames, "kind", 0));
  const ArrayView from = contiguous(x);
  const ArrayView gradient = grad == nullptr ? ArrayView{} : contiguous(*grad);
  py::object result = new_array(x.dtype, x.ndim, x.shape);
  const ArrayView to = view_own(result, x.dtype);
  if (to.size() != 0) {
    check(backend::activation(x.dtype, activation, to.size(), from.data, gradient.data, to.data));
  }
  return result.release().ptr();
}

PyObject* activation(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"activation", 0}, args, count, [&]() -> PyObject* {
    check_argument_count(count, 2);
    return run(view_array(args[0], "x"), nullptr, args[1]);
  });
}

PyObject* activation_backward(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"activation_backward", 0}, args, count, [&]() -> PyObject* {
    check_argument_count(count, 3);
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
