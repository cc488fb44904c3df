// The register tile of all NCHW kernels: M output channels x V vectors of pixels.
//
// Loop order: input planes, then kernel elements; one step multiplies V pixel vectors with M
// broadcast weights into M*V accumulators that stay in registers from the first step to the last.
// The input vectors are read unaligned where the pixels lie (a packed block or the input itself), the
// weights where the caller keeps them: M streams, one per output channel, each read in its own
// order. So weights are read once per block of pixels and never repacked; packing them cost as much as
// the convolution on deep layers at batch 1.
//
// With 32 registers M x V = 8 x 3 leaves 24 accumulators, 3 inputs and a weight: 24 multiply-adds
// for 11 loads. With 16 registers 4 x 3: 12 for 7. A single output channel would need a load per
// multiply-add. It loses where a group has few output channels (see conv_rows.inl).

template <class T>
struct PlanarStep {
  const T* w;            // first output channel
  Index w_out, w_plane;  // strides between output channels and between planes
  const T* x;
  Index x_plane;
  Index planes;
  const Index* tap_w;  // offsets of each kernel element, in the weight and in a plane
  const Index* tap_x;
  Index taps;
  int last;  // elements of the last vector that may be read, when Partial
};

template <class T>
struct PlanarShape {
  static constexpr int m = Vec<T>::registers >= 32 ? 8 : 4;
  static constexpr int v = 3;
  static constexpr int n = v * Vec<T>::width;
};

// Adds all steps to the tile, an M x (V*width) array; starts from zero unless `resume`.
template <class T, int M, int V, bool Partial>
[[gnu::noinline]] static void planar_tile(const PlanarStep<T>& step, T* tile, bool resume) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  typename Vt::Reg acc[M][V];
  const T* w[M];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    w[m] = step.w + m * step.w_out;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[m][v] = resume ? Vt::load(tile + (m * V + v) * W) : Vt::zero();
  }
  const T* plane = step.x;
  Index w_at = 0;
  for (Index p = 0; p < step.planes; ++p) {
    for (Index t = 0; t < step.taps; ++t) {
      const T* x = plane + step.tap_x[t];
      const Index j = w_at + step.tap_w[t];
      typename Vt::Reg in[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        in[v] = Partial && v == V - 1 ? Vt::load_first(x + v * W, step.last) : Vt::load(x + v * W);
      }
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        const typename Vt::Reg weight = Vt::set(w[m][j]);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[m][v] = Vt::fma(in[v], weight, acc[m][v]);
      }
    }
    plane += step.x_plane;
    w_at += step.w_plane;
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) Vt::store(tile + (m * V + v) * W, acc[m][v]);
  }
}

template <class T, int M>
static inline void planar_tile_of(int vectors, bool partial, const PlanarStep<T>& step, T* tile,
                                  bool resume) {
  if (partial) {
    if (vectors == 3) return planar_tile<T, M, 3, true>(step, tile, resume);
    if (vectors == 2) return planar_tile<T, M, 2, true>(step, tile, resume);
    return planar_tile<T, M, 1, true>(step, tile, resume);
  }
  if (vectors == 3) return planar_tile<T, M, 3, false>(step, tile, resume);
  if (vectors == 2) return planar_tile<T, M, 2, false>(step, tile, resume);
  return planar_tile<T, M, 1, false>(step, tile, resume);
}

// The largest M of 8, 4, 2, 1 that fits into `rows` output channels.
template <class T>
static inline int planar_rows(Index rows) {
  if (PlanarShape<T>::m >= 8 && rows >= 8) return 8;
  if (rows >= 4) return 4;
  return rows >= 2 ? 2 : 1;
}

template <class T>
static inline void run_planar_tile(int rows, int vectors, bool partial, const PlanarStep<T>& step,
                                   T* tile, bool resume) {
  if constexpr (PlanarShape<T>::m >= 8) {
    if (rows == 8) return planar_tile_of<T, 8>(vectors, partial, step, tile, resume);
  }
  if (rows == 4) return planar_tile_of<T, 4>(vectors, partial, step, tile, resume);
  if (rows == 2) return planar_tile_of<T, 2>(vectors, partial, step, tile, resume);
  return planar_tile_of<T, 1>(vectors, partial, step, tile, resume);
}

// Vectors of the next tile when `left` vectors of pixels remain: four are split in two and two,
// because a tile of one vector waits for its own accumulators.
static inline int planar_vectors(Index left) {
  if (left >= 3 && left != 4) return 3;
  return left >= 2 ? 2 : 1;
}
