#include "problem_file.h"

#include <bit>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace fastconv::runner {

static_assert(std::endian::native == std::endian::little, "problem files are little-endian");

namespace {

constexpr const char* kFirstLine = "fastconv problems 1";

void read_array(std::istream& file, const std::string& line, Record& record) {
  char name[32];
  unsigned long long count = 0;
  if (std::sscanf(line.c_str(), "data %31s %llu", name, &count) != 2)
    throw std::runtime_error("record '" + record.name + "': cannot read '" + line + "'");
  std::vector<double>& values = record.arrays[name];
  values.resize(count);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(count * sizeof(double)));
  if (!file) throw std::runtime_error("record '" + record.name + "' ends inside " + name);
}

}  // namespace

const std::string& Record::text(const std::string& key) const {
  const auto found = options.find(key);
  if (found == options.end()) throw std::runtime_error("record '" + name + "' lacks " + key);
  return found->second;
}

Index Record::integer(const std::string& key) const {
  return std::stoll(text(key));
}

double Record::real(const std::string& key) const {
  return std::stod(text(key));
}

Axes Record::axes(const std::string& key) const {
  long long v[kAxes];
  if (std::sscanf(text(key).c_str(), "%lld,%lld,%lld", &v[0], &v[1], &v[2]) != kAxes)
    throw std::runtime_error("record '" + name + "': " + key + " is not three numbers");
  return {{v[0], v[1], v[2]}};
}

const std::vector<double>& Record::array(const std::string& key) const {
  static const std::vector<double> kNone;
  const auto found = arrays.find(key);
  return found == arrays.end() ? kNone : found->second;
}

std::vector<Record> read_problems(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string line;
  if (!file || !std::getline(file, line) || line != kFirstLine)
    throw std::runtime_error(path + " does not start with '" + kFirstLine + "'");
  std::vector<Record> records;
  Record record;
  while (std::getline(file, line)) {
    if (line == "end") {
      records.push_back(std::move(record));
      record = Record{};
    } else if (line.rfind("data ", 0) == 0) {
      read_array(file, line, record);
    } else {
      const std::size_t equals = line.find('=');
      if (equals == std::string::npos)
        throw std::runtime_error(path + ": cannot read '" + line + "'");
      record.options[line.substr(0, equals)] = line.substr(equals + 1);
      if (line.rfind("name=", 0) == 0) record.name = line.substr(5);
    }
  }
  if (!record.options.empty()) throw std::runtime_error(path + " ends inside a record");
  return records;
}

}  // namespace fastconv::runner
