// From Python arguments to a ConvProblem: shared by conv, plan and explain.
#pragma once

#include <fastconv/fastconv.h>

#include "arguments.h"

namespace fastconv::bind {

// Positions of the arguments of _core.conv, _core.explain_conv and _core.prepare_conv.
enum ConvArgument {
  kRank,
  kTransposed,
  kX,
  kWeight,
  kBias,
  kStride,
  kPadding,
  kOutputPadding,
  kDilation,
  kGroups,
  kAlgorithm,
  kActivation,
  kPrecision,
  kOut,
  kConvArguments
};

struct ConvCall {
  ConvProblem problem;
  PlanOptions options;
  ArrayView weight, bias;
  bool unbatched = false;
  bool channels_last = false;  // of the result
  bool no_channels = false;    // zero input channels: the result has none either
};

// Reads everything but the input's memory, for an input of this shape. `x` may be null: its strides
// are then those of a C-contiguous array.
ConvCall parse_conv(PyObject* const* args, int x_ndim, const Index* x_shape, const ArrayView* x);

// Arguments as for conv, but x is a shape; the last argument says whether x is channels-last.
ConvCall parse_planned(PyObject* const* args);

void check_count(Py_ssize_t count, Py_ssize_t expected);

// Sets the output's strides; `out` has the batch axis only if the input had.
void set_output_strides(ConvCall& call, const ArrayView& out);

// The shapes of the input and of the result; both return the number of axes.
int input_shape(const ConvCall& call, Index* shape);
int output_shape(const ConvCall& call, Index* shape);
py::tuple shape_tuple(int ndim, const Index* shape);

// A new result, or `out` checked against the inputs.
py::object make_output(const ConvCall& call, const ArrayView& x, PyObject* out, ArrayView& view);

}  // namespace fastconv::bind
