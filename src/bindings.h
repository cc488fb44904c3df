// What each binding file contributes to the module; module.cpp is the table of contents.
#pragma once

#include "array_view.h"

namespace fastconv::bind {

// METH_FASTCALL functions: pybind11's own dispatch costs half a microsecond more per call.
using FastFunction = PyObject* (*)(PyObject* self, PyObject* const* args, Py_ssize_t count);

void add_fast_function(py::module_& m, const char* name, FastFunction function, const char* doc);

// The full name of the module's type of plans.
extern const char* const kPlanType;

void bind_activation(py::module_& m);
void bind_conv(py::module_& m);
void bind_fold(py::module_& m);
void bind_gradient(py::module_& m);
void bind_image(py::module_& m);
void bind_info(py::module_& m);
void bind_plan(py::module_& m);
void bind_pool(py::module_& m);
void bind_pool_gradient(py::module_& m);
void bind_precision(py::module_& m);
void bind_training(py::module_& m);
void bind_tune(py::module_& m);

}  // namespace fastconv::bind
