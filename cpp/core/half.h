// The 16-bit floating-point types as storage: kernels widen them to float32 as they load, sum in
// float32 and round once, to nearest even, as they store. Conversions here are exact, subnormals
// and signed zeros included, and need no instruction beyond the baseline; a unit whose processor
// converts vectors has its own in vec.h. A NaN stays a NaN, made quiet.
//
// Always inlined, like geometry.h, because units compile this header with their own flags.
#pragma once

#include <fastconv/geometry.h>

#include <cstdint>

namespace fastconv {

struct Half {  // IEEE binary16
  std::uint16_t bits;
};
struct BFloat16 {  // the upper half of a float
  std::uint16_t bits;
};

// What sums of elements of a type are kept in.
template <class T>
struct Accumulator {
  using type = T;
};
template <>
struct Accumulator<Half> {
  using type = float;
};
template <>
struct Accumulator<BFloat16> {
  using type = float;
};
template <class T>
using Acc = typename Accumulator<T>::type;

FASTCONV_GEOMETRY float widen(float a) {
  return a;
}
FASTCONV_GEOMETRY double widen(double a) {
  return a;
}
FASTCONV_GEOMETRY float widen(BFloat16 a) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(a.bits) << 16);
}
FASTCONV_GEOMETRY float widen(Half a) {
  const std::uint32_t sign = static_cast<std::uint32_t>(a.bits & 0x8000u) << 16;
  const std::uint32_t exponent = a.bits >> 10 & 31u, fraction = a.bits & 0x3ffu;
  std::uint32_t size = 0;
  if (exponent == 31) {
    size = 0x7f800000u | fraction << 13 | (fraction != 0 ? 0x400000u : 0u);
  } else if (exponent == 0) {
    size = __builtin_bit_cast(std::uint32_t, static_cast<float>(fraction) * 0x1p-24f);
  } else {
    size = (exponent + 112) << 23 | fraction << 13;
  }
  return __builtin_bit_cast(float, sign | size);
}

// The nearest element of a type; of two equally near ones the even one.
template <class T>
struct Narrowed {
  FASTCONV_GEOMETRY static T of(T a) { return a; }
};
template <>
struct Narrowed<BFloat16> {
  FASTCONV_GEOMETRY static BFloat16 of(float a) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, a);
    if (a != a) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
    return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
  }
};
template <>
struct Narrowed<Half> {
  FASTCONV_GEOMETRY static Half of(float a) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, a);
    const std::uint32_t sign = bits >> 16 & 0x8000u;
    std::uint32_t size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) {
      size = 0x7e00u | (size >> 13 & 0x3ffu);
    } else if (size >= 0x477ff000u) {  // 65520 lies half way to the first number that is too large
      size = 0x7c00u;
    } else if (size < 0x38800000u) {
      // Below 2^-14 results are multiples of 2^-24, as floats between 0.5 and 1 are: the addition
      // rounds.
      size =
          __builtin_bit_cast(std::uint32_t, __builtin_bit_cast(float, size) + 0.5f) - 0x3f000000u;
    } else {
      size = (size - (112u << 23) + 0xfffu + (size >> 13 & 1u)) >> 13;
    }
    return {static_cast<std::uint16_t>(sign | size)};
  }
};

}  // namespace fastconv
