// Pooling: arrays and options to a PoolProblem, and the call.
#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "pool_call.h"

namespace fastconv::bind {
namespace {

enum PoolArgument {
  kRank,
  kKind,
  kX,
  kKernelSize,
  kStride,
  kPadding,
  kDilation,
  kCeilMode,
  kReturnIndices,
  kCountIncludePad,
  kDivisorOverride,
  kNormType,
  kOut,
  kPoolArguments
};

enum AdaptiveArgument {
  kAdaptiveRank,
  kAdaptiveKind,
  kAdaptiveX,
  kOutputSize,
  kAdaptiveReturnIndices,
  kAdaptiveOut,
  kAdaptiveArguments
};

PyObject* finish(PoolCall& call, PyObject* out) {
  PoolProblem& p = call.problem;
  check(validate(p));
  Index sizes[kMostDims];
  const int ndim = tensor_sizes(call.shape, p.rank, p.out, sizes);
  const bool channels_last = is_channels_last(call.x, call.shape);
  const int channel_axis = call.shape.channel_axis();
  py::object values, positions;
  ArrayView y;
  if (out == Py_None) {
    values = new_array(p.dtype, ndim, sizes, channels_last, channel_axis);
    y = view_own(values, p.dtype);
  } else {
    y = view_output(out, p.dtype, ndim, sizes);
    check_no_overlap(y, call.x, "x");
    values = y.owner;
  }
  p.y = tensor_strides(y.strides, call.shape.unbatched, p.rank);
  Index* indices = nullptr;
  if (p.with_indices) {
    positions = new_index_array(ndim, sizes, channels_last, channel_axis);
    // An int64 array has the strides of a float64 one.
    const ArrayView view = view_own(positions, DType::float64);
    p.indices = tensor_strides(view.strides, call.shape.unbatched, p.rank);
    indices = reinterpret_cast<Index*>(view.data);
  }
  check(backend::pool(p, call.x.data, y.data, indices));
  if (!p.with_indices) return values.release().ptr();
  return py::make_tuple(values, positions).release().ptr();
}

PyObject* pool(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"pool", kX}, args, count, [&]() -> PyObject* {
    check_argument_count(count, kPoolArguments);
    PoolCall call = parse_pool(
        args[kRank], args[kKind], args[kX],
        {args[kKernelSize], args[kStride], args[kPadding], args[kDilation], args[kCeilMode],
         args[kCountIncludePad], args[kDivisorOverride], args[kNormType]});
    call.problem.with_indices = parse_bool(args[kReturnIndices], "return_indices");
    return finish(call, args[kOut]);
  });
}

PyObject* adaptive_pool(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"adaptive_pool", kAdaptiveX}, args, count, [&]() -> PyObject* {
    check_argument_count(count, kAdaptiveArguments);
    PoolCall call = parse_adaptive_pool(args[kAdaptiveRank], args[kAdaptiveKind], args[kAdaptiveX],
                                        args[kOutputSize]);
    call.problem.with_indices = parse_bool(args[kAdaptiveReturnIndices], "return_indices");
    return finish(call, args[kAdaptiveOut]);
  });
}

}  // namespace

void bind_pool(py::module_& m) {
  add_fast_function(m, "pool", pool,
                    "pool(rank, kind, x, kernel_size, stride, padding, dilation, ceil_mode, "
                    "return_indices, count_include_pad, divisor_override, norm_type, out)");
  add_fast_function(m, "adaptive_pool", adaptive_pool,
                    "adaptive_pool(rank, kind, x, output_size, return_indices, out)");
  m.attr("POOL_MAX") = static_cast<int>(PoolKind::max);
  m.attr("POOL_MIN") = static_cast<int>(PoolKind::min);
  m.attr("POOL_AVERAGE") = static_cast<int>(PoolKind::average);
  m.attr("POOL_LP") = static_cast<int>(PoolKind::lp);
}

}  // namespace fastconv::bind
