// Launches the kernels of one convolution on tensor cores; included by one file for each element
// type.
#pragma once

#include "cuda/kernels/conv_mma.cuh"
#include "cuda/launch/conv_mma_plan.h"
#include "cuda/launch/launch.h"

namespace fastconv::cuda {

template <class Arithmetic, class Tile, bool Async>
Status launch_conv_mma_tile(const ConvMma& p, Stream stream) {
  static_assert(kStepElements<Arithmetic> == kChunksOfStep * Arithmetic::kChunk);
  const Index chunks = p.problem.groups * p.weights.group_bytes / 16;
  const Launch pack{grid_blocks(chunks, kPackThreads), kPackThreads, 0, stream, "conv_mma_pack"};
  if (Status status = launch(conv_mma_pack<Arithmetic>, pack, p); !status.ok()) return status;

  const auto tiles = static_cast<unsigned>(mma_tiles(p));
  const Launch product{dim3(tiles, 1, static_cast<unsigned>(p.parts)), Tile::kThreads,
                       kConvMmaBytes<Arithmetic, Tile, Async>, stream, "conv_mma"};
  Status status = launch(conv_mma<Arithmetic, Tile, Async>, product, p);
  if (!status.ok() || p.parts == 1) return status;
  const Launch finish{tiles, Tile::kThreads, kStoreBytes<Tile>, stream, "conv_mma_finish"};
  return launch(conv_mma_finish<typename Arithmetic::Element, Tile>, finish, p,
                kStepElements<Arithmetic>);
}

// Elements of 16 bits are copied as they are where they lie in whole chunks; floats are converted
// on the way.
template <class Arithmetic, class Tile>
Status launch_conv_mma(const ConvMma& p, Stream stream) {
  if constexpr (is_narrow_arithmetic<Arithmetic>) {
    if (p.vector_loads) return launch_conv_mma_tile<Arithmetic, Tile, true>(p, stream);
  }
  return launch_conv_mma_tile<Arithmetic, Tile, false>(p, stream);
}

template <class Arithmetic>
Status launch_conv_mma(const ConvMma& p, bool large, Stream stream) {
  return large ? launch_conv_mma<Arithmetic, LargeTile>(p, stream)
               : launch_conv_mma<Arithmetic, SmallTile>(p, stream);
}

}  // namespace fastconv::cuda
