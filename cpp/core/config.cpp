#include "core/config.h"

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/names.h"
#include "core/registry.h"

namespace fastconv {
namespace {

struct Environment {
  Status status;
  Isa isa = best_isa();
  Algorithm algorithm = Algorithm::automatic;
  int threads = 0;
  Precision precision = Precision::highest;
  int result_pool = -1;  // MiB; negative: not set

  Environment() {
    if (const char* text = std::getenv("FASTCONV_ISA"); text != nullptr && *text != '\0') {
      const int found = kIsaNames.find(text);
      if (found < 0 || find_unit(static_cast<Isa>(found)) == nullptr) {
        fail("FASTCONV_ISA", text, "one of " + runnable_isas());
      } else {
        isa = static_cast<Isa>(found);
      }
    }
    read_name("FASTCONV_ALGORITHM", kAlgorithmNames, algorithm);
    read_name("FASTCONV_PRECISION", kPrecisionNames, precision);
    read_number("FASTCONV_NUM_THREADS", 1, 4096, threads);
    read_number("FASTCONV_RESULT_POOL", 0, 1'000'000, result_pool);
  }

  template <class Option>
  void read_name(const char* variable, const NameList& names, Option& option) {
    const char* text = std::getenv(variable);
    if (text == nullptr || *text == '\0') return;
    const int found = names.find(text);
    if (found < 0) return fail(variable, text, "one of " + names.listed());
    option = static_cast<Option>(found);
  }

  void read_number(const char* variable, int least, int most, int& option) {
    const char* text = std::getenv(variable);
    if (text == nullptr || *text == '\0') return;
    int number = 0;
    const char* end = text + std::strlen(text);
    const auto parsed = std::from_chars(text, end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number < least || number > most) {
      return fail(variable, text,
                  "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    option = number;
  }

  void fail(const char* variable, const char* given, const std::string& allowed) {
    if (!status.ok()) return;
    status =
        Status::error(StatusCode::value, std::string("environment variable ") + variable + " is '" +
                                             given + "'; it must be " + allowed + ", or unset");
  }
};

const Environment& environment() {
  static const Environment read;
  return read;
}

constexpr int kNotForced = -1;
std::atomic<int> g_forced_isa{kNotForced};

}  // namespace

const Status& environment_status() {
  return environment().status;
}

Isa active_isa() {
  const int forced = g_forced_isa.load(std::memory_order_relaxed);
  return forced == kNotForced ? environment().isa : static_cast<Isa>(forced);
}

Status force_isa(Isa isa) {
  if (find_unit(isa) == nullptr) {
    return Status::error(StatusCode::unavailable,
                         std::string("instruction set '") + isa_name(isa) +
                             "' is not in this build or not on this machine; choose one of " +
                             runnable_isas());
  }
  g_forced_isa.store(static_cast<int>(isa), std::memory_order_relaxed);
  return {};
}

void release_isa() {
  g_forced_isa.store(kNotForced, std::memory_order_relaxed);
}

Algorithm environment_algorithm() {
  return environment().algorithm;
}
int environment_threads() {
  return environment().threads;
}
std::optional<std::size_t> environment_result_pool() {
  if (environment().result_pool < 0) return std::nullopt;
  return static_cast<std::size_t>(environment().result_pool) << 20;
}
Precision environment_precision() {
  return environment().precision;
}

}  // namespace fastconv
