// Whether a result is the expected one.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "layout.h"

namespace fastconv::runner {

// Position and values of the first element that is wrong; empty when none is. `limits` are in units
// of epsilon; 0 means exact: the wanted value rounded once. Infinities and NaN must be met exactly.
template <class T>
std::string first_difference(const Tensor<T>& got, const std::vector<double>& want,
                             const std::vector<double>& limits) {
  for (Index i = 0; i < got.count(); ++i) {
    const std::size_t at = static_cast<std::size_t>(i);
    const double value = value_of(got[i]), expected = stored_as<T>(want[at]);
    const double limit = limits[at] * epsilon_of<T>();
    if (value == expected || (std::isnan(value) && std::isnan(expected))) continue;
    if (std::isfinite(expected) && std::fabs(value - expected) <= limit) continue;
    char text[160];
    std::snprintf(text, sizeof text, "element %lld is %.17g, not %.17g (limit %.3g)",
                  static_cast<long long>(i), value, expected, limit);
    return text;
  }
  return {};
}

// The same bits, except that any NaN equals any other.
template <class T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
  for (Index i = 0; i < a.count(); ++i) {
    const double first = value_of(a[i]), second = value_of(b[i]);
    const bool both_nan = std::isnan(first) && std::isnan(second);
    if (!both_nan && (first != second || std::signbit(first) != std::signbit(second))) return false;
  }
  return true;
}

}  // namespace fastconv::runner
