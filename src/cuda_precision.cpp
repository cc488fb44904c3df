#include "precision.h"

namespace fastconv::bind {

// _core holds the setting for both modules.
Precision current_precision() {
  static const pybind11::handle get =
      pybind11::object(pybind11::module_::import("fastconv._core").attr("get_precision")).release();
  return static_cast<Precision>(get().cast<int>());
}

}  // namespace fastconv::bind
