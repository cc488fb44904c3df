// What lies outside an image: the index arithmetic of boundary rules.
#pragma once

#include <fastconv/problem.h>

namespace fastconv {

// Maps a position outside [0, n) into it; -1 where the boundary is a constant.
FASTCONV_GEOMETRY Index boundary_index(Index i, Index n, Boundary boundary) {
  if (i >= 0 && i < n) return i;
  switch (boundary) {
    case Boundary::fill:
      return -1;
    case Boundary::nearest:
      return i < 0 ? 0 : n - 1;
    case Boundary::wrap: {
      const Index rest = i % n;
      return rest < 0 ? rest + n : rest;
    }
    case Boundary::reflect: {
      const Index period = 2 * n;
      Index rest = i % period;
      if (rest < 0) rest += period;
      return rest < n ? rest : period - 1 - rest;
    }
  }
  return -1;
}

// The same along a row of interleaved samples, which the rule continues by whole pixels.
FASTCONV_GEOMETRY Index boundary_sample(Index i, Index n, Index samples, Boundary boundary) {
  if (i >= 0 && i < n) return i;
  const Index pixel = floor_div(i, samples);
  const Index from = boundary_index(pixel, n / samples, boundary);
  return from < 0 ? -1 : from * samples + i - pixel * samples;
}

}  // namespace fastconv
