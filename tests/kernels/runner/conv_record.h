// A convolution as a record describes it.
#pragma once

#include <fastconv/problem.h>

#include <string>

#include "core/names.h"
#include "layout.h"
#include "problem_file.h"

namespace fastconv::runner {

// Index of the name that a record gives for `key`. Throws std::runtime_error where it is unknown.
int name_index(const NameList& names, const Record& record, const std::string& key);

// The record's convolution, contiguous NCHW.
ConvProblem conv_problem(const Record& record, DType dtype);

// Sizes of its weight and its output.
inline Shape weight_shape(const ConvProblem& p) {
  return {p.transposed ? p.in_channels : p.out_channels,
          p.transposed ? p.group_out() : p.group_in(), p.kernel};
}
inline Shape output_shape(const ConvProblem& p) {
  return {p.batch, p.out_channels, p.out};
}

}  // namespace fastconv::runner
