// Counts of what was checked, one line per group, and the first failures in full.
#pragma once

#include <string>
#include <utility>

namespace fastconv::runner {

class Report {
 public:
  // Starts a group of checks; the line of the previous one is printed.
  void group(std::string name);
  void pass() { ++group_passed_; }
  void fail(const std::string& what);
  void check(bool good, const std::string& what) { good ? pass() : fail(what); }
  // Shown at the end of the group's line, such as the largest error seen.
  void remark(std::string text) { remark_ = std::move(text); }
  // A check that this machine or build cannot make is listed by name, never counted as passed.
  void not_run(const std::string& what);
  // Prints the last group and "N passed, N failed"; returns the process's exit status.
  int finish();

 private:
  void close_group();

  std::string name_, remark_;
  long group_passed_ = 0, group_failed_ = 0, passed_ = 0, failed_ = 0;
};

}  // namespace fastconv::runner
