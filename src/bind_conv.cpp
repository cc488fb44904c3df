#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "conv_call.h"

namespace fastconv::bind {
namespace {

PyObject* conv(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"conv", kX}, args, count, [&]() -> PyObject* {
    check_count(count, kConvArguments);
    const ArrayView x = view_array(args[kX], "x");
    ConvCall call = parse_conv(args, x.ndim, x.shape, &x);
    ArrayView y;
    py::object result = make_output(call, x, args[kOut], y);
    if (call.no_channels || y.size() == 0) return result.release().ptr();
    set_output_strides(call, y);
    simplify(call.problem);
    const ArrayView bias = contiguous(call.bias);
    check(backend::conv(call.problem, call.options, {x.data, call.weight.data, bias.data, y.data}));
    return result.release().ptr();
  });
}

PyObject* explain_conv(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"explain_conv", kWeight}, args, count, [&]() -> PyObject* {
    check_count(count, kConvArguments);
    const ConvCall call = parse_planned(args);
    py::dict facts = backend::explain(call);
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
