#include "pool_call.h"

#include <algorithm>

namespace fastconv::bind {
namespace {

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

}  // namespace

PoolCall parse_pool(PyObject* rank, PyObject* kind, PyObject* x, const WindowOptions& options) {
  PoolCall call = read_input(rank, kind, x, false);
  PoolProblem& p = call.problem;
  p.kernel = parse_axes(options.kernel_size, "kernel_size", p.rank, 1);
  p.stride = is_default_stride(options.stride) ? p.kernel
                                               : parse_axes(options.stride, "stride", p.rank, 1);
  p.dilation = parse_axes(options.dilation, "dilation", p.rank, 1);
  const Padding padding =
      parse_padding(options.padding, p.rank, p.kernel, p.stride, p.dilation, true);
  p.pad_lo = padding.lo;
  p.pad_hi = padding.hi;
  p.ceil_mode = parse_bool(options.ceil_mode, "ceil_mode");
  p.count_include_pad = parse_bool(options.count_include_pad, "count_include_pad");
  if (options.divisor_override != Py_None) {
    p.divisor_override = parse_int(options.divisor_override, "divisor_override");
    if (p.divisor_override == 0) {
      fail(ErrorKind::value,
           "divisor_override must not be 0; pass None to divide by the window size");
    }
  }
  p.norm = parse_double(options.norm_type, "norm_type");
  check(infer_pool_output(p));
  return call;
}

PoolCall parse_adaptive_pool(PyObject* rank, PyObject* kind, PyObject* x, PyObject* output_size) {
  PoolCall call = read_input(rank, kind, x, true);
  call.problem.out = parse_output_size(output_size, call.problem);
  return call;
}

ArrayView view_pooled_gradient(PoolCall& call, PyObject* grad_output) {
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
  return grad;
}

py::object new_input_gradient(const PoolCall& call, ArrayView& view) {
  py::object made = new_array(call.problem.dtype, call.x.ndim, call.x.shape,
                              is_channels_last(call.x, call.shape), call.shape.channel_axis());
  view = view_own(made, call.problem.dtype);
  return made;
}

}  // namespace fastconv::bind
