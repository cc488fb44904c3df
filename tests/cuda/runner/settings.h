// In which memory a problem is tested. float32 runs in every setting; of the other types each
// problem takes one, in turn, so that all meet over the list of problems.
#pragma once

#include <string>
#include <vector>

#include "core/half.h"
#include "problem_file.h"
#include "setting.h"
#include "shim.h"

namespace fastconv::runner {

template <class T>
constexpr DType element_type() {
  return dtype_of<T>();
}
template <>
constexpr DType element_type<Half>() {
  return DType::float16;
}
template <>
constexpr DType element_type<BFloat16>() {
  return DType::bfloat16;
}

inline constexpr int kSettingCount = sizeof(kSettings) / sizeof(kSettings[0]);

inline bool takes_turn(DType dtype, int setting, std::size_t record) {
  return setting == static_cast<int>((record + static_cast<std::size_t>(dtype)) % kSettingCount);
}
inline bool runs_in(DType dtype, int setting, std::size_t record) {
  return takes_turn(dtype, setting, record) ||
         (dtype == DType::float32 && takes_turn(dtype, setting, record + 3));
}

// Random numbers are in float32 what the reference was given; 16-bit types would round them.
inline bool takes_fill(DType dtype, const Record& record) {
  return !is_narrow(dtype) || record.name.ends_with("-integers");
}

// Threads go on in one order and, in the next check, in the other.
inline void alternate_order() {
  static bool reverse = false;
  reverse = !reverse;
  cuda::shim::set_order(reverse ? cuda::shim::Order::reverse : cuda::shim::Order::forward);
}

}  // namespace fastconv::runner
