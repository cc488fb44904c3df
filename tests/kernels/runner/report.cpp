#include "report.h"

#include <cstdio>

namespace fastconv::runner {

namespace {
constexpr long kShownPerGroup = 5;
}

void Report::close_group() {
  if (name_.empty()) return;
  std::printf("%-52s %8ld passed %6ld failed  %s\n", name_.c_str(), group_passed_, group_failed_,
              remark_.c_str());
  std::fflush(stdout);
  passed_ += group_passed_;
  failed_ += group_failed_;
  group_passed_ = group_failed_ = 0;
  remark_.clear();
}

void Report::group(std::string name) {
  close_group();
  name_ = std::move(name);
}

void Report::fail(const std::string& what) {
  if (++group_failed_ <= kShownPerGroup)
    std::printf("  FAILED %s: %s\n", name_.c_str(), what.c_str());
}

void Report::not_run(const std::string& what) {
  std::printf("%-52s not run\n", what.c_str());
}

int Report::finish() {
  close_group();
  name_.clear();
  if (passed_ == 0) std::printf("nothing was checked\n");
  std::printf("%ld passed, %ld failed\n", passed_, failed_);
  return failed_ == 0 && passed_ > 0 ? 0 : 1;
}

}  // namespace fastconv::runner
