// What the estimates of several kernels have in common.
#pragma once

#include <algorithm>

#include "core/cpu_features.h"
#include "core/unit.h"

namespace fastconv {

inline double number(Index n) {
  return static_cast<double>(n);
}

// Cycles of two multiply-adds, or two loads, of whole vectors.
inline double pair_cycles(const DTypeTable& table) {
  constexpr int kWide = 64;  // bytes
  return table.vector_bytes == kWide && cpu_halves_avx512() ? 2.0 : 1.0;
}

// What the register tile of planar_tile.inl takes: tiles of output channels, and their cycles for a
// step and one tile's pixels: multiply-adds or loads, and a step at least `least`: four until a sum
// can be added to again. `loads` is what a vector of pixels takes.
struct TileSteps {
  double tiles = 0, cycles = 0;

  TileSteps(Index channels, const DTypeTable& table, double loads, double least = 4.0) {
    const double v = number(table.planar_n) / number(table.width), half = 0.5 * pair_cycles(table);
    const auto take = [&](Index m, Index times) {
      const double rows = number(m), count = number(times);
      tiles += count;
      cycles += count * std::max({half * v * rows, half * (v * loads + rows), least});
    };
    take(table.planar_m, channels / table.planar_m);
    Index left = channels % table.planar_m;
    for (Index m = 4; m > 0; m /= 2) {
      if (m >= table.planar_m) continue;
      take(m, left / m);
      left %= m;
    }
  }
};

}  // namespace fastconv
