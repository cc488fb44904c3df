// The register tile of the transposed pixel kernel: M neighbouring positions of a packed strip x V
// vectors of output channels.
//
// Loop order: runs of input channels (one for each kernel element that meets the rows), then the
// channels of a run; one step loads V vectors of weights and broadcasts one channel of M positions.
// All neighbours lie at one distance, so two pointers reach them; channels_last_tile.inl takes a
// pointer for each and any pixels.

// Positions that are stored together: whole vectors and whole tiles.
template <class T>
constexpr int pixel_group() {
  constexpr int M = LastShape<T>::m;
  return static_cast<int>(PlanarShape<T>::n) * (PlanarShape<T>::n % M == 0 ? 1 : M);
}

// Adds up M neighbouring positions, `channels` apart, from x on; the tile is an M x (V*width)
// array.
template <class T, int V>
[[gnu::noinline]] static void pixel_tile(const T* x, Index channels, const Index* run_x,
                                         const Index* run_w, Index runs, const T* panel, T* tile) {
  using Vt = Vec<T>;
  constexpr int M = LastShape<T>::m, W = Vt::width;
  typename Vt::Reg acc[M][V];
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[m][v] = Vt::zero();
  }
  // Two pointers and multiples of one distance reach all six pixels: see planar_tile.inl.
  const Index row = channels * static_cast<Index>(sizeof(T));
  for (Index r = 0; r < runs; ++r) {
    const char* group[2];
    group[0] = reinterpret_cast<const char*>(x + run_x[r] * channels);
    group[1] = group[0] + 3 * row;
    const T* w = panel + run_w[r] * channels * (V * W);
    for (Index c = channels; c > 0; --c, w += V * W) {
      typename Vt::Reg weight[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) weight[v] = Vt::load(w + v * W);
#pragma GCC unroll 6
      for (int m = 0; m < M; ++m) {
        const typename Vt::Reg value =
            Vt::set(*reinterpret_cast<const T*>(group[m / 3] + (m % 3) * row));
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[m][v] = Vt::fma(value, weight[v], acc[m][v]);
      }
      group[0] += sizeof(T);
      group[1] += sizeof(T);
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) Vt::store(tile + (m * V + v) * W, acc[m][v]);
  }
}

template <class T>
static inline void run_pixel_tile(int vectors, const T* x, Index channels, const Index* run_x,
                                  const Index* run_w, Index runs, const T* panel, T* tile) {
  if constexpr (LastShape<T>::v >= 4) {
    if (vectors == 4) return pixel_tile<T, 4>(x, channels, run_x, run_w, runs, panel, tile);
    if (vectors == 3) return pixel_tile<T, 3>(x, channels, run_x, run_w, runs, panel, tile);
  }
  if (vectors == 2) return pixel_tile<T, 2>(x, channels, run_x, run_w, runs, panel, tile);
  return pixel_tile<T, 1>(x, channels, run_x, run_w, runs, panel, tile);
}

// The strip of all input channels, a position's channels next to each other. A few planes at a time
// are packed, then turned.
template <class T>
static const T* pack_positions(const ConvProblem& p, const GridTask& task, const PackedStrip& strip,
                               Range depth_taps, const T* x, Carver& carver) {
  constexpr Index kPlanes = 16;
  const Index channels = p.group_in();
  T* some_planes = carver.take<T>(kPlanes * strip.plane_size);
  T* packed = carver.take<T>(0);
  for (Index c = 0; c < channels; c += kPlanes) {
    const Index count = smaller(kPlanes, channels - c);
    for (Index i = 0; i < count; ++i) {
      pack_plane(p, task, strip, x + (c + i) * p.x.channel, depth_taps,
                 some_planes + i * strip.plane_size);
    }
    transpose(some_planes, strip.plane_size, count, strip.plane_size, packed + c, channels);
  }
  return packed;
}
