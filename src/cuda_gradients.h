// Gradients that _core leaves to NumPy and _cuda computes with kernels.
#pragma once

#include "backend.h"

namespace fastconv::bind {

namespace backend {

// As in cuda/operators.h.
Status pool_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                     const void* x, const Index* indices, void* to);
Status unpool_gradient(const UnpoolProblem& problem, const Strides& grad_strides, const void* grad,
                       const Index* indices, void* to);

}  // namespace backend

void bind_cuda_gradients(py::module_& m);

}  // namespace fastconv::bind
