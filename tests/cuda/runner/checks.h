// What the program checks; each part prints its own lines. `filter` is a part of a kernel's name,
// and empty for all.
#pragma once

#include <string>
#include <vector>

#include "problem_file.h"
#include "report.h"

namespace fastconv::runner {

// Divisions and windows as kernels compute them.
void check_cuda_arithmetic(Report& report);
void check_cuda_conv(const std::vector<Record>& records, const std::string& filter, Report& report);
void check_cuda_padding(Report& report);
void check_cuda_gradients(const std::vector<Record>& records, const std::string& filter,
                          Report& report);
// Convolutions on tensor cores, each record in one of the memory layouts.
void check_cuda_mma(const std::vector<Record>& records, Report& report);
void check_mma_precision(Report& report);
// Warp instructions as the shim emulates them.
void check_ptx(Report& report);
void check_cuda_pool(const std::vector<Record>& records, const std::string& filter, Report& report);
void check_cuda_fold(const std::vector<Record>& records, const std::string& filter, Report& report);

}  // namespace fastconv::runner
