// Gradients of convolutions: arrays to a ConvProblem, and up to three results.
#include <algorithm>

#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "conv_call.h"
#include "tensor.h"

namespace fastconv::bind {
namespace {

enum GradientArgument {
  kGradRank,
  kGradTransposed,
  kGradOutput,
  kGradX,
  kGradWeight,
  kGradStride,
  kGradPadding,
  kGradOutputPadding,
  kGradDilation,
  kGradGroups,
  kGradPrecision,
  kWantX,
  kWantWeight,
  kWantBias,
  kGradientArguments
};

// The call of the convolution whose gradients are wanted.
ConvCall parse_forward(PyObject* const* args, const ArrayView& x) {
  const py::str automatic("auto");
  PyObject* forward[kConvArguments];
  forward[kRank] = args[kGradRank];
  forward[kTransposed] = args[kGradTransposed];
  forward[kX] = args[kGradX];
  forward[kWeight] = args[kGradWeight];
  forward[kBias] = Py_None;
  forward[kStride] = args[kGradStride];
  forward[kPadding] = args[kGradPadding];
  forward[kOutputPadding] = args[kGradOutputPadding];
  forward[kDilation] = args[kGradDilation];
  forward[kGroups] = args[kGradGroups];
  forward[kAlgorithm] = automatic.ptr();
  forward[kActivation] = Py_None;
  forward[kPrecision] = args[kGradPrecision];
  forward[kOut] = Py_None;
  return parse_conv(forward, x.ndim, x.shape, &x);
}

void check_gradient(const ConvCall& call, const ArrayView& x, const ArrayView& grad) {
  check_same_dtype(grad, "grad_output", x, "x");
  Index shape[kMostDims];
  const int ndim = output_shape(call, shape);
  if (grad.ndim == ndim && std::equal(shape, shape + ndim, grad.shape)) return;
  fail(ErrorKind::shape, "grad_output has shape " + grad.shape_text() + ", but x " +
                             x.shape_text() + " and weight " + call.weight.shape_text() +
                             " with these options give an output of shape " +
                             shape_text(ndim, shape) +
                             "; pass the gradient of that output, and the options of the "
                             "convolution");
}

py::object zeros(DType dtype, int ndim, const Index* shape) {
  py::object made = new_array(dtype, ndim, shape);
  fill_zero(view_own(made, dtype));
  return made;
}

PyObject* conv_backward(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"conv_backward", kGradOutput}, args, count, [&]() -> PyObject* {
    check_count(count, kGradientArguments);
    const ArrayView grad = view_array(args[kGradOutput], "grad_output");
    const ArrayView x = view_array(args[kGradX], "x");
    ConvCall call = parse_forward(args, x);
    check_gradient(call, x, grad);
    ConvProblem& p = call.problem;
    p.y = tensor_strides(grad.strides, call.unbatched, p.rank);
    const bool empty = call.no_channels || grad.size() == 0;
    py::object grad_x = py::none(), grad_weight = py::none(), grad_bias = py::none();
    ArrayView to_x, to_weight, to_bias;
    if (parse_bool(args[kWantX], "wanted")) {
      grad_x = new_array(x.dtype, x.ndim, x.shape, call.channels_last, call.unbatched ? 0 : 1);
      to_x = view_own(grad_x, x.dtype);
    }
    if (parse_bool(args[kWantWeight], "wanted")) {
      const ArrayView& w = call.weight;
      grad_weight = empty ? zeros(w.dtype, w.ndim, w.shape) : new_array(w.dtype, w.ndim, w.shape);
      to_weight = view_own(grad_weight, w.dtype);
    }
    if (parse_bool(args[kWantBias], "bias")) {
      const Index channels[1] = {p.out_channels};
      grad_bias = empty ? zeros(x.dtype, 1, channels) : new_array(x.dtype, 1, channels);
      to_bias = view_own(grad_bias, x.dtype);
    }
    if (!empty) {
      if (to_x.data != nullptr) {
        check(backend::input_gradient(p, tensor_strides(to_x.strides, call.unbatched, p.rank),
                                      grad.data, call.weight.data, to_x.data));
      }
      if (to_weight.data != nullptr) {
        ConvProblem own = p;
        own.w = tensor_strides(to_weight.strides, false, p.rank);
        check(backend::weight_gradient(own, grad.data, x.data, to_weight.data));
      }
      if (to_bias.data != nullptr) check(backend::bias_gradient(p, grad.data, to_bias.data));
    }
    return py::make_tuple(grad_x, grad_weight, grad_bias).release().ptr();
  });
}

}  // namespace

void bind_gradient(py::module_& m) {
  add_fast_function(m, "conv_backward", conv_backward,
                    "Gradients of any convolution; see fastconv.conv2d_backward.");
}

}  // namespace fastconv::bind
