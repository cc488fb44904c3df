// From Python arguments to a PoolProblem: shared by pooling and its gradients.
#pragma once

#include "arguments.h"
#include "core/pool.h"
#include "tensor.h"

namespace fastconv::bind {

struct PoolCall {
  PoolProblem problem;  // sizes, and the strides of x
  ArrayView x;
  TensorShape shape;
};

// The options of a pooling with regular windows, as Python gives them.
struct WindowOptions {
  PyObject *kernel_size, *stride, *padding, *dilation, *ceil_mode, *count_include_pad,
      *divisor_override, *norm_type;
};

PoolCall parse_pool(PyObject* rank, PyObject* kind, PyObject* x, const WindowOptions& options);
PoolCall parse_adaptive_pool(PyObject* rank, PyObject* kind, PyObject* x, PyObject* output_size);

// Validates the pooling and views the gradient of its output, whose strides become those of
// problem.y.
ArrayView view_pooled_gradient(PoolCall& call, PyObject* grad_output);
// A new array for the gradient of x, laid out like x.
py::object new_input_gradient(const PoolCall& call, ArrayView& view);

}  // namespace fastconv::bind
