// Positions that pooling gives and takes.
#pragma once

#include "array_view.h"

namespace fastconv::bind {

// Positions that max pooling gave: an int64 array; strides in elements.
struct IndexView {
  py::object owner;
  const Index* data;
  Index strides[kMostDims];
};

// They must have the shape of `like`, which messages call `name`.
IndexView view_indices(PyObject* object, const ArrayView& like, const char* name);

}  // namespace fastconv::bind
