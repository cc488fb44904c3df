// From Python arguments to an UnpoolProblem: shared by max unpooling and its gradient.
#pragma once

#include "arguments.h"
#include "core/fold.h"
#include "index_view.h"
#include "tensor.h"

namespace fastconv::bind {

enum UnpoolArgument {
  kUnpoolRank,
  kUnpoolX,
  kIndices,
  kUnpoolKernelSize,
  kUnpoolStride,
  kUnpoolPadding,
  kUnpoolOutputSize,
  kUnpoolArguments
};

struct UnpoolCall {
  UnpoolProblem problem;
  TensorShape shape;
  int rank;
  ArrayView x;
  IndexView indices;
};

UnpoolCall parse_unpool(PyObject* const* args);

}  // namespace fastconv::bind
