// Folds and unpoolings as a record describes them.
#pragma once

#include "core/fold.h"
#include "problem_file.h"

namespace fastconv::runner {

// Without window positions (infer_positions) and strides.
FoldProblem fold_problem(const Record& record, DType dtype);
// Of the image, and of the columns as a tensor with one row of positions.
void set_strides(FoldProblem& problem, const Strides& image, const Strides& columns);

// Without strides.
UnpoolProblem unpool_problem(const Record& record, DType dtype);

}  // namespace fastconv::runner
