// ConvPlan: a convolution with its weights, ready for many calls.
//
// A type of its own rather than a pybind11 class: a call through pybind11's dispatch costs 0.2 us
// more, and 0.4 with a keyword (measured on the smallest convolution). A call with out= allocates
// nothing.
#include <memory>

#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "conv_call.h"

#include <structmember.h>  // after Python.h

namespace fastconv::bind {
namespace {

bool has_strides(const ArrayView& array, const Index* strides) {
  for (int i = 0; i < array.ndim; ++i) {
    if (array.shape[i] > 1 && array.strides[i] != strides[i]) return false;
  }
  return true;
}

class Plan {
 public:
  Plan(PyObject* const* args, bool adds) : call_(parse_planned(args)) {
    call_.problem.has_addend = adds;
    if (adds && is_narrow(call_.problem.dtype)) {
      fail(ErrorKind::dtype, "an addend needs float32 or float64 weights");
    }
    prepared_ = backend::Prepared::make(call_);
    call_.weight = ArrayView{};
    call_.bias = ArrayView{};
    ndim_ = input_shape(call_, shape_);
    list_strides(call_.problem.x, x_strides_);
    list_strides(call_.problem.y, y_strides_);
  }

  // Shapes must be those of the plan; arrays that lie otherwise are copied into the plan's layout.
  py::object run(PyObject* x_object, PyObject* out, PyObject* addend_object) const {
    const ArrayView x = view_array(x_object, "x");
    check_input(x);
    if (addend_object != nullptr && !call_.problem.has_addend) {
      fail(ErrorKind::type, "a plan takes x and out, got 3 positional arguments");
    }
    if (addend_object == nullptr && call_.problem.has_addend) {
      fail(ErrorKind::type, "this plan takes x, out and an addend, got no addend; pass all three");
    }
    ArrayView y;
    py::object result = make_output(call_, x, out, y);
    if (y.size() == 0) return result;
    const ArrayView input = has_strides(x, x_strides_) ? x : copy_of(x);
    const ArrayView addend = addend_object == nullptr ? ArrayView{} : addend_like(addend_object, y);
    const bool direct = has_strides(y, y_strides_) || is_part(y);
    const ArrayView target = direct ? y : new_in_layout(y);
    const Index* image_step = is_part(target) ? target.strides : nullptr;
    check(prepared_->run(input.data, target.data, image_step, addend.data));
    if (!direct) copy_to(y, target);
    return result;
  }

  std::string text() const { return prepared_->explanation(); }
  py::tuple out_shape() const {
    Index shape[kMostDims];
    const int ndim = output_shape(call_, shape);
    return shape_tuple(ndim, shape);
  }

 private:
  // Some channels of a larger result: images lie further apart, all else is as planned.
  bool is_part(const ArrayView& y) const {
    if (call_.unbatched || is_narrow(call_.problem.dtype) || y.shape[0] < 2) return false;
    if (y.strides[0] <= y_strides_[0]) return false;
    ArrayView image = y;
    image.shape[0] = 1;
    return has_strides(image, y_strides_);
  }

  // What is added must lie as the result, apart from it.
  ArrayView addend_like(PyObject* object, const ArrayView& y) const {
    const ArrayView addend = view_array(object, "addend");
    check_same_dtype(addend, "addend", y, "out");
    bool same = addend.ndim == y.ndim && (has_strides(y, y_strides_) || is_part(y));
    for (int i = 0; same && i < y.ndim; ++i) {
      same = addend.shape[i] == y.shape[i] && (y.shape[i] < 2 || addend.strides[i] == y.strides[i]);
    }
    if (!same) {
      fail(ErrorKind::shape, "addend must have the shape and the memory layout of the result");
    }
    check_no_overlap(y, addend, "addend");
    return addend;
  }

  void list_strides(const Strides& from, Index* to) const {
    int at = 0;
    if (!call_.unbatched) to[at++] = from.batch;
    to[at++] = from.channel;
    for (int a = kAxes - call_.problem.rank; a < kAxes; ++a) to[at++] = from.spatial[a];
  }

  void check_input(const ArrayView& x) const {
    if (x.dtype != call_.problem.dtype) {
      fail(ErrorKind::dtype, "x has another dtype than the plan's weight; convert it with astype");
    }
    bool same = x.ndim == ndim_;
    for (int i = 0; same && i < ndim_; ++i) same = x.shape[i] == shape_[i];
    if (same) return;
    fail(ErrorKind::shape, "x has shape " + x.shape_text() + "; this plan was made for " +
                               shape_text(ndim_, shape_) + ": make another plan for other shapes");
  }

