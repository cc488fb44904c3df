#include <deque>

#include "bindings.h"

namespace fastconv::bind {

void add_fast_function(py::module_& m, const char* name, FastFunction function, const char* doc) {
  // Python keeps a pointer to the definition for as long as the function lives.
  static std::deque<PyMethodDef> definitions;
  definitions.push_back({name,
                         reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)),
                         METH_FASTCALL, doc});
  const py::str module_name = m.attr("__name__");
  const py::object made = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&definitions.back(), m.ptr(), module_name.ptr()));
  if (!made) throw py::error_already_set();
  m.attr(name) = made;
}

}  // namespace fastconv::bind
