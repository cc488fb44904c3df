// What the files of fastconv._cuda give each other.
#pragma once

#include "array_view.h"

namespace fastconv::bind {

// (address, shape, strides or None, dtype's name, writable, device) of a DLPack capsule.
py::tuple read_dlpack(const py::object& capsule);

}  // namespace fastconv::bind
