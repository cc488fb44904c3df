// Python arguments as sizes and options: an int or a tuple per axis, padding in all its forms,
// names.
#pragma once

#include "array_view.h"
#include "core/names.h"

namespace fastconv::bind {

// An argument as a message shows it: the start of its repr.
std::string shown(PyObject* object);

// The items of a tuple or list, held: what a list's item does when it is read cannot take them
// away.
py::tuple items_of(PyObject* object);

// An int, or a sequence of one or `rank` ints, into the last `rank` of the three axes. Booleans and
// floats are type errors; range checks are the core's.
Axes parse_axes(PyObject* object, const char* name, int rank, Index leading);

Index parse_int(PyObject* object, const char* name, const char* allowed = "an int");
bool parse_bool(PyObject* object, const char* name);
double parse_double(PyObject* object, const char* name);

struct Padding {
  Axes lo{{0, 0, 0}}, hi{{0, 0, 0}};
};

// An int, a tuple of ints, or a tuple of (lo, hi) pairs; where names are allowed also "valid" and
// "same" (needs stride 1; the odd element goes to the end).
Padding parse_padding(PyObject* object, int rank, const Axes& kernel, const Axes& stride,
                      const Axes& dilation, bool names_allowed);

// Index of a name in a list; `none` is what None stands for, or -1 when None is not allowed.
int parse_name(PyObject* object, const NameList& list, const char* name, int none = -1);

}  // namespace fastconv::bind
