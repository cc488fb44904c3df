// ldmatrix and mma.sync on the host, with the lane layouts of the PTX ISA.
//
// A warp-wide instruction is one exchange: every lane lays its operands down, waits for the others
// and takes what it needs. Two boards in turn make one wait enough: a lane can write to a board
// again only after all have passed the exchange in between, and so have done reading.
//
// Sums are those of the least exact hardware that was measured (see cuda/ptx/mma.cuh): groups of 8
// products of 16 bits, or 4 of tf32, and the running sum are cut off (towards zero) at the last bit
// of the largest of them; and so is their sum.
#pragma once

#include "core/half.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace fastconv::cuda::shim {

enum class Operand { float16, bfloat16, tf32 };

// What the lanes of a warp show each other: addresses of rows, or operands as numbers, two for each
// word (one and a zero where words are tf32).
struct Board {
  struct Lane {
    const void* row;
    float a[4][2], b[2][2];
    unsigned char a_has[4], b_has[2];  // what kinds of numbers a word has
  } lane[32];
};

inline Board& next_board() {
  static thread_local Board boards[32][2];
  static thread_local unsigned char turn[32][32];
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  return boards[thread / 32][turn[thread / 32][thread % 32]++ & 1];
}

inline void load_matrices(unsigned (&to)[4], const void* row) {
  Board& board = next_board();
  const auto lane = static_cast<unsigned>(current_lane());
  board.lane[lane].row = row;
  __syncwarp();
  for (unsigned i = 0; i < 4; ++i) {
    const char* from = static_cast<const char*>(board.lane[8 * i + lane / 4].row);
    std::memcpy(&to[i], from + 4 * (lane % 4), 4);
  }
}

inline void unpack(unsigned word, Operand type, float (&to)[2]) {
  if (type == Operand::tf32) {
    to[0] = std::bit_cast<float>(word & 0xffffe000u);  // the hardware ignores the other bits
    to[1] = 0.0f;
    return;
  }
  for (int i = 0; i < 2; ++i) {
    const auto bits = static_cast<std::uint16_t>(word >> 16 * i);
    to[i] = type == Operand::float16 ? widen(Half{bits}) : widen(BFloat16{bits});
  }
}

constexpr unsigned kNotZero = 1, kNotFinite = 2;
inline unsigned char kinds(const float (&numbers)[2]) {
  unsigned has = 0;
  for (const float number : numbers) {
    has |= (number != 0.0f ? kNotZero : 0) | (std::isfinite(number) ? 0 : kNotFinite);
  }
  return static_cast<unsigned char>(has);
}

inline int exponent_of(double a) {
  return static_cast<int>(std::bit_cast<std::uint64_t>(a) >> 52 & 0x7ffu) - 1023;
}
inline double power_of_two(int exponent) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// Adds eight products (exact in double) to a sum as the hardware does.
inline float truncated_sum(float sum, const double (&terms)[8]) {
  double largest = std::fabs(static_cast<double>(sum)), plain = 0.0;
  bool any = false;
  for (const double term : terms) {
    const double size = std::fabs(term);
    largest = size > largest ? size : largest;
    any = any || size != 0.0;
    plain += term;
  }
  if (!any) return sum;
  plain += sum;
  if (!std::isfinite(plain)) return static_cast<float>(plain);
  // The last of 24 bits of the largest; subnormal sums end at 2^-149.
  const int last = std::max(exponent_of(largest) - 23, -149);
  const double scale = power_of_two(-last);
  auto total = static_cast<std::int64_t>(sum * scale);
  for (const double term : terms) total += static_cast<std::int64_t>(term * scale);
  const auto size = static_cast<std::uint64_t>(total < 0 ? -total : total);
  const int over = std::max(0, static_cast<int>(std::bit_width(size)) - 24);
  const double kept = static_cast<double>(size >> over << over) * power_of_two(last);
  return static_cast<float>(total < 0 ? -kept : kept);
}

inline void multiply_add(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                         Operand type) {
  Board& board = next_board();
  const auto lane = static_cast<unsigned>(current_lane());
  for (int i = 0; i < 4; ++i) {
    unpack(a[i], type, board.lane[lane].a[i]);
    board.lane[lane].a_has[i] = kinds(board.lane[lane].a[i]);
  }
  for (int i = 0; i < 2; ++i) {
    unpack(b[i], type, board.lane[lane].b[i]);
    board.lane[lane].b_has[i] = kinds(board.lane[lane].b[i]);
  }
  __syncwarp();
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4, high_row = i / 2, column = 2 * (lane % 4) + i % 2;
    for (unsigned half = 0; half < 2; ++half) {  // groups of products that are added at once
      unsigned left_has = 0, right_has = 0;
      for (unsigned t = 0; t < 4; ++t) {
        left_has |= board.lane[4 * row + t].a_has[2 * half + high_row];
        right_has |= board.lane[4 * column + t].b_has[half];
      }
      if ((left_has == 0 && right_has < kNotFinite) || (right_has == 0 && left_has < kNotFinite)) {
        continue;  // zeros only, as in much of a test's tiles: to be quick
      }
      double terms[8];
      for (unsigned t = 0; t < 4; ++t) {
        const auto& left = board.lane[4 * row + t].a[2 * half + high_row];
        const auto& right = board.lane[4 * column + t].b[half];
        for (unsigned e = 0; e < 2; ++e) {
          terms[2 * t + e] = static_cast<double>(left[e]) * static_cast<double>(right[e]);
        }
      }
      sums[i] = truncated_sum(sums[i], terms);
    }
  }
}

}  // namespace fastconv::cuda::shim
