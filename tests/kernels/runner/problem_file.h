// The problems that export.py writes: options, inputs, expected results and error limits.
//
// The file starts with a line "fastconv problems 1". A record is lines "key=value", then one line
// "data NAME COUNT" per array, each followed by COUNT little-endian doubles, then a line "end".
// Arrays are contiguous in NCHW order. Inputs are representable in float32, so that one record
// serves both element types.
#pragma once

#include <fastconv/problem.h>

#include <map>
#include <string>
#include <vector>

namespace fastconv::runner {

struct Record {
  std::string name;
  std::map<std::string, std::string> options;
  std::map<std::string, std::vector<double>> arrays;

  bool has(const std::string& key) const { return options.count(key) != 0; }
  const std::string& text(const std::string& key) const;
  Index integer(const std::string& key) const;
  double real(const std::string& key) const;
  Axes axes(const std::string& key) const;  // "d,h,w"
  // Empty when the record has no such array.
  const std::vector<double>& array(const std::string& key) const;
};

// Throws std::runtime_error that names the file and the place.
std::vector<Record> read_problems(const std::string& path);

}  // namespace fastconv::runner
