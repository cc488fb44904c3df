// ldmatrix and mma.sync on the host, with the lane layouts of the PTX ISA.
//
// A warp-wide instruction is one exchange: every lane lays its operands down, waits for the others
// and takes what it needs. Two boards in turn make one wait enough: a lane can write to a board again
// only after all have passed the exchange in between, and so have done reading.
//
// Sums are those of the least exact hardware that was measured (see cuda/ptx/mma.cuh): groups of 8
// products of 16 bits, or 4 of tf32, and the running sum are cut off (towards zero) at the last bit
// of the largest of them; and so is their sum.
#pragma once

#include "core/half.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fastconv::cuda::shim {

enum class Operand { float16, bfloat16, tf32 };

struct Board {
  struct Lane {
    unsigned a[4], b[2];
    const void* row;
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
  const unsigned lane = static_cast<unsigned>(current_lane());
  board.lane[lane].row = row;
  __syncwarp();
  for (unsigned i = 0; i < 4; ++i) {
    const char* from = static_cast<const char*>(board.lane[8 * i + lane / 4].row);
    std::memcpy(&to[i], from + 4 * (lane % 4), 4);
  }
}

// The numbers of one word.
inline int unpack(unsigned word, Operand type, double (&to)[2]) {
  if (type == Operand::tf32) {
    to[0] = __builtin_bit_cast(float, word & 0xffffe000u);  // the hardware ignores the other bits
    return 1;
  }
  for (int i = 0; i < 2; ++i) {
    const auto bits = static_cast<std::uint16_t>(word >> 16 * i);
    to[i] = type == Operand::float16 ? widen(Half{bits}) : widen(BFloat16{bits});
  }
  return 2;
}

// Adds up to 9 numbers as the hardware does.
inline float truncated_sum(const double* terms, int count) {
  double largest = 0, plain = 0;
  for (int i = 0; i < count; ++i) {
    largest = std::fmax(largest, std::fabs(terms[i]));
    plain += terms[i];
  }
  if (!std::isfinite(plain) || largest == 0) return static_cast<float>(plain);
  int exponent = 0;
  std::frexp(largest, &exponent);
  exponent = std::max(exponent, -125);  // subnormal sums end at 2^-149
  const double unit = std::ldexp(1.0, exponent - 24);
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += std::trunc(terms[i] / unit);
  sum *= unit;
  const auto rounded = static_cast<float>(sum);
  const bool away = std::fabs(static_cast<double>(rounded)) > std::fabs(sum);
  return away && std::isfinite(rounded) ? std::nextafter(rounded, 0.0f) : rounded;
}

inline void multiply_add(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                         Operand type) {
  Board& board = next_board();
  const unsigned lane = static_cast<unsigned>(current_lane()), group = lane / 4, pair = lane % 4;
  std::memcpy(board.lane[lane].a, a, sizeof(a));
  std::memcpy(board.lane[lane].b, b, sizeof(b));
  __syncwarp();
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned high_row = i / 2, column = 2 * pair + i % 2;
    for (unsigned half = 0; half < 2; ++half) {  // groups of products that are added at once
      double terms[9] = {sums[i]};
      int count = 1;
      for (unsigned t = 0; t < 4; ++t) {
        double left[2], right[2];
        unpack(board.lane[4 * group + t].a[2 * half + high_row], type, left);
        const int n = unpack(board.lane[4 * column + t].b[half], type, right);
        for (int e = 0; e < n; ++e) terms[count++] = left[e] * right[e];
      }
      sums[i] = truncated_sum(terms, count);
    }
  }
}

}  // namespace fastconv::cuda::shim
