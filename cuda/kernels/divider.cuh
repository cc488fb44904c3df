// Quotients by divisors that the host knows, as multiplications and shifts: the GPU's own 64-bit
// division is a subroutine of a hundred instructions.
//
// T. Granlund, P. Montgomery, "Division by invariant integers using multiplication", 1994: for
// 2^(s-1) < d <= 2^s and m = floor(2^w (2^s - d) / d) + 1, n / d = (n + floor(n m / 2^w)) >> s for
// n < 2^w. Numbers below 2^31 are divided with w = 32, others with w = 64.
#pragma once

#include <cstdint>

#include "cuda/device.h"

namespace fastconv::cuda {

struct Quotient {
  Index quotient, remainder;
};

class Divider {
 public:
  Divider() = default;
  explicit Divider(Index divisor) : divisor_(divisor) {
    while ((std::uint64_t{1} << shift_) < static_cast<std::uint64_t>(divisor)) ++shift_;
    const Wide rest = (Wide{1} << shift_) - static_cast<Wide>(divisor);
    wide_ = static_cast<std::uint64_t>((rest << 64) / static_cast<Wide>(divisor) + 1);
    // Of small numbers the quotient by a large divisor is 0.
    if (divisor < kSmall) {
      narrow_ = static_cast<std::uint32_t>((rest << 32) / static_cast<Wide>(divisor) + 1);
      narrow_shift_ = shift_;
    }
  }

  FASTCONV_GEOMETRY Index divisor() const { return divisor_; }

  // Of n >= 0.
  FASTCONV_GEOMETRY Quotient divide(Index n) const {
    if (n < kSmall) {
      const auto small = static_cast<std::uint32_t>(n);
      const auto high = static_cast<std::uint32_t>((std::uint64_t{small} * narrow_) >> 32);
      const std::uint32_t quotient = (high + small) >> narrow_shift_;
      return {quotient, small - quotient * static_cast<std::uint32_t>(divisor_)};
    }
    const auto large = static_cast<std::uint64_t>(n);
    const auto high = static_cast<std::uint64_t>((static_cast<Wide>(large) * wide_) >> 64);
    const auto quotient = static_cast<Index>((high + large) >> shift_);
    return {quotient, n - quotient * divisor_};
  }
  FASTCONV_GEOMETRY Index quotient(Index n) const { return divide(n).quotient; }

 private:
  __extension__ typedef unsigned __int128 Wide;
  static constexpr Index kSmall = Index{1} << 31;

  Index divisor_ = 1;
  std::uint64_t wide_ = 1;
  std::uint32_t narrow_ = 0;
  int shift_ = 0, narrow_shift_ = 31;
};

}  // namespace fastconv::cuda
