// Gradients of pooling with respect to its input. Every plane of the result is written by one
// thread, in a fixed order.
#pragma once

#include <fastconv/problem.h>
#include <fastconv/status.h>

#include "core/pool_layout.h"

namespace fastconv {

// What the kernels of average pooling's gradient see: each output's gradient, divided by the number
// of its elements, goes to every input in its window. Windows are boxes, so all of it is known per
// axis.
struct SpreadJob {
  const PoolProblem* problem;  // `y`: strides of the gradient of the output
  Strides result;
  const void* grad;
  void* to;
  const Range* covering[kAxes];  // of an input: the outputs in whose windows it lies
  const double* share[kAxes];    // of an output: one over the elements that count
  PoolAxis cols;
};

// `problem.y` are the strides of the gradient, `result` those of what is written.
Status run_average_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                            void* to);

// Max and min pooling: each gradient is added to the input that won. `problem.indices` are the
// strides of `indices`, flat positions in the input's plane, or, where `indices` is null, they are
// found by the forward kernels from `x`. Fails where an index lies outside the plane.
Status run_winner_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                           const void* x, const Index* indices, void* to);

}  // namespace fastconv
