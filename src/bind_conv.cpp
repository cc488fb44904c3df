#include "bind_errors.h"
#include "bindings.h"
#include "conv_call.h"

namespace fastconv::bind {
namespace {

void check_count(Py_ssize_t count, Py_ssize_t expected) {
  if (count != expected) {
    fail(ErrorKind::type,
         "expected " + std::to_string(expected) + " arguments, got " + std::to_string(count));
  }
}

PyObject* conv(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_count(count, kConvArguments);
    const ArrayView x = view_array(args[kX], "x");
    ConvCall call = parse_conv(args, x.ndim, x.shape, &x);
    ArrayView y;
    py::object result = make_output(call, x, args[kOut], y);
    if (call.no_channels || y.size() == 0) return result.release().ptr();
    set_output_strides(call, y);
    simplify(call.problem);
    ConvPlan plan;
    check(plan_conv(call.problem, call.options, plan));
    const ArrayView bias = contiguous_bias(call.bias);
    Status status;
    {
      const py::gil_scoped_release released;
      status = run_conv(call.problem, plan, {x.data, call.weight.data, bias.data, y.data});
    }
    check(status);
    return result.release().ptr();
  });
}

// A shape instead of an array in the place of x.
std::vector<Index> parse_shape(PyObject* object, const char* name) {
  if (!PyTuple_Check(object) && !PyList_Check(object)) {
    fail(ErrorKind::type, std::string(name) + " must be a shape: a tuple of ints");
  }
  std::vector<Index> shape;
  for (const py::handle size : items_of(object)) {
    shape.push_back(parse_int(size.ptr(), name));
    if (shape.back() < 0) fail(ErrorKind::shape, std::string(name) + " has a negative size");
  }
  if (shape.size() > kMostDims) fail(ErrorKind::shape, std::string(name) + " has too many axes");
  return shape;
}

// Arguments as for conv, but x is a shape; the last argument says whether x is channels-last.
ConvCall parse_planned(PyObject* const* args) {
  const std::vector<Index> shape = parse_shape(args[kX], "x_shape");
  const int ndim = static_cast<int>(shape.size());
  ConvCall call = parse_conv(args, ndim, shape.data(), nullptr);
  call.channels_last = parse_bool(args[kOut], "channels_last") && call.problem.in_channels > 1;
  ConvProblem& p = call.problem;
  if (call.channels_last) {
    const auto last = [](Strides& s, Index channels, const Axes& size) {
      s.channel = 1;
      s.spatial = {{size[1] * size[2] * channels, size[2] * channels, channels}};
      s.batch = size.product() * channels;
    };
    last(p.x, p.in_channels, p.in);
    last(p.y, p.out_channels, p.out);
  }
  if (call.no_channels) {
    fail(ErrorKind::shape, "x_shape has no channels: there is nothing to plan");
  }
  return call;
}

PyObject* explain_conv(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_count(count, kConvArguments);
    const ConvCall call = parse_planned(args);
    ConvProblem simple = call.problem;
    simplify(simple);
    ConvPlan plan;
    check(plan_conv(simple, call.options, plan));
    py::dict facts;
    facts["text"] = explain(call.problem, plan);
    facts["algorithm"] = algorithm_name(family_algorithm(plan.family));
    facts["kernel"] = family_name(plan.family);
    facts["reason"] = plan.reason;
    facts["isa"] = isa_name(plan.isa);
    facts["threads"] = plan.threads;
    facts["tile"] = py::make_tuple(plan.tile_m, plan.tile_n);
    facts["tasks"] = plan.tasks[1];
    facts["workspace_bytes"] =
        plan.shared_bytes + plan.scratch_bytes * static_cast<std::size_t>(plan.threads);
    Index shape[kMostDims];
    const int ndim = output_shape(call, shape);
    py::tuple out(ndim);
    for (int i = 0; i < ndim; ++i) out[static_cast<std::size_t>(i)] = shape[i];
    facts["output_shape"] = out;
    return facts.release().ptr();
  });
}

// A convolution with its weights, ready for many calls.
class Plan {
 public:
  static PyObject* make(PyObject*, PyObject* const* args, Py_ssize_t count) {
    return guarded([&]() -> PyObject* {
      check_count(count, kConvArguments);
      ConvCall call = parse_planned(args);
      const ArrayView bias = contiguous_bias(call.bias);
      auto plan = std::make_unique<Plan>();
      check(PreparedConv::make(call.problem, call.options, call.weight.data, bias.data,
                               plan->prepared_));
      plan->text_ = explain(call.problem, plan->prepared_->plan());
      call.weight = ArrayView{};
      call.bias = ArrayView{};
      plan->call_ = std::move(call);
      return py::cast(std::move(plan)).release().ptr();
    });
  }