  ArrayView new_in_layout(const ArrayView& like) const {
    return view_own(
        new_array(like.dtype, like.ndim, like.shape, call_.channels_last, call_.unbatched ? 0 : 1),
        like.dtype);
  }

  ArrayView copy_of(const ArrayView& x) const {
    const ArrayView copy = new_in_layout(x);
    copy_to(copy, x);
    return copy;
  }

  ConvCall call_;
  std::unique_ptr<backend::Prepared> prepared_;
  int ndim_ = 0;
  Index shape_[kMostDims] = {};
  Index x_strides_[kMostDims] = {}, y_strides_[kMostDims] = {};
};

struct PlanObject {
  PyObject ob_base;
  vectorcallfunc call;
  Plan* plan;
};

PyTypeObject* g_type = nullptr;

const Plan& plan_of(PyObject* self) {
  return *reinterpret_cast<PlanObject*>(self)->plan;
}

// plan(x, out=None), and plan(x, out, addend) where it was made with one
PyObject* call_plan(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* names) {
  return guarded([&]() -> PyObject* {
    const Py_ssize_t positional = PyVectorcall_NARGS(flags);
    PyObject* given[3] = {nullptr, nullptr, nullptr};
    if (positional > 3) {
      fail(ErrorKind::type,
           "a plan takes x and out, got " + std::to_string(positional) + " positional arguments");
    }
    for (Py_ssize_t i = 0; i < positional; ++i) given[i] = args[i];
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < named; ++i) {
      PyObject* name = PyTuple_GET_ITEM(names, i);
      const bool is_x = PyUnicode_CompareWithASCIIString(name, "x") == 0;
      if (!is_x && PyUnicode_CompareWithASCIIString(name, "out") != 0) {
        fail(ErrorKind::type, "a plan takes x and out, got " + shown(name));
      }
      PyObject*& place = given[is_x ? 0 : 1];
      if (place != nullptr) fail(ErrorKind::type, "a plan got " + shown(name) + " twice");
      place = args[positional + i];
    }
    if (given[0] == nullptr) fail(ErrorKind::type, "a plan needs the input x");
    const CallScope scope({nullptr, 0}, given, 1);
    PyObject* out = given[1] == nullptr ? Py_None : given[1];
    return plan_of(self).run(given[0], out, given[2]).release().ptr();
  });
}

void free_plan(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  delete reinterpret_cast<PlanObject*>(self)->plan;
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* get_output_shape(PyObject* self, void*) {
  return guarded([&] { return plan_of(self).out_shape().release().ptr(); });
}

PyObject* get_explanation(PyObject* self, void*) {
  return guarded([&] { return py::str(plan_of(self).text()).release().ptr(); });
}

PyObject* prepare(const char* name, PyObject* const* args, Py_ssize_t count, bool adds) {
  return guarded({name, kWeight}, args, count, [&]() -> PyObject* {
    check_count(count, kConvArguments);
    auto plan = std::make_unique<Plan>(args, adds);
    PyObject* made = g_type->tp_alloc(g_type, 0);
    if (made == nullptr) throw py::error_already_set();
    auto* object = reinterpret_cast<PlanObject*>(made);
    object->call = call_plan;
    object->plan = plan.release();
    return made;
  });
}

PyObject* prepare_conv(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return prepare("prepare_conv", args, count, false);
}

PyObject* prepare_sum(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return prepare("prepare_sum", args, count, true);
}

PyMemberDef g_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PlanObject, call), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyGetSetDef g_attributes[] = {
    {"output_shape", get_output_shape, nullptr, "Shape of the result.", nullptr},
    {"explanation", get_explanation, nullptr, "How the plan computes, and why.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot g_slots[] = {
    {Py_tp_doc, const_cast<char*>("A convolution prepared for inputs of one shape.")},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_plan)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_members, g_members},
    {Py_tp_getset, g_attributes},
    {0, nullptr}};

}  // namespace

void bind_plan(py::module_& m) {
  // Without a constructor: only prepare_conv makes plans, so each has its weights.
  PyType_Spec spec = {kPlanType, sizeof(PlanObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
                          Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
                      g_slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (type == nullptr) throw py::error_already_set();
  g_type = reinterpret_cast<PyTypeObject*>(type);
  m.attr("ConvPlan") = py::reinterpret_borrow<py::object>(type);
  add_fast_function(m, "prepare_conv", prepare_conv,
                    "A convolution with its weights, for many calls.");
  add_fast_function(m, "prepare_sum", prepare_sum,
                    "The same, called with an array that is added before the activation.");
}

}  // namespace fastconv::bind
