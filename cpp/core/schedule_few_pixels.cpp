// Few output pixels: shares of the output channels, each for all pixels.
#include "core/conv_schedule.h"

namespace fastconv {

void schedule_few_pixels(const ConvProblem& p, const Machine& m, ConvPlan& plan) {
  // The kernel's own tile: see DotShape in conv_few_pixels.inl.
  constexpr Index kRows = 8;
  plan.tile_m = 4;
  plan.tile_n = m.table.planar_m >= 8 ? 6 : 3;
  const Index pixels = p.batch * p.out.product(), length = p.group_in() * p.kernel.product();
  // Channels that adjoin are read where they lie.
  plan.reads_in_place = p.kernel.product() == 1 && (p.x.channel == 1 || p.group_in() == 1);
  for (int a = 0; a < kAxes; ++a) {
    if (p.pad_lo[a] != 0 || p.pad_hi[a] != 0) plan.reads_in_place = false;
  }
  plan.block_cols = larger(1, pixels);
  plan.block_depth = larger(1, length);
  plan.channel_parts =
      larger(1, smaller(ceil_div(p.group_out(), kRows), ceil_div(m.threads, p.groups)));
  plan.tasks[1] = p.groups * plan.channel_parts;
  const Index tiles = ceil_div(pixels, plan.tile_n);
  const Index unfolded = plan.reads_in_place ? 0 : pixels * length;
  plan.scratch_bytes = static_cast<std::size_t>(
      pixels * 6 * static_cast<Index>(sizeof(Index)) +
      (tiles * kRows * plan.tile_n * m.table.width + kRows * (pixels + m.table.width) + unfolded) *
          m.element +
      1024);
}

}  // namespace fastconv
