// Tensors that a record fills.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "conv_record.h"
#include "setting.h"

namespace fastconv::runner {

// Fills a tensor with an array of a record; from then on it is read-only.
template <class T>
void fill_from(const Record& record, const char* name, const Tensor<T>& tensor) {
  const std::vector<double>& values = record.array(name);
  if (static_cast<std::size_t>(tensor.count()) != values.size())
    throw std::runtime_error("record '" + record.name + "': " + name + " has the wrong size");
  tensor.fill(values);
  tensor.make_read_only();
}

// Where a check of a record stands, for messages.
inline std::string place(const Record& record, const Setting& setting) {
  return record.name + " (" + setting.text() + ")";
}

// A convolution's problem and the operands of its gradients, with their strides.
template <class T>
struct GradientOperands {
  ConvProblem problem;
  Tensor<T> x, w, grad;

  GradientOperands(const Record& record, const Setting& setting, DType dtype)
      : problem(conv_problem(record, dtype)),
        x({problem.batch, problem.in_channels, problem.in}, setting.x, setting.guard),
        w(weight_shape(problem), setting.w, setting.guard),
        grad(output_shape(problem), setting.y, setting.guard) {
    fill_from(record, "x", x);
    fill_from(record, "w", w);
    fill_from(record, "grad", grad);
    problem.x = x.strides();
    problem.w = w.strides();
    problem.y = grad.strides();
  }
};

}  // namespace fastconv::runner
