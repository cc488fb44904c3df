// Elements of every type as double and back.
#pragma once

#include <limits>

#include "core/half.h"

namespace fastconv::runner {

template <class T>
T element_of(double value) {
  return Narrowed<T>::of(static_cast<Acc<T>>(value));
}
template <class T>
double value_of(T element) {
  return static_cast<double>(widen(element));
}

// Distance from 1 to the next element.
template <class T>
constexpr double epsilon_of() {
  return static_cast<double>(std::numeric_limits<T>::epsilon());
}
template <>
constexpr double epsilon_of<Half>() {
  return 0x1p-10;
}
template <>
constexpr double epsilon_of<BFloat16>() {
  return 0x1p-7;
}

// What a result can be at best: 16-bit elements round it, and wider ones are compared as they are.
template <class T>
double stored_as(double wanted) {
  return wanted;
}
template <>
inline double stored_as<Half>(double wanted) {
  return value_of(element_of<Half>(wanted));
}
template <>
inline double stored_as<BFloat16>(double wanted) {
  return value_of(element_of<BFloat16>(wanted));
}

}  // namespace fastconv::runner
