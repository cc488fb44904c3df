// Activations over whole arrays, and their gradients.
#include <algorithm>

#include "arguments.h"
#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "tensor.h"

namespace fastconv::bind {
namespace {

// Whether the elements fill their memory, in the same order as those of `like`.
bool lies_as(const ArrayView& array, const ArrayView& like) {
  Index span = 1;
  for (int i = 0; i < array.ndim; ++i) {
    if (array.shape[i] > 1 && (array.strides[i] != like.strides[i] || array.strides[i] < 0)) {
      return false;
    }
    span += (array.shape[i] - 1) * array.strides[i];
  }
  return span == array.size();
}

void check_shape(const ArrayView& array, const char* name, const ArrayView& x) {
  check_same_dtype(array, name, x, "x");
  if (array.ndim == x.ndim && std::equal(x.shape, x.shape + x.ndim, array.shape)) return;
  fail(ErrorKind::shape, std::string(name) + " has shape " + array.shape_text() +
                             ", but x has shape " + x.shape_text() +
                             "; pass an element for every element of x");
}

struct Operands {
  ArrayView x, addend, grad, out;  // all but x may be absent
};

PyObject* run(Operands given, PyObject* kind) {
  const auto activation = static_cast<Activation>(parse_name(kind, kActivationNames, "kind", 0));
  const ArrayView& x = given.x;
  const bool in_place = given.out.data != nullptr && x.size() != 0 && lies_as(x, given.out) &&
                        (given.addend.data == nullptr || lies_as(given.addend, given.out));
  ActivationArrays arrays{x.data, given.addend.data, given.grad.data, given.out.data};
  py::object result = given.out.owner;
  ArrayView copies[3];
  if (!in_place) {
    copies[0] = contiguous(x);
    arrays.x = copies[0].data;
    if (given.addend.data != nullptr) {
      copies[1] = contiguous(given.addend);
      arrays.addend = copies[1].data;
    }
    if (given.grad.data != nullptr) {
      copies[2] = contiguous(given.grad);
      arrays.grad = copies[2].data;
    }
    result = new_array(x.dtype, x.ndim, x.shape);
    arrays.to = view_own(result, x.dtype).data;
  }
  if (x.size() != 0) check(backend::activation(x.dtype, activation, x.size(), arrays));
  if (!in_place && given.out.data != nullptr) {
    copy_to(given.out, view_own(result, x.dtype));
    result = given.out.owner;
  }
  return result.release().ptr();
}

PyObject* activation(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"activation", 0}, args, count, [&]() -> PyObject* {
    check_argument_count(count, 4);
    Operands given;
    given.x = view_array(args[0], "x");
    if (args[2] != Py_None) {
      given.addend = view_array(args[2], "addend");
      check_shape(given.addend, "addend", given.x);
    }
    if (args[3] != Py_None) {
      given.out = view_output(args[3], given.x.dtype, given.x.ndim, given.x.shape);
    }
    return run(std::move(given), args[1]);
  });
}

PyObject* activation_backward(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"activation_backward", 0}, args, count, [&]() -> PyObject* {
    check_argument_count(count, 3);
    Operands given;
    given.grad = view_array(args[0], "grad_output");
    given.x = view_array(args[1], "x");
    check_shape(given.grad, "grad_output", given.x);
    return run(std::move(given), args[2]);
  });
}

}  // namespace

void bind_activation(py::module_& m) {
  add_fast_function(m, "activation", activation,
                    "activation(x, kind, addend, out): of x + addend; both may be None");
  add_fast_function(m, "activation_backward", activation_backward,
                    "activation_backward(grad_output, x, kind)");
}

}  // namespace fastconv::bind
