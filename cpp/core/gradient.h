// Gradients of a convolution, transposed or not, from the problem of the convolution itself: its
// `y` strides are those of the gradient of its output.
#pragma once

#include <fastconv/fastconv.h>

#include "core/weight_gradient.h"

namespace fastconv {

// The gradient of the input is a convolution of the gradient of the output: of a convolution the
// transposed one (or, with stride 1, one with the kernel turned round), of a transposed convolution
// the ordinary one, with the same weights read through other strides. Dumoulin and Visin, "A guide
// to convolution arithmetic for deep learning", 2016, chapter 4.
struct InputGradient {
  ConvProblem problem;
  Index grad_offset = 0;    // element of the gradient that the problem's input starts at
  Index weight_offset = 0;  // and element of the weights
  bool zero = false;        // no output depends on any input: there is nothing to compute
};

// `gradient` are the strides of the result.
InputGradient input_gradient(const ConvProblem& problem, const Strides& gradient);

Status run_input_gradient(const ConvProblem& problem, const Strides& gradient, const void* grad,
                          const void* w, void* to);

// A transposed convolution as weight gradients see it: input and gradient change places.
ConvProblem weight_gradient_problem(const ConvProblem& problem);

// `problem` as weight_gradient_problem gives it; `w` its strides of the result.
WeightPlan plan_weight_gradient(const ConvProblem& problem, Isa isa, int threads);
// The plan of one family, whatever would be chosen.
WeightPlan plan_weight_family(const ConvProblem& problem, WeightFamily family, Isa isa,
                              int threads);

// Which family computes all weight gradients from now on, whatever would be chosen: for tests and
// measurements. -1 returns to choosing.
void force_weight_family(int family);

// `problem.w` are the strides of the result.
Status run_weight_gradient(const ConvProblem& problem, const void* grad, const void* x, void* to);

// `to` holds problem.out_channels elements.
Status run_bias_gradient(const ConvProblem& problem, const void* grad, void* to);

}  // namespace fastconv
