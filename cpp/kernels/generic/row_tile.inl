// The register tile of the row kernel: R output rows x V vectors along them.
//
// Loop order: input rows, then kernel columns. Output row i of a block reads packed row spacing*i +
// k for kernel row k, so an input row reaches up to R output rows, each with its own weight. For
// kernels of 3, 5 and 7 rows at spacing 1 or 2 the input rows are unrolled, so that which output
// rows a vector reaches is known when compiling; other kernels decide it once per input row.

template <class T>
struct RowShape {
  static constexpr int rows = Vec<T>::registers >= 32 ? 6 : 4;
  static constexpr int vectors = Vec<T>::registers >= 32 ? 4 : 2;
};

template <class T>
struct RowBlock {
  const T* const* input;  // packed rows, one pointer per step of the dilation; null on zero padding
  Index spacing;
  Index kernel_rows, kernel_cols;
  const Index* col_at;  // offset of each kernel column in a packed row
  const T* w;
  Index w_row, w_col;
};

// The kernel columns of one input row, for output rows i in [lo, hi] of which row i has weights at
// w - i*back.
template <class T, int R, int V>
static inline void row_columns(const RowBlock<T>& block, const T* row, const T* w, Index back,
                               int lo, int hi, typename Vec<T>::Reg (&acc)[R][V]) {
  using Vt = Vec<T>;
  for (Index s = 0; s < block.kernel_cols; ++s, w += block.w_col) {
    const T* x = row + block.col_at[s];
    typename Vt::Reg in[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) in[v] = Vt::load(x + v * Vt::width);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      if (i < lo || i > hi) continue;
      const typename Vt::Reg weight = Vt::set(w[-i * back]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[i][v] = Vt::fma(in[v], weight, acc[i][v]);
    }
  }
}

template <class T, int R, int V>
static inline void store_rows(typename Vec<T>::Reg (&acc)[R][V], T* tile) {
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) Vec<T>::store(tile + (i * V + v) * Vec<T>::width, acc[i][v]);
  }
}

template <class T, int R, int V>
static inline void load_rows(typename Vec<T>::Reg (&acc)[R][V], const T* tile, bool resume) {
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      acc[i][v] = resume ? Vec<T>::load(tile + (i * V + v) * Vec<T>::width) : Vec<T>::zero();
    }
  }
}

// Any kernel. Adds one plane's contribution to the tile, an R x (V*width) array.
template <class T, int R, int V>
[[gnu::noinline]] static void row_tile(const RowBlock<T>& block, Index at, T* tile, bool resume) {
  typename Vec<T>::Reg acc[R][V];
  load_rows<T, R, V>(acc, tile, resume);
  const Index steps = block.spacing * (R - 1) + block.kernel_rows;
  const Index back = block.spacing * block.w_row;
  for (Index y = 0; y < steps; ++y) {
    const T* row = block.input[y];
    if (row == nullptr) continue;
    // Output row i meets kernel row y - spacing*i.
    const Index above = y - block.kernel_rows + 1;
    const int lo = static_cast<int>(above <= 0 ? 0 : ceil_div(above, block.spacing));
    const int hi = static_cast<int>(smaller(R - 1, y / block.spacing));
    const T* w = block.w + y * block.w_row;
    if (lo == 0 && hi == R - 1) {
      row_columns<T, R, V>(block, row + at, w, back, 0, R - 1, acc);
    } else {
      row_columns<T, R, V>(block, row + at, w, back, lo, hi, acc);
    }
  }
  store_rows<T, R, V>(acc, tile);
}

// A kernel of K rows at spacing S.
template <class T, int K, int S, int R, int V>
[[gnu::noinline]] static void row_tile_fixed(const RowBlock<T>& block, Index at, T* tile,
                                             bool resume) {
  typename Vec<T>::Reg acc[R][V];
  load_rows<T, R, V>(acc, tile, resume);
  const Index back = S * block.w_row;
#pragma GCC unroll 16
  for (int y = 0; y < S * (R - 1) + K; ++y) {
    const T* row = block.input[y];
    if (row == nullptr) continue;
    const int lo = y - K + 1 <= 0 ? 0 : (y - K + S) / S;
    const int hi = y / S < R - 1 ? y / S : R - 1;
    row_columns<T, R, V>(block, row + at, block.w + y * block.w_row, back, lo, hi, acc);
  }
  store_rows<T, R, V>(acc, tile);
}

template <class T, int K, int S, int R>
static inline void row_tile_fixed_of(int vectors, const RowBlock<T>& block, Index at, T* tile,
                                     bool resume) {
  if constexpr (RowShape<T>::vectors >= 4) {
    if (vectors == 4) return row_tile_fixed<T, K, S, R, 4>(block, at, tile, resume);
  }
  if (vectors == 2) return row_tile_fixed<T, K, S, R, 2>(block, at, tile, resume);
  return row_tile_fixed<T, K, S, R, 1>(block, at, tile, resume);
}

template <class T, int R>
static inline void row_tile_of(int vectors, const RowBlock<T>& block, Index at, T* tile,
                               bool resume) {
  if constexpr (R <= 4) {
    if (block.spacing == 1) {
      if (block.kernel_rows == 3)
        return row_tile_fixed_of<T, 3, 1, R>(vectors, block, at, tile, resume);
      if (block.kernel_rows == 5)
        return row_tile_fixed_of<T, 5, 1, R>(vectors, block, at, tile, resume);
      if (block.kernel_rows == 7)
        return row_tile_fixed_of<T, 7, 1, R>(vectors, block, at, tile, resume);
    }
    if (block.spacing == 2) {
      if (block.kernel_rows == 3)
        return row_tile_fixed_of<T, 3, 2, R>(vectors, block, at, tile, resume);
      if (block.kernel_rows == 5)
        return row_tile_fixed_of<T, 5, 2, R>(vectors, block, at, tile, resume);
    }
  }
  if constexpr (RowShape<T>::vectors >= 4) {
    if (vectors == 4) return row_tile<T, R, 4>(block, at, tile, resume);
  }
  if (vectors == 2) return row_tile<T, R, 2>(block, at, tile, resume);
  return row_tile<T, R, 1>(block, at, tile, resume);
}

template <class T>
static inline void run_row_tile(int rows, int vectors, const RowBlock<T>& block, Index at, T* tile,
                                bool resume) {
  if constexpr (RowShape<T>::rows >= 6) {
    if (rows == 6) return row_tile_of<T, 6>(vectors, block, at, tile, resume);
  }
  if (rows == 4) return row_tile_of<T, 4>(vectors, block, at, tile, resume);
  if (rows == 2) return row_tile_of<T, 2>(vectors, block, at, tile, resume);
  return row_tile_of<T, 1>(vectors, block, at, tile, resume);
}

// Output rows of the next block when `left` remain: six only where the kernel is tall enough to
// reach them all from most input rows.
template <class T>
static inline int row_count(Index left, Index kernel_rows) {
  if (RowShape<T>::rows >= 6 && left >= 6 && kernel_rows > 7) return 6;
  if (left >= 4) return 4;
  return left >= 2 ? 2 : 1;
}

// Vectors of the next block when `left` remain.
template <class T>
static inline int row_vectors(Index left) {
  if (RowShape<T>::vectors >= 4 && left >= 4) return 4;
  return left >= 2 ? 2 : 1;
}
