// Every pooling kernel on the exported problems.
#pragma once

#include <vector>

#include "problem_file.h"
#include "report.h"

namespace fastconv::runner {

void check_pool(const std::vector<Record>& records, Isa isa, Report& report);

}  // namespace fastconv::runner
