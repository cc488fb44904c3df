// The register tile of Winograd's products: N tiles x V vectors of output channels, for one point.
//
// Loop order: parts of the sum > blocks of `width` input channels, depth tap after depth tap >
// channels of a block; one step
// multiplies N broadcast inputs with V weight vectors into N*V accumulators. The transformed input
// of N tiles is packed as [block][tile][channel of the block], so that one pointer and constant
// distances reach all N broadcasts; weights stream front to back. With 32 registers N x V = 14 x 2
// makes 28 multiply-adds of 16 loads, with 16 registers 6 x 2 makes 12 of 8. N is chosen at run
// time, so that a block's tiles are cut into even shares; it loses where N is so small that the
// accumulators do not hide the latency of a multiply-add (below 4).

template <class T>
struct WinogradShape {
  static constexpr int n = Vec<T>::registers >= 32 ? 14 : 6;
  static constexpr int v = 2;
};

// Channels that one row of tiles sums over: `taps` times `blocks` blocks of a vector, of which the
// last holds `last` channels. Sums of `part` blocks are added up on their own.
struct WinogradDepth {
  Index taps, blocks, last, part;
};

template <class T, int V, int N>
[[gnu::noinline]] static void winograd_tile(const T* x, const T* weights,
                                            const WinogradDepth& depth, T* to) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  constexpr Index kAhead = 32 * V * W;  // elements of weights fetched in advance
  const Index total = depth.taps * depth.blocks;
  Index of_tap = 0;
  for (Index first = 0; first == 0 || first < total; first += depth.part) {
    typename Vt::Reg acc[N][V];
#pragma GCC unroll 14
    for (int n = 0; n < N; ++n) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) acc[n][v] = Vt::zero();
    }
    for (Index left = smaller(depth.part, total - first); left > 0; --left, x += N * W) {
      const bool ends = ++of_tap == depth.blocks;
      if (ends) of_tap = 0;
      const T* const stop = x + (ends ? depth.last : W);
      for (const T* at = x; at != stop; ++at, weights += V * W) {
        typename Vt::Reg w[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          w[v] = Vt::load(weights + v * W);
          if (v * W % (64 / static_cast<int>(sizeof(T))) == 0) {
            __builtin_prefetch(weights + kAhead + v * W);
          }
        }
#pragma GCC unroll 14
        for (int n = 0; n < N; ++n) {
          const typename Vt::Reg in = Vt::set(at[n * W]);
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) acc[n][v] = Vt::fma(in, w[v], acc[n][v]);
        }
      }
    }
#pragma GCC unroll 14
    for (int n = 0; n < N; ++n) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        T* const sum = to + (n * V + v) * W;
        Vt::store(sum, first == 0 ? acc[n][v] : Vt::add(Vt::load(sum), acc[n][v]));
      }
    }
  }
}

template <class T, int V, int N = WinogradShape<T>::n>
static inline void run_winograd_tile(Index tiles, const T* x, const T* weights,
                                     const WinogradDepth& depth, T* to) {
  if constexpr (N > 1) {
    if (tiles < N) return run_winograd_tile<T, V, N - 1>(tiles, x, weights, depth, to);
  }
  winograd_tile<T, V, N>(x, weights, depth, to);
}
