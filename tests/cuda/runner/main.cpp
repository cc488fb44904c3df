// Runs every CUDA kernel as host code under the shim.
//
// usage: fastconv_cuda_runner PROBLEM_FILE [PART_OF_A_KERNEL_NAME]
//
// PROBLEM_FILE is written by tests/kernels/runner/export.py. Ends with "N passed, N failed"; exit
// status 0 when all passed, 1 when some failed, 2 for a wrong call.
#include <cstdio>
#include <exception>

#include "checks.h"
#include "crash.h"

int main(int count, char** arguments) {
  using namespace fastconv::runner;
  if (count != 2 && count != 3) {
    std::fprintf(stderr, "usage: %s PROBLEM_FILE [PART_OF_A_KERNEL_NAME]\n", arguments[0]);
    return 2;
  }
  report_crashes();
  try {
    const std::vector<Record> records = read_problems(arguments[1]);
    const std::string filter = count == 3 ? arguments[2] : "";
    Report report;
    if (std::string("arithmetic").find(filter) != std::string::npos) check_cuda_arithmetic(report);
    check_cuda_conv(records, filter, report);
    if (filter.empty() || filter == "padding") check_cuda_padding(report);
    check_cuda_gradients(records, filter, report);
    if (std::string("tensor cores").find(filter) != std::string::npos) {
      check_ptx(report);
      check_cuda_mma(records, report);
      check_mma_precision(report);
    }
    check_cuda_pool(records, filter, report);
    check_cuda_fold(records, filter, report);
    return report.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", arguments[0], error.what());
    return 2;
  }
}
