// Turns errors into Python exceptions: the only place that does.
#pragma once

#include "array_view.h"
#include "call_scope.h"

namespace fastconv::bind {

// Sets the Python exception for an error; always returns null.
PyObject* raise(const Error& error);
PyObject* raise_current();  // for the exception being handled

// Runs the body of a function that pybind11 dispatches; an Error becomes its Python exception.
template <class Body>
auto translated(Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    raise(error);
    throw py::error_already_set();
  }
}

// Runs a body; every C++ exception becomes a Python one.
template <class Body>
PyObject* guarded(Body&& body) {
  try {
    return body();
  } catch (...) {
    return raise_current();
  }
}

// Runs the body of a METH_FASTCALL function, unless another module computes for the entry's array.
template <class Body>
PyObject* guarded(const Entry& entry, PyObject* const* args, Py_ssize_t count, Body&& body) {
  return guarded([&]() -> PyObject* {
    const CallScope scope(entry, args, count);
    return scope.elsewhere() != nullptr ? scope.elsewhere() : body();
  });
}

}  // namespace fastconv::bind
