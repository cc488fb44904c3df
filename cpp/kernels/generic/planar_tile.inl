// The register tile of all NCHW kernels: M output channels x V vectors of pixels.
//
// Loop order: input planes, then runs of kernel elements, then the steps of a run, which are a
// fixed distance apart in input and weights; one step multiplies V pixel vectors with M broadcast
// weights into M*V accumulators that stay in registers from the first step to the last. Kernel
// elements in runs, not each from a table, save four integer instructions of a step's forty
// (measured: a tenth). The input vectors are read unaligned where the pixels lie (a packed block or
// the input itself), the weights either where the caller keeps them, as M streams, or packed
// (planar_pack.inl): packing costs as much as the convolution on deep layers at batch 1, and pays
// from some hundred pixels on.
//
// Input that no cache holds is fetched for the next tile of pixels, a line with each step
// (`ahead`): its planes lie pages apart, which no hardware prefetches, and a burst of requests
// between two tiles would hold up what the second-level cache delivers to them (measured: slower
// than none).
//
// With 32 registers M x V = 8 x 3 leaves 24 accumulators, 3 inputs and a weight: 24 multiply-adds
// for 11 loads. With 16 registers 4 x 3: 12 for 7. A single output channel would need a load per
// multiply-add. It loses where a group has few output channels (see conv_rows.inl).

template <class T>
struct PlanarStep {
  const T* w;            // first output channel
  Index w_out, w_plane;  // strides between output channels and between planes
  Index w_scale;         // unit of all other weight distances, in elements: see planar_pack.inl
  const T* x;
  Index x_plane;
  Index planes;
  const Index* run_w;  // where each run of kernel elements starts, in the weight and in a plane
  const Index* run_x;
  Index runs;
  Index length;          // steps of a run
  Index x_step, w_step;  // between the steps of a run
  int last;              // elements of the last vector that may be read, when Partial
  const char* ahead;     // what to fetch with the first step of a full tile; null for nothing
  Index ahead_step;      // from one step's to the next step's, in bytes
  bool ahead_all;        // fetches all lines of a tile's pixels, not one
};

template <class T>
struct PlanarShape {
  static constexpr int m = Vec<T>::registers >= 32 ? 8 : 4;
  static constexpr int v = 3;
  static constexpr int n = v * Vec<T>::width;
};

// What the i-th tile of `channels` output channels fetches of the pixels after its own, which start
// at `next`: one line of each step's input, until all lines are. The line that holds the end of a
// tile's pixels is the next tile's first.
template <class T>
static inline void fetch_ahead(const T* next, Index i, Index channels, PlanarStep<T>& step) {
  constexpr Index kLine = 64, kBytes = PlanarShape<T>::n * static_cast<Index>(sizeof(T));
  step.ahead_all = channels / PlanarShape<T>::m < ceil_div(kBytes, kLine);
  if (step.ahead_all && i > 0) next = nullptr;
  const bool fetches = Vec<T>::width > 1 && next != nullptr && i * kLine < kBytes;
  step.ahead = !fetches
                   ? nullptr
                   : reinterpret_cast<const char*>(next) + smaller((i + 1) * kLine, kBytes) - 1;
}

// Where a tile's sums go, and where they come from when a tile resumes: M rows of V vectors, `row`
// elements apart. Either a buffer or the output itself.
template <class T>
struct TileRows {
  T* at;
  Index row;
};

// What becomes of sums on their way to the output.
template <class T>
struct PlanarEpilogue {
  const T* bias;  // of the tile's first output channel; null without
  Activation activation;
  bool last;               // the sums are complete
  unsigned char* saw_nan;  // null when no padding is multiplied
  bool adds = false;       // sums start from other arrays' elements,
  Index addend = 0;        // so many elements from the outputs
};

// Bias, ReLU and NaN watch while the sums are in registers: another pass over them would cost a
// quarter of a tile of 27 products. The watch adds up all sums, which keeps any NaN; what
// infinities of both signs make of it is a false alarm, which costs time alone.
template <class T, int M, int V>
static inline void finish_registers(typename Vec<T>::Reg (&acc)[M][V],
                                    const PlanarEpilogue<T>& end) {
  using Vt = Vec<T>;
  if (end.saw_nan != nullptr) {
    typename Vt::Reg watch[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) watch[v] = acc[0][v];
#pragma GCC unroll 8
    for (int m = 1; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) watch[v] = Vt::add(watch[v], acc[m][v]);
    }
#pragma GCC unroll 4
    for (int v = 1; v < V; ++v) watch[0] = Vt::add(watch[0], watch[v]);
    if (Vt::any_nan(watch[0])) {
      __atomic_store_n(end.saw_nan, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
    }
  }
  if (end.bias != nullptr) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const typename Vt::Reg bias = Vt::set(end.bias[m]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[m][v] = Vt::add(acc[m][v], bias);
    }
  }
  if (end.activation == Activation::relu) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[m][v] = activate<T>(acc[m][v], Activation::relu);
    }
  }
}

