// Counts of what was checked, one line per group, and the first failures in full.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace fastconv::runner {

class Report {
 public:
  // Selects the group that the following checks belong to.
  void group(const std::string& name);
  void pass() { ++current_->passed; }
  void fail(const std::string& what);
  void check(bool good, const std::string& what) { good ? pass() : fail(what); }
  // Shown at the end of the group's line, such as the largest error seen.
  void remark(const std::string& text) { current_->remark = text; }
  // Prints the lines of all groups so far and forgets their names.
  void print_groups();
  // Prints what is left and "N passed, N failed"; returns the process's exit status.
  int finish();

 private:
  struct Counts {
    long passed = 0, failed = 0;
    std::string remark;
  };

  std::map<std::string, Counts> groups_;
  std::vector<std::string> order_;
  std::string name_;
  Counts* current_ = nullptr;
  long passed_ = 0, failed_ = 0;
};

}  // namespace fastconv::runner
