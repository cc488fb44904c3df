#include "bind_errors.h"
#include "bindings.h"
#include "conv_call.h"

namespace fastconv::bind {
namespace {

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
      const OtherThreads others(call.problem);
      status = run_conv(call.problem, plan, {x.data, call.weight.data, bias.data, y.data});
    }
    check(status);
    return result.release().ptr();
  });
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
    facts["precision"] = kPrecisionNames.names[static_cast<int>(call.problem.precision)];
    facts["threads"] = plan.threads;
    facts["tile"] = py::make_tuple(plan.tile_m, plan.tile_n);
    facts["tasks"] = plan.tasks[1];
    facts["workspace_bytes"] = plan.shared_bytes + plan.widened_bytes +
                               plan.scratch_bytes * static_cast<std::size_t>(plan.threads);
    Index shape[kMostDims];
    const int ndim = output_shape(call, shape);
    facts["output_shape"] = shape_tuple(ndim, shape);
    return facts.release().ptr();
  });
}

}  // namespace

void bind_conv(py::module_& m) {
  add_fast_function(m, "conv", conv, "Any convolution; see fastconv.conv2d.");
  add_fast_function(m, "explain_conv", explain_conv, "How a convolution would be computed.");
}

}  // namespace fastconv::bind
