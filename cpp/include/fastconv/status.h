// How a call ended. Messages name the argument, what was given, what is allowed, and a remedy.
#pragma once

#include <string>
#include <utility>

namespace fastconv {

enum class StatusCode : int {
  ok = 0,
  shape,        // sizes that do not fit together
  value,        // an option outside its range or an unknown name
  dtype,        // an element type that is not supported, or types that differ
  unsupported,  // a forced algorithm or instruction set that cannot do this problem
  unavailable,  // a backend that this build or machine lacks
  memory,       // not enough memory, or sizes beyond 64 bits
};

struct [[nodiscard]] Status {
  StatusCode code = StatusCode::ok;
  std::string message;

  bool ok() const { return code == StatusCode::ok; }
  static Status error(StatusCode code, std::string message) { return {code, std::move(message)}; }
};

}  // namespace fastconv
