#include "array_view.h"
#include "call_scope.h"

namespace fastconv::bind {
namespace {

// Found once: a device call should not pay for the look-up.
py::handle device_dispatch() {
  static const py::handle dispatch =
      py::object(py::module_::import("fastconv._device").attr("dispatch")).release();
  return dispatch;
}

}  // namespace

CallScope::CallScope(const Entry& entry, PyObject* const* args, Py_ssize_t count) {
  if (entry.name == nullptr || count <= entry.array) return;
  PyObject* array = args[entry.array];
  if (is_numpy_array(array) || array == Py_None) return;
  py::tuple given(count);
  for (Py_ssize_t i = 0; i < count; ++i) {
    given[static_cast<std::size_t>(i)] = py::handle(args[i]);
  }
  py::object result = device_dispatch()(entry.name, py::handle(array), given);
  if (!result.is(py::handle(Py_NotImplemented))) elsewhere_ = result.release().ptr();
}

CallScope::~CallScope() = default;

}  // namespace fastconv::bind
