// What the bindings ask of the backend that computes. bind_*.cpp, which turn arguments into
// problems, are linked twice: into _core beside NumPy arrays (array_view.cpp) and the CPU's backend
// (cpu_backend.cpp), into _cuda beside device arrays (cuda_array_view.cpp) and the GPU's
// (cuda_backend.cpp).
//
// Every problem is valid. Functions are called with the interpreter's lock held; they let other
// threads run where that pays.
#pragma once

#include <memory>

#include "conv_call.h"
#include "core/activate.h"
#include "core/fold.h"

namespace fastconv::bind::backend {

Status conv(const ConvProblem& problem, const PlanOptions& options, const ConvArrays& arrays);

// How a convolution would be computed: the fields of fastconv.Explanation but for the result's
// shape.
py::dict explain(const ConvCall& call);

// As in core/gradient.h.
Status input_gradient(const ConvProblem& problem, const Strides& gradient, const void* grad,
                      const void* w, void* to);
Status weight_gradient(const ConvProblem& problem, const void* grad, const void* x, void* to);
Status bias_gradient(const ConvProblem& problem, const void* grad, void* to);

// `indices` is null unless the problem asks for them.
Status pool(const PoolProblem& problem, const void* x, void* y, Index* indices);
// As in core/pool_gradient.h.
Status average_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                        void* to);
Status winner_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                       const void* x, const Index* indices, void* to);

Status unfold(const FoldProblem& problem, const void* image, void* columns);
Status fold(const FoldProblem& problem, const void* columns, void* image);
Status unpool(const UnpoolProblem& problem, const void* x, const Index* indices, void* y);

// As in core/activate.h.
Status activation(DType dtype, Activation kind, Index count, const ActivationArrays& arrays);

// A convolution that keeps its weights and bias for many calls.
class Prepared {
 public:
  static std::unique_ptr<Prepared> make(const ConvCall& call);
  virtual ~Prepared() = default;
  // `image_step` is the batch stride of y where it is not the plan's, else null; `addend` lies as y
  // does, and is needed where the problem has one.
  virtual Status run(const void* x, void* y, const Index* image_step, const void* addend) const = 0;
  virtual std::string explanation() const = 0;
};

}  // namespace fastconv::bind::backend
