// Unfold, fold and max unpooling on the exported problems. They are the same for every instruction
// set.
#pragma once

#include <vector>

#include "problem_file.h"
#include "report.h"

namespace fastconv::runner {

void check_fold(const std::vector<Record>& records, Report& report);

}  // namespace fastconv::runner
