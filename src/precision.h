// The accuracy that a call asks for when its argument says nothing.
#pragma once

#include <fastconv/problem.h>
#include <pybind11/pybind11.h>

namespace fastconv::bind {

// The innermost `with fastconv.precision(...)` of the calling context, else set_precision(), else
// FASTCONV_PRECISION, else "highest".
Precision current_precision();

}  // namespace fastconv::bind
