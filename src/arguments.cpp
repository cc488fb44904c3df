#include "arguments.h"

namespace fastconv::bind {
namespace {

[[noreturn]] void not_an_int(PyObject* object, const char* name, const char* allowed) {
  fail(ErrorKind::type, std::string(name) + " is " + shown(object) + "; it must be " + allowed);
}

bool is_text(PyObject* object) {
  return PyUnicode_Check(object) != 0;
}

bool is_sequence(PyObject* object) {
  return PyTuple_Check(object) || PyList_Check(object);
}

bool is_numpy_bool(PyObject* object) {
  if (PyFloat_Check(object) || PyLong_Check(object)) return false;
  return py::isinstance(object, py::module_::import("numpy").attr("bool_"));
}

const char* per_axis(int rank) {
  constexpr const char* kText[] = {"an int or 1 int", "an int or 2 ints", "an int or 3 ints"};
  return kText[rank - 1];
}

}  // namespace

std::string shown(PyObject* object) {
  constexpr Py_ssize_t kMost = 80;
  const auto steal = [](PyObject* made) { return py::reinterpret_steal<py::object>(made); };
  const py::object text = steal(PyObject_Repr(object));
  const py::object start = steal(text ? PyUnicode_Substring(text.ptr(), 0, kMost) : nullptr);
  const py::object bytes =
      steal(start ? PyUnicode_AsEncodedString(start.ptr(), "utf-8", "backslashreplace") : nullptr);
  if (!bytes) {
    PyErr_Clear();
    return std::string("a ") + Py_TYPE(object)->tp_name;
  }
  return PyBytes_AS_STRING(bytes.ptr()) +
         std::string(PyUnicode_GET_LENGTH(text.ptr()) > kMost ? "..." : "");
}

py::tuple items_of(PyObject* object) {
  PyObject* items = PySequence_Tuple(object);
  if (items == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::tuple>(items);
}

Index parse_int(PyObject* object, const char* name, const char* allowed) {
  if (PyBool_Check(object) || PyFloat_Check(object) || !PyIndex_Check(object)) {
    not_an_int(object, name, allowed);
  }
  int overflow = 0;
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(object));
  if (!number) {
    // An array of several numbers has the method, and then cannot.
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
    PyErr_Clear();
    not_an_int(object, name, allowed);
  }
  const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow != 0) {
    fail(ErrorKind::value,
         std::string(name) + " is " + shown(object) + ", which is beyond 64 bits");
  }
  return static_cast<Index>(value);
}

bool parse_bool(PyObject* object, const char* name) {
  if (object == Py_True) return true;
  if (object == Py_False) return false;
  if (is_numpy_bool(object)) return PyObject_IsTrue(object) == 1;
  fail(ErrorKind::type, std::string(name) + " is " + shown(object) + "; it must be True or False");
}

double parse_double(PyObject* object, const char* name) {
  if (!PyBool_Check(object) && !is_numpy_bool(object)) {
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
    const Index value = parse_int(object, name, per_axis(rank));
    for (int a = first; a < kAxes; ++a) axes[a] = value;
    return axes;
  }
  const py::tuple items = items_of(object);
  const Py_ssize_t count = PyTuple_GET_SIZE(items.ptr());
  if (count != 1 && count != rank) {
    fail(ErrorKind::value, std::string(name) + " is " + shown(object) + " with " +
                               std::to_string(count) + " values; it must be " + per_axis(rank));
  }
  for (int a = first; a < kAxes; ++a) {
    axes[a] = parse_int(PyTuple_GET_ITEM(items.ptr(), count == 1 ? 0 : a - first), name);
  }
  return axes;
}

int parse_name(PyObject* object, const NameList& list, const char* name, int none) {
  if (object == Py_None && none >= 0) return none;
  if (!is_text(object)) {
    fail(ErrorKind::type, std::string(name) + " is " + shown(object) + "; it must be one of " +
                              list.listed() + (none >= 0 ? ", or None" : ""));
  }
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(object, &size);
  if (text == nullptr) PyErr_Clear();
  const int found =
      text == nullptr ? -1 : list.find(std::string_view(text, static_cast<std::size_t>(size)));
  if (found < 0) {
    fail(ErrorKind::value, std::string(name) + " is " + shown(object) + "; it must be one of " +
                               list.listed() + (none >= 0 ? ", or None" : ""));
  }
  return found;
}

Padding parse_padding(PyObject* object, int rank, const Axes& kernel, const Axes& stride,
                      const Axes& dilation, bool names_allowed) {
  Padding padding;
  const int first = kAxes - rank;
  if (is_text(object)) {
    const auto is = [&](const char* text) {
      return names_allowed && PyUnicode_CompareWithASCIIString(object, text) == 0;
    };
    if (is("valid")) return padding;
    if (!is("same")) {
      fail(ErrorKind::value, "padding is " + shown(object) + "; it must be " +
                                 (names_allowed ? "'same', 'valid', an int" : "an int") +
                                 ", a tuple of ints, or (lo, hi) pairs");
    }
    for (int a = first; a < kAxes; ++a) {
      if (stride[a] != 1) {
        fail(ErrorKind::value,
             "padding is 'same' and stride is not 1; 'same' keeps the size only "
             "at stride 1: give the padding in numbers");
      }
      // Sizes that are out of range are refused later, with their own names.
      Index product = 0;
      if (kernel[a] < 1 || __builtin_mul_overflow(kernel[a], dilation[a], &product)) continue;
      const Index total = same_padding_total(kernel[a], dilation[a]);
      padding.lo[a] = total / 2;
      padding.hi[a] = total - total / 2;
    }
    return padding;
  }
  const py::tuple items = is_sequence(object) ? items_of(object) : py::tuple();
  bool pairs = false;
  for (const py::handle item : items) pairs = pairs || is_sequence(item.ptr());
  if (!pairs) {
    padding.lo = padding.hi = parse_axes(object, "padding", rank, 0);
    return padding;
  }
  if (PyTuple_GET_SIZE(items.ptr()) != rank) {
    fail(ErrorKind::value, "padding is " + shown(object) +
                               "; it must have a (lo, hi) pair for each of " +
                               std::to_string(rank) + " axes");
  }
  for (int a = first; a < kAxes; ++a) {
    PyObject* item = PyTuple_GET_ITEM(items.ptr(), a - first);
    const py::tuple pair = is_sequence(item) ? items_of(item) : py::tuple();
    if (PyTuple_GET_SIZE(pair.ptr()) != 2) {
      fail(ErrorKind::value,
           "padding is " + shown(object) + "; each axis must have a pair (lo, hi)");
    }
    padding.lo[a] = parse_int(PyTuple_GET_ITEM(pair.ptr(), 0), "padding");
    padding.hi[a] = parse_int(PyTuple_GET_ITEM(pair.ptr(), 1), "padding");
  }
  return padding;
}

}  // namespace fastconv::bind
