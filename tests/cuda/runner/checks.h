// What the program checks; each part prints its own lines. `filter` is a part of a kernel's name,
// and empty for all.
#pragma once

#include <string>
#include <vector>

#include "problem_file.h"
#include "report.h"

namespace fastconv::runner {

void check_cuda_conv(const std::vector<Record>& records, const std::string& filter, Report& report);
void check_cuda_pool(const std::vector<Record>& records, const std::string& filter, Report& report);
void check_cuda_fold(const std::vector<Record>& records, const std::string& filter, Report& report);

}  // namespace fastconv::runner
