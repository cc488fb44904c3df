#include "precision.h"

#include <atomic>

#include "arguments.h"
#include "bind_errors.h"
#include "bindings.h"
#include "core/config.h"

namespace fastconv::bind {
namespace {

constexpr int kUnset = -1;
std::atomic<int> g_set{kUnset};  // set_precision(): for all threads
PyObject* g_context = nullptr;   // ContextVar of level numbers: the `with` blocks

int level_number(PyObject* level) {
  const Index number = parse_int(level, "level");
  if (number < 0 || number >= kPrecisions) {
    fail(ErrorKind::value, "level is number " + shown(level) + " of " + kPrecisionNames.listed());
  }
  return static_cast<int>(number);
}

}  // namespace

Precision current_precision() {
  PyObject* level = nullptr;
  if (PyContextVar_Get(g_context, nullptr, &level) < 0) throw py::error_already_set();
  if (level != nullptr) {
    const py::object held = py::reinterpret_steal<py::object>(level);
    return static_cast<Precision>(level_number(level));
  }
  const int set = g_set.load(std::memory_order_relaxed);
  return set == kUnset ? environment_precision() : static_cast<Precision>(set);
}

void bind_precision(py::module_& m) {
  g_context = PyContextVar_New("fastconv_precision", nullptr);
  if (g_context == nullptr) throw py::error_already_set();
  m.attr("precision_context") = py::reinterpret_borrow<py::object>(g_context);
  m.def(
      "get_precision",
      [] { return translated([] { return static_cast<int>(current_precision()); }); },
      "Number of the accuracy that calls ask for.");
  m.def(
      "set_precision",
      [](py::handle level) {
        translated([&] { g_set.store(level_number(level.ptr()), std::memory_order_relaxed); });
      },
      py::arg("level"), "Sets that of calls outside a precision_context.");
}

}  // namespace fastconv::bind
