// The register tile of the row kernels: R output rows x V vectors along them, all planes (input
// channels, depths of the kernel) of one output channel.
//
// Loop order: planes, then input rows, then kernel columns. Output row i of a tile reads input row
// S*i + k for kernel row k, so an input vector, once loaded, is multiplied with up to R weights.
// R*V sums stay in registers from the first product to the store: none waits in memory between
// planes. Which output rows an input row reaches is known when compiling, for kernels of 3, 5 and 7
// rows throughout, for others in their first and last S*(R-1) rows and in between; a run-time test
// there would force the sums into memory. Kernels shorter than that take tiles of fewer rows.
//
// Columns that meet zero padding are loaded under masks, so a plane needs no padded copy. Sums of a
// tile do not depend on its size: each output adds its products in the order of planes, kernel rows
// and kernel columns (of long kernels of one row, first of their residues modulo the vector's
// width).

template <class T>
struct RowLimits {
  static constexpr bool many = Vec<T>::registers >= 32;
  static constexpr int vectors = many ? 4 : 2;      // of a tile of several rows
  static constexpr int single_vectors = 8;          // of a tile of one row
  static constexpr int fixed_rows = 4;              // kernels of 3, 5 and 7 rows
  static constexpr int few_rows = 3;                // of 3x3, where fewer rows are left over
  static constexpr int narrow_rows = many ? 7 : 4;  // tiles of few vectors
  static constexpr int narrow_vectors = many ? 2 : 1;
  static constexpr int tall_rows = many ? 6 : 4;  // kernels of any number of rows
  static constexpr int most_rows = 7;
};

// The inputs of one vector that are read, as elements of its one (or, at column step 2, two)
// stretches of memory.
template <class T>
struct RowMask {
  typename Vec<T>::Mask part;
};

// What the tiles of a task share. The weights of a plane lie in one piece.
template <class T>
struct RowProblem {
  Index planes;
  const Index* plane_x;  // offset of each plane's input and weights
  const Index* plane_w;
  Index x_row;          // from one input row to the next that a kernel column reads
  const Index* col_at;  // offset of each kernel column in an input row
  Index kernel_rows, kernel_cols;
  Index y_row, y_col;  // between the output rows of a tile, and between columns
  Activation activation;
  bool long_rows = false;  // one kernel row, whose columns adjoin and fill one and a half vectors
};

// One tile of one plane of outputs.
template <class T>
struct RowPlace {
  const T* x;  // input row 0, output column 0 of the block
  const T* w;
  T* y;
  T bias;
  Index lo, hi;  // input rows of the tile that exist
  int rows;      // output rows of the tile that exist
};

template <class T>
struct ColumnBlock;
template <class T>
using RowTile = void (*)(const RowProblem<T>& p, const ColumnBlock<T>& block,
                         const RowPlace<T>& place);

// Output columns that one tile covers.
template <class T>
struct ColumnBlock {
  RowTile<T> run;
  Index at;
  int vectors, last;        // elements of the last vector that exist
  Index tap_lo, tap_hi;     // kernel columns that meet the input
  const RowMask<T>* masks;  // [kernel column][vector][stretch]; null where all inputs exist
};

// How a tile loads: nothing masked; every vector under its mask; or, where a tile of three and more
// vectors has all its missing inputs in the first and the last, only those.
enum class RowEdge { none, all, ends };

template <class T, int SW>
[[gnu::always_inline]] static inline typename Vec<T>::Reg load_row(const T* x) {
  if constexpr (SW == 1) {
    return Vec<T>::load(x);
  } else {
    return Vec<T>::load_step2(x);
  }
}

template <class T, int SW>
[[gnu::always_inline]] static inline typename Vec<T>::Reg load_row(const T* x,
                                                                   const RowMask<T>* masks) {
  if constexpr (SW == 1) {
    return Vec<T>::load_masked(x, masks[0].part);
  } else {
    return Vec<T>::load_step2_masked(x, masks[0].part, masks[1].part);
  }
}

