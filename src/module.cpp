// fastconv._core: the table of contents.
#include "bind_errors.h"
#include "bindings.h"

#include <deque>

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

PYBIND11_MODULE(_core, m) {
  namespace bind = fastconv::bind;
  m.doc() = "Compiled kernels of fastconv. Use the functions of the fastconv package instead.";
  bind::bind_precision(m);
  bind::bind_conv(m);
  bind::bind_gradient(m);
  bind::bind_plan(m);
  bind::bind_tune(m);
  bind::bind_image(m);
  bind::bind_pool(m);
  bind::bind_pool_gradient(m);
  bind::bind_fold(m);
  bind::bind_activation(m);
  bind::bind_training(m);
  bind::bind_info(m);
}
