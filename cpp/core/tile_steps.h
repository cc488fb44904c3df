// What the register tile of planar_tile.inl takes, for the estimates of the families that use it.
#pragma once

#include <algorithm>

#include "core/unit.h"

namespace fastconv {

// Tiles of output channels, and their cycles for a step and one tile's pixels: two multiply-adds or
// two loads each, and at least `least`: four until a sum can be added to again. `loads` is what a
// vector of pixels takes.
struct TileSteps {
  double tiles = 0, cycles = 0;

  TileSteps(Index channels, const DTypeTable& table, double loads, double least = 4.0) {
    const double v = static_cast<double>(table.planar_n) / static_cast<double>(table.width);
    const auto take = [&](Index m, Index times) {
      const double rows = static_cast<double>(m), count = static_cast<double>(times);
      tiles += count;
      cycles += count * std::max({0.5 * v * rows, 0.5 * (v * loads + rows), least});
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
