// The register tile of the gradients of dense weights: M output channels x V vectors of input
// channels, summed over pixels.
//
// Loop order: runs of pixels (one per output row, as far as a kernel element meets the input), then
// the pixels of a run. One pixel is V loads, M broadcasts and M*V multiply-adds into accumulators
// that stay in registers over all runs of a block; they are added to the partial sums once per
// block, or start these. Both operands are packed pixel by pixel, so strides, dilation and padding
// are only offsets and lengths of runs: no padding is ever multiplied.
//
// With 32 registers M x V = 6 x 4 leaves 24 accumulators, 4 inputs and a gradient; with 16 it is
// 6 x 2. It loses where a group has few channels on either side (weights_rows.inl).

template <class A>
struct WeightTile {
  static constexpr int m = 6;
  static constexpr int v = Vec<A>::registers >= 32 ? 4 : 2;
};

// Pixels whose gradients and inputs lie fixed steps apart.
struct PixelStretch {
  Index grad, x, count;
};

template <class A, int M, int V>
[[gnu::noinline]] static void weights_tile(const A* grad, Index grad_step, const A* x, Index x_step,
                                           const PixelStretch* runs, Index count, A* sums,
                                           Index sums_row, bool starts) {
  using Va = Vec<A>;
  constexpr int W = Va::width;
  typename Va::Reg acc[M][V];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) acc[i][j] = Va::zero();
  }
  for (Index r = 0; r < count; ++r) {
    const A* g = grad + runs[r].grad * grad_step;
    const A* in = x + runs[r].x;
    for (Index i = runs[r].count; i > 0; --i, g += grad_step, in += x_step) {
      typename Va::Reg row[V];
#pragma GCC unroll 4
      for (int j = 0; j < V; ++j) row[j] = Va::load(in + j * W);
#pragma GCC unroll 8
      for (int k = 0; k < M; ++k) {
        const typename Va::Reg scale = Va::set(g[k]);
#pragma GCC unroll 4
        for (int j = 0; j < V; ++j) acc[k][j] = Va::fma(scale, row[j], acc[k][j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int k = 0; k < M; ++k) {
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) {
      A* at = sums + k * sums_row + j * W;
      Va::store(at, starts ? acc[k][j] : Va::add(Va::load(at), acc[k][j]));
    }
  }
}

template <class A>
struct WeightTileCall {
  const A* grad;
  Index grad_step;
  const A* x;
  Index x_step;
  const PixelStretch* runs;
  Index count;
  A* sums;
  Index sums_row;
  bool starts = false;  // there are no sums yet

  template <int M, int V>
  void run() const {
    weights_tile<A, M, V>(grad, grad_step, x, x_step, runs, count, sums, sums_row, starts);
  }
  template <int V>
  void with_rows(Index m) const {
    static_assert(WeightTile<A>::m == 6);
    switch (m) {
      case 1:
        return run<1, V>();
      case 2:
        return run<2, V>();
      case 3:
        return run<3, V>();
      case 4:
        return run<4, V>();
      case 5:
        return run<5, V>();
      default:
        return run<6, V>();
    }
  }
  void of(Index m, Index v) const {
    if constexpr (WeightTile<A>::v == 4) {
      if (v == 4) return with_rows<4>(m);
      if (v == 3) return with_rows<3>(m);
    }
    if (v == 2) return with_rows<2>(m);
    with_rows<1>(m);
  }
};
