// Every kernel of the gradients of convolutions on the exported problems of whole numbers.
#pragma once

#include <vector>

#include "problem_file.h"
#include "report.h"

namespace fastconv::runner {

void check_gradients(const std::vector<Record>& records, Isa isa, Report& report);

}  // namespace fastconv::runner