// Adds all steps to the tile; starts from zero unless `resume`.
template <class T, int M, int V, bool Partial, int Ahead = 0>
[[gnu::noinline]] static void planar_tile(const PlanarStep<T>& step, TileRows<T> tile, bool resume,
                                          const PlanarEpilogue<T>& end) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  typename Vt::Reg acc[M][V];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      acc[m][v] = resume ? Vt::load(tile.at + m * tile.row + v * W) : Vt::zero();
  }
  // Weight streams are addressed in threes, base + {0, 1, 2}*row, which x86 does in the load
  // itself: one pointer per stream would not fit into the integer registers (measured: a tenth
  // slower).
  constexpr auto kSize = static_cast<Index>(sizeof(T));
  const char* plane = reinterpret_cast<const char*>(step.x);
  const char* weights = reinterpret_cast<const char*>(step.w);
  const Index row = step.w_out * kSize, three_rows = 3 * row, w_unit = step.w_scale * kSize;
  const Index x_plane = step.x_plane * kSize, w_plane = step.w_plane * w_unit;
  const Index x_step = step.x_step, w_step = step.w_step * w_unit;
  const char* ahead = step.ahead;
  const Index* const last_run = step.run_x + step.runs;
  const Index to_weight = step.run_w - step.run_x;
  for (Index p = step.planes; p > 0; --p) {
    for (const Index* run = step.run_x; run != last_run; ++run) {
      const T* x = reinterpret_cast<const T*>(plane + run[0] * kSize);
      const char* first_group = weights + run[to_weight] * w_unit;
      for (Index s = step.length; s > 0; --s, x += x_step, first_group += w_step) {
        const char* group[3];
        group[0] = first_group;
        group[1] = group[0] + three_rows;
        group[2] = group[1] + three_rows;
        if constexpr (Ahead > 0) {
#pragma GCC unroll 4
          for (int line = 0; line < Ahead; ++line) __builtin_prefetch(ahead + line * 64, 0, 2);
          ahead += step.ahead_step;
        }
        typename Vt::Reg in[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          in[v] =
              Partial && v == V - 1 ? Vt::load_first(x + v * W, step.last) : Vt::load(x + v * W);
        }
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) {
          const typename Vt::Reg weight =
              Vt::set(*reinterpret_cast<const T*>(group[m / 3] + (m % 3) * row));
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) acc[m][v] = Vt::fma(in[v], weight, acc[m][v]);
        }
      }
    }
    plane += x_plane;
    weights += w_plane;
  }
  if (end.last) finish_registers<T, M, V>(acc, end);
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) Vt::store(tile.at + m * tile.row + v * W, acc[m][v]);
  }
}

template <class T, int M>
static inline void planar_tile_of(int vectors, bool partial, const PlanarStep<T>& step,
                                  TileRows<T> tile, bool resume, const PlanarEpilogue<T>& end) {
  if (partial) {
    if (vectors == 3) return planar_tile<T, M, 3, true>(step, tile, resume, end);
    if (vectors == 2) return planar_tile<T, M, 2, true>(step, tile, resume, end);
    return planar_tile<T, M, 1, true>(step, tile, resume, end);
  }
  if (vectors == 3) return planar_tile<T, M, 3, false>(step, tile, resume, end);
  if (vectors == 2) return planar_tile<T, M, 2, false>(step, tile, resume, end);
  return planar_tile<T, M, 1, false>(step, tile, resume, end);
}

// The largest M of 8, 4, 2, 1 that fits into `rows` output channels.
template <class T>
static inline int planar_rows(Index rows) {
  if (PlanarShape<T>::m >= 8 && rows >= 8) return 8;
  if (rows >= 4) return 4;
  return rows >= 2 ? 2 : 1;
}

// A full tile's pixels, with those of the next fetched meanwhile.
template <class T>
static inline void run_fetching_tile(int rows, const PlanarStep<T>& step, TileRows<T> tile,
                                     bool resume, const PlanarEpilogue<T>& end) {
  constexpr int M = PlanarShape<T>::m, V = PlanarShape<T>::v;
  constexpr int kLines = (PlanarShape<T>::n * static_cast<int>(sizeof(T)) + 63) / 64;
  if (!step.ahead_all) return planar_tile<T, M, V, false, 1>(step, tile, resume, end);
  if constexpr (M >= 8) {
    if (rows == 8) return planar_tile<T, 8, V, false, kLines>(step, tile, resume, end);
  }
  if (rows == 4) return planar_tile<T, 4, V, false, kLines>(step, tile, resume, end);
  if (rows == 2) return planar_tile<T, 2, V, false, kLines>(step, tile, resume, end);
  planar_tile<T, 1, V, false, kLines>(step, tile, resume, end);
}

template <class T>
static inline void run_planar_tile(int rows, int vectors, bool partial, const PlanarStep<T>& step,
                                   TileRows<T> tile, bool resume, const PlanarEpilogue<T>& end) {
  constexpr int M = PlanarShape<T>::m, V = PlanarShape<T>::v;
  if (step.ahead != nullptr && vectors == V && !partial && (step.ahead_all || rows == M)) {
    return run_fetching_tile(rows, step, tile, resume, end);
  }
  if constexpr (M >= 8) {
    if (rows == 8) return planar_tile_of<T, 8>(vectors, partial, step, tile, resume, end);
  }
  if (rows == 4) return planar_tile_of<T, 4>(vectors, partial, step, tile, resume, end);
  if (rows == 2) return planar_tile_of<T, 2>(vectors, partial, step, tile, resume, end);
  return planar_tile_of<T, 1>(vectors, partial, step, tile, resume, end);
}

// Vectors of the next tile when `left` vectors of pixels remain: four are split in two and two,
// because a tile of one vector waits for its own accumulators.
static inline int planar_vectors(Index left) {
  if (left >= 3 && left != 4) return 3;
  return left >= 2 ? 2 : 1;
}
