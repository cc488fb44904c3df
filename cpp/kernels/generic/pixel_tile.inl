// The register tile of the pixel kernel: up to M pixels of one row, or of a pair of short rows, x V
// vectors of output channels.
//
// Loop order: runs of products (a kernel element, or a kernel row, where the input's columns adjoin
// in its turned form), then the products of a run; one step loads V vectors of packed weights and
// broadcasts one input of every pixel. Sums stay in registers over all runs. Neighbouring pixels
// lie at one distance, so that a pointer reaches three of them, as in planar_tile.inl.
//
// 14 x 2 with 32 registers: 28 multiply-adds for 16 loads, and a vector of weights serves 14
// pixels. Measured on a register tile with AVX-512, in parts of the peak: weights in the first or
// second level cache, 14 x 2, 12 x 2, 7 x 2, 8 x 3 and 6 x 4 alike 98 to 99 %; weights that stream
// from the third, 6 x 4 39 %, 14 x 2 66 %, with prefetching 87 %. With 16 registers 6 x 2.

template <class T>
struct PixelShape {
  static constexpr int m = Vec<T>::registers >= 32 ? 14 : 6;
  static constexpr int v = 2;
  static constexpr int n = v * Vec<T>::width;
};

// `length` products of each pixel: inputs from x (of each row) on, weights from w on.
template <class T>
struct ProductRun {
  const T* x[2];
  const T* w;
  Index length;
};

template <class T>
struct PixelTile {
  const ProductRun<T>* run;
  Index runs;
  Index at, step;   // from a run's start to the first pixel, and between neighbours
  T* to;            // sums, [pixel][V*width]
  Index to_second;  // from the first row's to those of the second
  bool resume;      // adds to what is there
};

// A pixels of a row and B of the next.
template <class T, int A, int B, int V>
[[gnu::noinline]] static void pixel_rows_tile(const PixelTile<T>& tile) {
  using Vt = Vec<T>;
  constexpr int M = A + B, W = Vt::width, kFirst = (A + 2) / 3, kGroups = kFirst + (B + 2) / 3;
  // Bytes of weights: what memory needs; from the third level an eighth is enough.
  constexpr Index kAhead = 4096;
  typename Vt::Reg acc[M][V];
#pragma GCC unroll 14
  for (int m = 0; m < M; ++m) {
    const T* to = tile.to + (m < A ? m * V * W : tile.to_second + (m - A) * V * W);
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) acc[m][v] = tile.resume ? Vt::load(to + v * W) : Vt::zero();
  }
  const Index row = tile.step * static_cast<Index>(sizeof(T)), three_rows = 3 * row;
  const ProductRun<T>* const end = tile.run + tile.runs;
  for (const ProductRun<T>* run = tile.run; run != end; ++run) {
    const char* first = reinterpret_cast<const char*>(run->x[0] + tile.at);
    const char* second = B > 0 ? reinterpret_cast<const char*>(run->x[1] + tile.at) : nullptr;
    const T* w = run->w;
    for (Index c = run->length; c > 0; --c, w += V * W, first += sizeof(T), second += sizeof(T)) {
      const char* group[kGroups];
#pragma GCC unroll 10
      for (int g = 0; g < kGroups; ++g) {
        group[g] = g == 0 ? first : g == kFirst ? second : group[g - 1] + three_rows;
      }
      typename Vt::Reg weight[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        weight[v] = Vt::load(w + v * W);
        __builtin_prefetch(reinterpret_cast<const char*>(w + v * W) + kAhead);
      }
#pragma GCC unroll 14
      for (int m = 0; m < M; ++m) {
        const int in_row = m < A ? m : m - A;
        const char* at = group[(m < A ? 0 : kFirst) + in_row / 3] + (in_row % 3) * row;
        const typename Vt::Reg value = Vt::set(*reinterpret_cast<const T*>(at));
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) acc[m][v] = Vt::fma(value, weight[v], acc[m][v]);
      }
    }
  }
#pragma GCC unroll 14
  for (int m = 0; m < M; ++m) {
    T* to = tile.to + (m < A ? m * V * W : tile.to_second + (m - A) * V * W);
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) Vt::store(to + v * W, acc[m][v]);
  }
}

template <class T, int V, int M>
static inline void pixel_tile_of(Index pixels, bool pair, const PixelTile<T>& tile) {
  if constexpr (M > 0) {
    if (pixels != M) return pixel_tile_of<T, V, M - 1>(pixels, pair, tile);
    if constexpr (2 * M <= PixelShape<T>::m) {
      if (pair) return pixel_rows_tile<T, M, M, V>(tile);
    }
    pixel_rows_tile<T, M, 0, V>(tile);
  }
}

// `pixels` of one row, or as many of each row of a pair.
template <class T>
static inline void run_pixel_rows(int vectors, Index pixels, bool pair, const PixelTile<T>& tile) {
  constexpr int M = PixelShape<T>::m;
  if (vectors == 2) return pixel_tile_of<T, 2, M>(pixels, pair, tile);
  pixel_tile_of<T, 1, M>(pixels, pair, tile);
}