  // Shapes must be those of the plan; other strides are taken by a plan made for the call's layout.
  py::object run(py::handle x_object, py::handle out) const {
    const ArrayView x = view_array(x_object.ptr(), "x");
    const ConvProblem& p = call_.problem;
    if (x.dtype != p.dtype) {
      fail(ErrorKind::dtype, "x has another dtype than the plan's weight; convert it with astype");
    }
    Index shape[kMostDims];
    input_shape(shape);
    const int ndim = p.rank + (call_.unbatched ? 1 : 2);
    bool same = x.ndim == ndim;
    for (int i = 0; same && i < ndim; ++i) same = x.shape[i] == shape[i];
    if (!same) {
      fail(ErrorKind::shape, "x has shape " + x.shape_text() + "; this plan was made for " +
                                 shape_text(ndim, shape) + ": make another plan for other shapes");
    }
    ArrayView y;
    py::object result = make_output(call_, x, out.ptr(), y);
    if (y.size() == 0) return result;
    const ArrayView input = in_layout(x, call_.channels_last);
    const bool direct = has_layout(y, call_.channels_last);
    ArrayView target = y;
    py::object temporary;
    if (!direct) {
      temporary = new_array(p.dtype, y.ndim, y.shape, call_.channels_last, call_.unbatched ? 0 : 1);
      target = view_own(temporary, p.dtype);
    }
    Status status;
    {
      const py::gil_scoped_release released;
      status = prepared_->run(input.data, target.data);
    }
    check(status);
    if (!direct) py::module_::import("numpy").attr("copyto")(result, temporary);
    return result;
  }

  const std::string& text() const { return text_; }
  py::tuple out_shape() const {
    Index shape[kMostDims];
    const int ndim = output_shape(call_, shape);
    py::tuple out(ndim);
    for (int i = 0; i < ndim; ++i) out[static_cast<std::size_t>(i)] = shape[i];
    return out;
  }

 private:
  void input_shape(Index* shape) const {
    const ConvProblem& p = call_.problem;
    int at = 0;
    if (!call_.unbatched) shape[at++] = p.batch;
    shape[at++] = p.in_channels;
    for (int a = kAxes - p.rank; a < kAxes; ++a) shape[at++] = p.in[a];
  }

  // Whether an array is contiguous in the plan's layout.
  bool has_layout(const ArrayView& a, bool channels_last) const {
    if (!channels_last) return a.c_contiguous;
    const int channel = call_.unbatched ? 0 : 1;
    Index step = 1;
    if (a.shape[channel] > 1 && a.strides[channel] != 1) return false;
    step *= a.shape[channel];
    for (int i = a.ndim - 1; i >= 0; --i) {
      if (i == channel) continue;
      if (a.shape[i] > 1 && a.strides[i] != step) return false;
      step *= a.shape[i];
    }
    return true;
  }

  ArrayView in_layout(const ArrayView& x, bool channels_last) const {
    if (has_layout(x, channels_last)) return x;
    const py::object copy =
        new_array(x.dtype, x.ndim, x.shape, channels_last, call_.unbatched ? 0 : 1);
    py::module_::import("numpy").attr("copyto")(copy, x.owner);
    return view_own(copy, x.dtype);
  }

  ConvCall call_;
  std::unique_ptr<PreparedConv> prepared_;
  std::string text_;
};

}  // namespace

void bind_conv(py::module_& m) {
  add_fast_function(m, "conv", conv, "Any convolution; see fastconv.conv2d.");
  add_fast_function(m, "explain_conv", explain_conv, "How a convolution would be computed.");
}

void bind_plan(py::module_& m) {
  add_fast_function(m, "prepare_conv", Plan::make,
                    "A convolution with its weights, for many calls.");
  py::class_<Plan>(m, "ConvPlan", "A convolution prepared for inputs of one shape.")
      .def(
          "__call__",
          [](const Plan& plan, py::handle x, py::handle out) {
            return translated([&] { return plan.run(x, out); });
          },
          py::arg("x"), py::arg("out") = py::none())
      .def_property_readonly("output_shape", &Plan::out_shape)
      .def_property_readonly("explanation", &Plan::text);
}

}  // namespace fastconv::bind
