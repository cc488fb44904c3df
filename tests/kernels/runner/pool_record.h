// A pooling as a record describes it.
#pragma once

#include <fastconv/problem.h>

#include "problem_file.h"

namespace fastconv::runner {

// The record's pooling, without strides.
PoolProblem pool_problem(const Record& record, DType dtype);

}  // namespace fastconv::runner