// One kernel column of one input row, for output rows LO to HI, of which row i is multiplied with
// weight(i).
template <class T, int SW, int R, int V, RowEdge Edge, int LO, int HI, class Weight>
[[gnu::always_inline]] static inline void row_column(const T* x, const RowMask<T>* masks,
                                                     const Weight& weight_of,
                                                     typename Vec<T>::Reg (&acc)[R][V]) {
  using Vt = Vec<T>;
  typename Vt::Reg in[V];
  if (HI > LO) hold_address(x);
#pragma GCC unroll 16
  for (int v = 0; v < V; ++v) {
    const T* from = x + v * SW * Vt::width;
    if (Edge == RowEdge::none || (Edge == RowEdge::ends && v != 0 && v != V - 1)) {
      in[v] = load_row<T, SW>(from);
    } else {
      in[v] = load_row<T, SW>(from, masks + v * SW);
    }
    if (HI > LO) hold<T>(in[v]);
  }
#pragma GCC unroll 16
  for (int i = LO; i <= HI; ++i) {
    const typename Vt::Reg weight = weight_of(i);
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) acc[i][v] = Vt::fma(in[v], weight, acc[i][v]);
  }
}

// The kernel columns of one input row, any number of them. Output row i has its weights at
// w[-i*back] and on.
template <class T, int SW, int R, int V, RowEdge Edge, int LO, int HI>
[[gnu::always_inline]] static inline void row_columns(const RowProblem<T>& p,
                                                      const ColumnBlock<T>& block, const T* row,
                                                      const T* w, Index back,
                                                      typename Vec<T>::Reg (&acc)[R][V]) {
  for (Index s = block.tap_lo; s < block.tap_hi; ++s) {
    const T* at = w + s;
    row_column<T, SW, R, V, Edge, LO, HI>(
        row + p.col_at[s], block.masks + s * V * SW,
        [at, back](int i) { return Vec<T>::set(at[-i * back]); }, acc);
  }
}

// Kernel columns of a tile of one row that are whole vectors apart, M of them: a loaded vector
// meets each column in another sum. One load then serves several products; each vector for itself
// would be bound by loads that straddle cache lines.
template <class T, int V, RowEdge Edge, int M>
[[gnu::always_inline]] static inline void row_strides(const T* x, const RowMask<T>* masks,
                                                      const T* w,
                                                      typename Vec<T>::Reg (&acc)[1][V]) {
  using Vt = Vec<T>;
  typename Vt::Reg weight[M];
#pragma GCC unroll 4
  for (int m = 0; m < M; ++m) weight[m] = Vt::set(w[m * Vt::width]);
#pragma GCC unroll 16
  for (int u = 0; u < V + M - 1; ++u) {
    const T* from = x + u * Vt::width;
    typename Vt::Reg in;
    if constexpr (Edge == RowEdge::none) {
      in = Vt::load(from);
    } else {
      const int m = u < V ? 0 : u - V + 1;
      in = Vt::load_masked(from, masks[m * Vt::width * V + u - m].part);
    }
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      if (u >= m && u - m < V) acc[0][u - m] = Vt::fma(in, weight[m], acc[0][u - m]);
    }
  }
}

// All columns of a long kernel row, by their residue modulo the vector's width.
template <class T, int V, RowEdge Edge>
[[gnu::always_inline]] static inline void row_long(Index kernel_cols, const RowMask<T>* masks,
                                                   const T* x, const T* w,
                                                   typename Vec<T>::Reg (&acc)[1][V]) {
  constexpr Index W = Vec<T>::width;
  for (Index residue = 0; residue < W; ++residue) {
    for (Index s = residue; s < kernel_cols; s += 4 * W) {
      const RowMask<T>* at = masks + s * V;
      const Index left = kernel_cols - s;
      if (left > 3 * W) {
        row_strides<T, V, Edge, 4>(x + s, at, w + s, acc);
      } else if (left > 2 * W) {
        row_strides<T, V, Edge, 3>(x + s, at, w + s, acc);
      } else if (left > W) {
        row_strides<T, V, Edge, 2>(x + s, at, w + s, acc);
      } else {
        row_strides<T, V, Edge, 1>(x + s, at, w + s, acc);
      }
    }
  }
}

