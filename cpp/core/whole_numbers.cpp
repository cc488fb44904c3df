#include "core/whole_numbers.h"

#include <cmath>

namespace fastconv {

bool only_whole_or_tiny(const ConvProblem& p, const float* x) {
  constexpr float kExact = 0x1p24F, kTiny = 0x1p-100F;
  for (Index n = 0; n < p.batch; ++n) {
    for (Index c = 0; c < p.in_channels; ++c) {
      for (Index z = 0; z < p.in[0]; ++z) {
        for (Index r = 0; r < p.in[1]; ++r) {
          const float* row =
              x + n * p.x.batch + c * p.x.channel + z * p.x.spatial[0] + r * p.x.spatial[1];
          for (Index s = 0; s < p.in[2]; ++s) {
            const float value = row[s * p.x.spatial[2]], size = std::fabs(value);
            if (size >= kExact || (value != std::trunc(value) && !(size < kTiny))) return false;
          }
        }
      }
    }
  }
  return true;
}

}  // namespace fastconv
