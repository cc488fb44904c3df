// The register tile of Winograd's products: N tiles x V vectors of output channels, for one point.
//
// Loop order: depth taps > blocks of `width` input channels > channels of a block; one step
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
// last holds `last` channels.
struct WinogradDepth {
  Index taps, blocks, last;
};

template <class T, int V, int N>
[[gnu::noinline]] static void winograd_tile(const T* x, const T* weights,
                                            const WinogradDepth& depth, T* to) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  constexpr Index kAhead = 32 * V * W;  // elements of weights fetched in advance
  typename Vt::Reg acc[N][V];
#pragma GCC unroll 14
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) acc[n][v] = Vt::zero();
  }
  for (Index z = 0; z < depth.taps; ++z) {
    for (Index b = 1; b <= depth.blocks; ++b, x += N * W) {
      const T* const stop = x + (b < depth.blocks ? W : depth.last);
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
  }
#pragma GCC unroll 14
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) Vt::store(to + (n * V + v) * W, acc[n][v]);
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
