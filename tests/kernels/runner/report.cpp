#include "report.h"

#include <cstdio>

namespace fastconv::runner {

namespace {
constexpr long kShownPerGroup = 5;
}

void Report::group(const std::string& name) {
  const auto [found, added] = groups_.try_emplace(name);
  if (added) order_.push_back(name);
  name_ = name;
  current_ = &found->second;
}

void Report::fail(const std::string& what) {
  if (++current_->failed <= kShownPerGroup) {
    std::printf("  FAILED %s: %s\n", name_.c_str(), what.c_str());
    std::fflush(stdout);
  }
}

void Report::print_groups() {
  for (const std::string& name : order_) {
    const Counts& counts = groups_[name];
    std::printf("%-48s %8ld passed %6ld failed  %s\n", name.c_str(), counts.passed, counts.failed,
                counts.remark.c_str());
    passed_ += counts.passed;
    failed_ += counts.failed;
  }
  std::fflush(stdout);
  groups_.clear();
  order_.clear();
  current_ = nullptr;
}

int Report::finish() {
  print_groups();
  if (passed_ == 0) std::printf("nothing was checked\n");
  std::printf("%ld passed, %ld failed\n", passed_, failed_);
  return failed_ == 0 && passed_ > 0 ? 0 : 1;
}

}  // namespace fastconv::runner
