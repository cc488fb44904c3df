// Pooling: NumPy arrays and options to a PoolProblem, and the call.
#include "arguments.h"
#include "bind_errors.h"
#include "bindings.h"
#include "core/config.h"
#include "core/parallel.h"
#include "core/pool.h"
#include "tensor.h"

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

struct PoolCall {
  PoolProblem problem;
  ArrayView x;
  TensorShape shape;
};

PoolCall read_input(PyObject* rank, PyObject* kind, PyObject* x, bool adaptive) {
  PoolCall call;
  PoolProblem& p = call.problem;
  p.rank = static_cast<int>(parse_int(rank, "rank"));
  p.kind = static_cast<PoolKind>(parse_int(kind, "kind"));
  p.adaptive = adaptive;
  call.x = view_array(x, "x");
  p.dtype = call.x.dtype;
  const std::string prefix = adaptive ? "adaptive " : "";
  call.shape =
      tensor_shape(call.x, p.rank,
                   prefix + std::to_string(p.rank) + "-D " + pool_kind_name(p.kind) + " pooling");
  p.batch = call.shape.batch;
  p.channels = call.shape.channels;
  p.in = call.shape.spatial;
  p.x = tensor_strides(call.x.strides, call.shape.unbatched, p.rank);
  return call;
}

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
  PoolPlan plan;
  check(choose_pool(p, active_isa(), max_threads(), plan));
  Status status;
  {
    const py::gil_scoped_release released;
    status = run_pool(p, plan, call.x.data, y.data, indices);
  }
  check(status);
  if (!p.with_indices) return values.release().ptr();
  return py::make_tuple(values, positions).release().ptr();
}

PyObject* pool(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_argument_count(count, kPoolArguments);
    PoolCall call = read_input(args[kRank], args[kKind], args[kX], false);
    PoolProblem& p = call.problem;
    p.kernel = parse_axes(args[kKernelSize], "kernel_size", p.rank, 1);
    p.stride = is_default_stride(args[kStride]) ? p.kernel
                                                : parse_axes(args[kStride], "stride", p.rank, 1);
    p.dilation = parse_axes(args[kDilation], "dilation", p.rank, 1);
    const Padding padding =
        parse_padding(args[kPadding], p.rank, p.kernel, p.stride, p.dilation, true);
    p.pad_lo = padding.lo;
    p.pad_hi = padding.hi;
    p.ceil_mode = parse_bool(args[kCeilMode], "ceil_mode");
    p.with_indices = parse_bool(args[kReturnIndices], "return_indices");
    p.count_include_pad = parse_bool(args[kCountIncludePad], "count_include_pad");
    if (args[kDivisorOverride] != Py_None) {
      p.divisor_override = parse_int(args[kDivisorOverride], "divisor_override");
      if (p.divisor_override == 0) {
        fail(ErrorKind::value,
             "divisor_override must not be 0; pass None to divide by the window size");
      }
    }
    p.norm = parse_double(args[kNormType], "norm_type");
    check(infer_pool_output(p));
    return finish(call, args[kOut]);
  });
}

// An int or None, or one of them per axis.
Axes parse_output_size(PyObject* object, const PoolProblem& p) {
  if (object == Py_None) return p.in;
  if (!PyTuple_Check(object) && !PyList_Check(object)) {
    return parse_axes(object, "output_size", p.rank, 1);
  }
  const py::tuple items = items_of(object);
  const Py_ssize_t count = PyTuple_GET_SIZE(items.ptr());
  if (count != p.rank) {
    fail(ErrorKind::shape, "output_size must have one entry per spatial axis (" +
                               std::to_string(p.rank) + "), got " + std::to_string(count) +
                               "; pass a single int or None, or one per axis");
  }
  Axes out = p.in;
  for (int a = kAxes - p.rank; a < kAxes; ++a) {
    PyObject* item = PyTuple_GET_ITEM(items.ptr(), a - (kAxes - p.rank));
    if (item != Py_None) out[a] = parse_int(item, "output_size");
  }
  return out;
}

PyObject* adaptive_pool(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_argument_count(count, kAdaptiveArguments);
    PoolCall call = read_input(args[kAdaptiveRank], args[kAdaptiveKind], args[kAdaptiveX], true);
    PoolProblem& p = call.problem;
    p.with_indices = parse_bool(args[kAdaptiveReturnIndices], "return_indices");
    p.out = parse_output_size(args[kOutputSize], p);
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
