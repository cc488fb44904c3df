#include "bind_errors.h"

#include <new>

namespace fastconv::bind {
namespace {

const char* class_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::shape:
      return "ShapeError";
    case ErrorKind::value:
      return "OptionError";
    case ErrorKind::dtype:
      return "DTypeError";
    case ErrorKind::type:
      return "ArgumentTypeError";
    case ErrorKind::unsupported:
      return "UnsupportedError";
    case ErrorKind::unavailable:
      return "BackendUnavailableError";
    case ErrorKind::cuda:
      return "CudaError";
    case ErrorKind::memory:
      return "OutOfMemoryError";
  }
  return "FastconvError";
}

}  // namespace

PyObject* raise(const Error& error) {
  try {
    const py::object type = py::module_::import("fastconv.errors").attr(class_name(error.kind));
    // Environment variables, which messages quote, need not be UTF-8.
    const py::object message = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
        error.message.data(), static_cast<Py_ssize_t>(error.message.size()), "backslashreplace"));
    if (message) PyErr_SetObject(type.ptr(), message.ptr());
  } catch (py::error_already_set& failed) {
    failed.restore();
  }
  return nullptr;
}

PyObject* raise_current() {
  try {
    throw;
  } catch (const Error& error) {
    return raise(error);
  } catch (py::error_already_set& set) {
    set.restore();
  } catch (const std::bad_alloc&) {
    return raise({ErrorKind::memory, "no memory for the call's bookkeeping"});
  } catch (const std::exception& unexpected) {
    PyErr_SetString(PyExc_RuntimeError, unexpected.what());
  }
  return nullptr;
}

}  // namespace fastconv::bind
