#include "arguments.h"

namespace fastconv::bind {
namespace {

std::string shown(PyObject* object) {
  const py::object text = py::reinterpret_steal<py::object>(PyObject_Repr(object));
  if (!text) {
    PyErr_Clear();
    return std::string("a ") + Py_TYPE(object)->tp_name;
  }
  std::string given = py::cast<std::string>(text);
  constexpr std::size_t kMost = 80;
  return given.size() > kMost ? given.substr(0, kMost) + "..." : given;
}

[[noreturn]] void not_an_int(PyObject* object, const char* name, const char* allowed) {
  fail(ErrorKind::type, std::string(name) + " is " + shown(object) + "; it must be " + allowed);
}

bool is_text(PyObject* object) { return PyUnicode_Check(object) != 0; }

bool is_sequence(PyObject* object) { return PyTuple_Check(object) || PyList_Check(object); }

std::string per_axis(int rank) {
  return "an int or " + std::to_string(rank) + (rank == 1 ? " int" : " ints");
}

}  // namespace

Index parse_int(PyObject* object, const char* name) {
  if (PyBool_Check(object) || PyFloat_Check(object) || !PyIndex_Check(object)) {
    not_an_int(object, name, "an int");
  }
  int overflow = 0;
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(object));
  if (!number) throw py::error_already_set();
  const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow != 0) {
    fail(ErrorKind::value, std::string(name) + " is " + shown(object) + ", which is beyond 64 bits");
  }
  return static_cast<Index>(value);
}

bool parse_bool(PyObject* object, const char* name) {
  if (object == Py_True) return true;
  if (object == Py_False) return false;
  fail(ErrorKind::type, std::string(name) + " is " + shown(object) + "; it must be True or False");
}

double parse_double(PyObject* object, const char* name) {
  if (!PyBool_Check(object)) {
    const double value = PyFloat_AsDouble(object);
    if (!(value == -1.0 && PyErr_Occurred())) return value;
    PyErr_Clear();
  }
  fail(ErrorKind::type, std::string(name) + " is " + shown(object) + "; it must be a number");
}

Axes parse_axes(PyObject* object, const char* name, int rank, Index leading) {
  Axes axes{{leading, leading, leading}};
  const int first = kAxes - rank;
  if (!is_sequence(object)) {
    if (!PyIndex_Check(object) || PyBool_Check(object)) {
      not_an_int(object, name, per_axis(rank).c_str());
    }
    const Index value = parse_int(object, name);
    for (int a = first; a < kAxes; ++a) axes[a] = value;
    return axes;
  }
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(object);
  if (count != 1 && count != rank) {
    fail(ErrorKind::value, std::string(name) + " is " + shown(object) + " with " +
                               std::to_string(count) + " values; it must be " + per_axis(rank));
  }
  for (int a = first; a < kAxes; ++a) {
    axes[a] = parse_int(PySequence_Fast_GET_ITEM(object, count == 1 ? 0 : a - first), name);
  }
  return axes;
}

int parse_name(PyObject* object, const NameList& list, const char* name, int none) {
  if (object == Py_None && none >= 0) return none;
  if (!is_text(object)) {
    fail(ErrorKind::type, std::string(name) + " is " + shown(object) + "; it must be one of " +
                              list.listed() + (none >= 0 ? ", or None" : ""));
  }
  const char* text = PyUnicode_AsUTF8(object);
  if (text == nullptr) throw py::error_already_set();
  const int found = list.find(text);
  if (found < 0) {
    fail(ErrorKind::value, std::string(name) + " is " + shown(object) + "; it must be one of " +
                               list.listed() + (none >= 0 ? ", or None" : ""));
  }
  return found;
}

Padding parse_padding(PyObject* object, int rank, const Axes& kernel, const Axes& stride,
                      const Axes& dilation, bool same_allowed) {
  Padding padding;
  const int first = kAxes - rank;
  if (is_text(object)) {
    const std::string text = py::cast<std::string>(py::handle(object));
    if (text == "valid") return padding;
    if (text != "same" || !same_allowed) {
      fail(ErrorKind::value, "padding is '" + text + "'; it must be " +
                                 (same_allowed ? "'same', 'valid', an int" : "an int") +
                                 ", a tuple of ints, or (lo, hi) pairs");
    }
    for (int a = first; a < kAxes; ++a) {
      if (stride[a] != 1) {
        fail(ErrorKind::value, "padding is 'same' and stride is not 1; 'same' keeps the size only "
                               "at stride 1: give the padding in numbers");
      }
      const Index total = same_padding_total(kernel[a], dilation[a]);
      padding.lo[a] = total / 2;
      padding.hi[a] = total - total / 2;
    }
    return padding;
  }
  bool pairs = false;
  if (is_sequence(object)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
      pairs = pairs || is_sequence(PySequence_Fast_GET_ITEM(object, i));
    }
  }
  if (!pairs) {
    padding.lo = padding.hi = parse_axes(object, "padding", rank, 0);
    return padding;
  }
  if (PySequence_Fast_GET_SIZE(object) != rank) {
    fail(ErrorKind::value, "padding is " + shown(object) + "; it must have a (lo, hi) pair for each of " +
                               std::to_string(rank) + " axes");
  }
  for (int a = first; a < kAxes; ++a) {
    PyObject* pair = PySequence_Fast_GET_ITEM(object, a - first);
    if (!is_sequence(pair) || PySequence_Fast_GET_SIZE(pair) != 2) {
      fail(ErrorKind::value, "padding is " + shown(object) + "; each axis must have a pair (lo, hi)");
    }
    padding.lo[a] = parse_int(PySequence_Fast_GET_ITEM(pair, 0), "padding");
    padding.hi[a] = parse_int(PySequence_Fast_GET_ITEM(pair, 1), "padding");
  }
  return padding;
}

}  // namespace fastconv::bind
