// Gradients of pooling: arrays and options to a PoolProblem, and the call.
#include <algorithm>

#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "index_view.h"
#include "pool_call.h"

namespace fastconv::bind {
namespace {

enum PoolGradientArgument {
  kRank,
  kKind,
  kGradOutput,
  kX,
  kKernelSize,
  kStride,
  kPadding,
  kDilation,
  kCeilMode,
  kCountIncludePad,
  kDivisorOverride,
  kIndices,
  kPoolGradientArguments
};

enum AdaptiveGradientArgument {
  kAdaptiveRank,
  kAdaptiveKind,
  kAdaptiveGradOutput,
  kAdaptiveX,
  kOutputSize,
  kAdaptiveIndices,
  kAdaptiveGradientArguments
};

PyObject* finish(PoolCall& call, PyObject* grad_output, PyObject* indices) {
  PoolProblem& p = call.problem;
  check(validate(p));
  const ArrayView grad = view_array(grad_output, "grad_output");
  check_same_dtype(grad, "grad_output", call.x, "x");
  Index sizes[kMostDims];
  const int ndim = tensor_sizes(call.shape, p.rank, p.out, sizes);
  if (grad.ndim != ndim || !std::equal(sizes, sizes + ndim, grad.shape)) {
    fail(ErrorKind::shape, "grad_output has shape " + grad.shape_text() + ", but pooling x " +
                               call.x.shape_text() + " with these options gives an output of " +
                               "shape " + shape_text(ndim, sizes) +
                               "; pass the gradient of that output, and the options of the "
                               "pooling");
  }
  p.y = tensor_strides(grad.strides, call.shape.unbatched, p.rank);
  IndexView positions{};
  if (indices != Py_None) {
    positions = view_indices(indices, grad, "grad_output");
    p.indices = tensor_strides(positions.strides, call.shape.unbatched, p.rank);
  }
  py::object result = new_array(p.dtype, call.x.ndim, call.x.shape,
                                is_channels_last(call.x, call.shape), call.shape.channel_axis());
  const ArrayView to = view_own(result, p.dtype);
  if (grad.size() == 0) {
    fill_zero(to);
    return result.release().ptr();
  }
  const Strides strides = tensor_strides(to.strides, call.shape.unbatched, p.rank);
  check(p.kind == PoolKind::average
            ? backend::average_gradient(p, strides, grad.data, to.data)
            : backend::winner_gradient(p, strides, grad.data, call.x.data, positions.data,
                                       to.data));
  return result.release().ptr();
}

PyObject* pool_backward(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"pool_backward", kGradOutput}, args, count, [&]() -> PyObject* {
    check_argument_count(count, kPoolGradientArguments);
    const py::float_ norm(1.0);
    PoolCall call =
        parse_pool(args[kRank], args[kKind], args[kX],
                   {args[kKernelSize], args[kStride], args[kPadding], args[kDilation],
                    args[kCeilMode], args[kCountIncludePad], args[kDivisorOverride], norm.ptr()});
    return finish(call, args[kGradOutput], args[kIndices]);
  });
}

PyObject* adaptive_pool_backward(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"adaptive_pool_backward", kAdaptiveGradOutput}, args, count, [&]() -> PyObject* {
    check_argument_count(count, kAdaptiveGradientArguments);
    PoolCall call = parse_adaptive_pool(args[kAdaptiveRank], args[kAdaptiveKind], args[kAdaptiveX],
                                        args[kOutputSize]);
    return finish(call, args[kAdaptiveGradOutput], args[kAdaptiveIndices]);
  });
}

}  // namespace

void bind_pool_gradient(py::module_& m) {
  add_fast_function(m, "pool_backward", pool_backward,
                    "pool_backward(rank, kind, grad_output, x, kernel_size, stride, padding, "
                    "dilation, ceil_mode, count_include_pad, divisor_override, indices)");
  add_fast_function(m, "adaptive_pool_backward", adaptive_pool_backward,
                    "adaptive_pool_backward(rank, kind, grad_output, x, output_size, indices)");
}

}  // namespace fastconv::bind