// What a kernel of KH x KW elements keeps beside its sums: where the columns are, and of 3 x 3, if
// registers are left, the weights. Each is read for up to R input rows: with them in registers a
// tile of 4 x 3 reads 63 vectors instead of 90 for its 108 products.
template <class T, int KH, int KW, int SW, int V>
struct RowKernel {
  static constexpr bool holds = Vec<T>::registers >= 32 && KH * KW <= 9;
  Index at[KW];
  RowMask<T> masks[KW * V * SW];
  typename Vec<T>::Reg weights[holds ? KH * KW : 1];

  [[gnu::always_inline]] inline void take(const T* w) {
    if constexpr (holds) {
#pragma GCC unroll 16
      for (int i = 0; i < KH * KW; ++i) {
        weights[i] = Vec<T>::set(w[i]);
        hold<T>(weights[i]);
      }
    }
  }
};

// Input rows Y and on of a kernel of KH rows. With KW columns, those are unrolled too, else KW is
// 0.
template <class T, int KH, int KW, int S, int SW, int R, int V, RowEdge Edge, int Y, class Kernel>
[[gnu::always_inline]] static inline void fixed_steps(const RowProblem<T>& p,
                                                      const ColumnBlock<T>& block, Index lo,
                                                      Index hi, const T* x, const T* w,
                                                      const Kernel& kernel,
                                                      typename Vec<T>::Reg (&acc)[R][V]) {
  if constexpr (Y < S * (R - 1) + KH) {
    constexpr int first = Y < KH ? 0 : (Y - KH + S) / S;
    constexpr int last = Y / S < R - 1 ? Y / S : R - 1;
    if (Y >= lo && Y < hi) {
      if constexpr (KW > 0) {
#pragma GCC unroll 16
        for (int s = 0; s < KW; ++s) {
          const auto weight = [&](int i) {
            const int at = (Y - S * i) * KW + s;
            if constexpr (Kernel::holds) {
              return kernel.weights[at];
            } else {
              return Vec<T>::set(w[at]);
            }
          };
          row_column<T, SW, R, V, Edge, first, last>(x + kernel.at[s], kernel.masks + s * V * SW,
                                                     weight, acc);
        }
      } else {
        row_columns<T, SW, R, V, Edge, first, last>(p, block, x, w + Y * p.kernel_cols,
                                                    S * p.kernel_cols, acc);
      }
    }
    fixed_steps<T, KH, KW, S, SW, R, V, Edge, Y + 1>(p, block, lo, hi, x + p.x_row, w, kernel, acc);
  }
}

// The first S*(R-1) input rows of a tall kernel, and the last.
template <class T, int S, int SW, int R, int V, RowEdge Edge, bool First, int Y>
[[gnu::always_inline]] static inline void end_steps(const RowProblem<T>& p,
                                                    const ColumnBlock<T>& block,
                                                    const RowPlace<T>& place, const T* x,
                                                    const T* w, typename Vec<T>::Reg (&acc)[R][V]) {
  if constexpr (Y < S * (R - 1)) {
    constexpr int lo = First ? 0 : (Y + S) / S, hi = First ? Y / S : R - 1;
    const Index y = First ? Y : p.kernel_rows + Y;
    if (y >= place.lo && y < place.hi) {
      row_columns<T, SW, R, V, Edge, lo, hi>(p, block, x + y * p.x_row, w + y * p.kernel_cols,
                                             S * p.kernel_cols, acc);
    }
    end_steps<T, S, SW, R, V, Edge, First, Y + 1>(p, block, place, x, w, acc);
  }
}

