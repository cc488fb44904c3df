// Sums over images and pixels of each channel: the gradient of a bias.
//
// A block sums one channel, or 32 of them where these lie side by side, over one part of the
// pixels: each thread every so-many-th, then a tree over the block. A second kernel adds the parts
// in order. Parts follow from the problem alone, so the bits are the same on every device. Memory
// decides the speed; axes that adjoin are one, so that an element costs one division at most. Not
// yet run on hardware.
#include <type_traits>

#include "cuda/kernels/reduce.cuh"
#include "cuda/launch/launch.h"

namespace fastconv::cuda {
namespace {

constexpr int kThreads = 256, kSideBySide = 32;
constexpr Index kPartPixels = 8192, kMostParts = 128;

// Images and axes of space, the last fastest, joined where they adjoin.
struct Pixels {
  static constexpr int kMost = 1 + kAxes;
  Index count[kMost], step[kMost];
  Index all;
};

Pixels joined(const ChannelSums& s) {
  const Index count[] = {s.batch, s.size[0], s.size[1], s.size[2]};
  const Index step[] = {s.x.batch, s.x.spatial[0], s.x.spatial[1], s.x.spatial[2]};
  Pixels p{{1, 1, 1, 1}, {0, 0, 0, 0}, s.batch * s.size.product()};
  int last = Pixels::kMost;
  for (int a = Pixels::kMost - 1; a >= 0; --a) {
    if (count[a] == 1) continue;
    if (last < Pixels::kMost && step[a] == p.count[last] * p.step[last]) {
      p.count[last] *= count[a];
      continue;
    }
    --last;
    p.count[last] = count[a];
    p.step[last] = step[a];
  }
  return p;
}

Index parts_of(const ChannelSums& s) {
  return larger(1, smaller(kMostParts, ceil_div(s.batch * s.size.product(), kPartPixels)));
}

__device__ Index pixel_offset(const Pixels& p, Index i) {
  Index at = 0;
  for (int a = Pixels::kMost - 1; a >= 0 && i > 0; --a) {
    const Index rest = ((i | p.count[a]) >> 32) == 0
                           ? static_cast<unsigned>(i) / static_cast<unsigned>(p.count[a])
                           : i / p.count[a];
    at += (i - rest * p.count[a]) * p.step[a];
    i = rest;
  }
  return at;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    sum_parts(const Pixels p, Index channels, Index channel_step, int width, Index part_pixels,
              const T* __restrict__ from, Acc<T>* __restrict__ partial) {
  __shared__ Acc<T> room[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const Index channel = static_cast<Index>(blockIdx.x) * width + thread % width;
  const Index end = smaller(p.all, (blockIdx.y + 1) * part_pixels);
  Acc<T> sum = 0;
  if (channel < channels) {
    for (Index i = blockIdx.y * part_pixels + thread / width; i < end; i += kThreads / width) {
      sum += to_acc(from[channel * channel_step + pixel_offset(p, i)]);
    }
  }
  sum = block_sum<kThreads>(sum, width, room);
  if (thread < width && channel < channels) partial[blockIdx.y * channels + channel] = sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    add_parts(Index channels, Index parts, const Acc<T>* __restrict__ partial, T* __restrict__ to) {
  const Index channel = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  if (channel >= channels) return;
  Acc<T> sum = 0;
  for (Index part = 0; part < parts; ++part) sum += partial[part * channels + channel];
  to[channel] = from_acc<T>(sum);
}

}  // namespace

std::size_t channel_sums_workspace(const ChannelSums& s) {
  return static_cast<std::size_t>(parts_of(s) * s.channels * accumulator_size(s.dtype));
}

Status run_channel_sums(const ChannelSums& s, void* workspace, Stream stream) {
  const Index parts = parts_of(s);
  const Pixels pixels = joined(s);
  const int width = s.x.channel == 1 && s.channels > 1 ? kSideBySide : 1;
  return with_element(s.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    const Launch how{dim3(grid_blocks(s.channels, width), static_cast<unsigned>(parts)), kThreads,
                     0, stream, "channel_sums"};
    Status status = launch(sum_parts<T>, how, pixels, s.channels, s.x.channel, width,
                           ceil_div(pixels.all, parts), s.from, workspace);
    if (!status.ok()) return status;
    return launch(
        add_parts<T>,
        Launch{grid_blocks(s.channels, kThreads), kThreads, 0, stream, "channel_sums, adding"},
        s.channels, parts, workspace, s.to);
  });
}

}  // namespace fastconv::cuda
