// What surrounds every call of a bound function: which backend computes it, and for device arrays
// the device and stream that it computes on.
#pragma once

#include <pybind11/pybind11.h>

namespace fastconv::bind {

// A function that Python calls, and the argument whose type says which backend computes.
struct Entry {
  const char* name;  // null: a call that stays in its module
  int array;
};

class CallScope {
 public:
  // In _core an array that is not NumPy's hands the whole call to the module that computes for it.
  // In _cuda the array names the library, the device and the stream for all that follows.
  CallScope(const Entry& entry, PyObject* const* args, Py_ssize_t count);
  ~CallScope();
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

  // The result of a call that another module computed, or null.
  PyObject* elsewhere() const { return elsewhere_; }

 private:
  PyObject* elsewhere_ = nullptr;
  bool opened_ = false;
};

}  // namespace fastconv::bind
