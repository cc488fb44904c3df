// Gradients of pooling: arrays and options to a PoolProblem, and the call.
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
  const ArrayView grad = view_pooled_gradient(call, grad_output);
  IndexView positions{};
  if (indices != Py_None) {
    positions = view_indices(indices, grad, "grad_output");
    p.indices = tensor_strides(positions.strides, call.shape.unbatched, p.rank);
  }
  ArrayView to;
  py::object result = new_input_gradient(call, to);
  if (grad.size() == 0) {
    fill_zero(to);
    return result.release().ptr();
  }
  const Strides strides = tensor_strides(to.strides, call.shape.unbatched, p.rank);
  check(p.kind == PoolKind::average ? backend::average_gradient(p, strides, grad.data, to.data)
                                    : backend::winner_gradient(p, strides, grad.data, call.x.data,
                                                               positions.data, to.data));
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