// The way out for sums that need more than a store.
template <class T>
[[gnu::noinline]] static void finish_rows(const RowProblem<T>& p, const ColumnBlock<T>& block, T* y,
                                          const T* sums, int rows) {
  using Vt = Vec<T>;
  for (int i = 0; i < rows; ++i) {
    for (int v = 0; v < block.vectors; ++v) {
      const int count = v == block.vectors - 1 ? block.last : Vt::width;
      typename Vt::Reg sum = Vt::load(sums + (i * block.vectors + v) * Vt::width);
      if (p.activation != Activation::none) sum = activate<T>(sum, p.activation);
      T* to = y + i * p.y_row + v * Vt::width * p.y_col;
      if (p.y_col == 1) {
        Vt::store_first(to, sum, count);
        continue;
      }
      T out[Vt::width];
      Vt::store(out, sum);
      for (int e = 0; e < count; ++e) to[e * p.y_col] = out[e];
    }
  }
}

// KH = 0: any kernel of at least S*(R-1)+1 rows. KW = 0: any number of columns. Single: of one
// plane. (A loop over planes, even of one, makes the compiler move sums between registers: 3x3
// depthwise of 28x28 to 112x112 takes 1.2 times as long, measured on a Zen 4 with AVX-512.)
template <class T, int KH, int KW, int S, int SW, int R, int V, RowEdge Edge, bool Single>
[[gnu::noinline]] static void row_tile(const RowProblem<T>& p, const ColumnBlock<T>& block,
                                       const RowPlace<T>& place) {
  using Vt = Vec<T>;
  typename Vt::Reg acc[R][V];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) acc[i][v] = Vt::set(place.bias);
  }
  RowKernel<T, KW == 0 ? 1 : KH, KW == 0 ? 1 : KW, SW, V> kernel;
  if constexpr (KW > 0) {
#pragma GCC unroll 16
    for (int s = 0; s < KW; ++s) kernel.at[s] = p.col_at[s];
    if constexpr (Edge != RowEdge::none) {
#pragma GCC unroll 64
      for (int m = 0; m < KW * V * SW; ++m) {
        if (Edge == RowEdge::all || m / SW % V == 0 || m / SW % V == V - 1)
          kernel.masks[m] = block.masks[m];
      }
    }
  }
  const Index planes = Single ? 1 : p.planes;
  for (Index plane = 0; plane < planes; ++plane) {
    const T* x = place.x + p.plane_x[plane];
    const T* w = place.w + p.plane_w[plane];
    if constexpr (KH > 0) {
      if constexpr (KW > 0) kernel.take(w);
      fixed_steps<T, KH, KW, S, SW, R, V, Edge, 0>(p, block, place.lo, place.hi, x, w, kernel, acc);
    } else if (R == 1 && SW == 1 && p.long_rows) {
      if constexpr (R == 1 && SW == 1) {
        const Index hi = smaller(place.hi, p.kernel_rows);
        for (Index y = place.lo; y < hi; ++y) {
          row_long<T, V, Edge>(p.kernel_cols, block.masks, x + y * p.x_row, w + y * p.kernel_cols,
                               acc);
        }
      }
    } else {
      end_steps<T, S, SW, R, V, Edge, true, 0>(p, block, place, x, w, acc);
      const Index hi = smaller(place.hi, p.kernel_rows);
      for (Index y = larger(place.lo, S * (R - 1)); y < hi; ++y) {
        row_columns<T, SW, R, V, Edge, 0, R - 1>(p, block, x + y * p.x_row, w + y * p.kernel_cols,
                                                 S * p.kernel_cols, acc);
      }
      end_steps<T, S, SW, R, V, Edge, false, 0>(p, block, place, x, w, acc);
    }
  }
  // All other tiles are taken only where there are as many rows.
  const int rows = R == RowLimits<T>::few_rows ? place.rows : R;
  if (p.activation != Activation::none || p.y_col != 1) {
    alignas(64) T sums[R * V * Vt::width];
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) Vt::store(sums + (i * V + v) * Vt::width, acc[i][v]);
    }
    return finish_rows<T>(p, block, place.y, sums, rows);
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
    if (R == RowLimits<T>::few_rows && i >= rows) return;
    T* to = place.y + i * p.y_row;
#pragma GCC unroll 16
    for (int v = 0; v < V - 1; ++v) Vt::store(to + v * Vt::width, acc[i][v]);
    Vt::store_first(to + (V - 1) * Vt::width, acc[i][V - 1], block.last);
  }
}
