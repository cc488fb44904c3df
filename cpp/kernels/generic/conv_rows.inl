// Direct convolution along rows, NCHW: for groups with one or few input channels and one to three
// output channels (image filters, depthwise), 1-D to 3-D, any stride and dilation, every boundary.
//
// Loop order of a task: pack a strip of padded rows > output rows in blocks of R > vectors along the
// row in blocks of V > input rows > columns of the kernel. An input vector, once loaded, is
// multiplied with up to R weights, one for each output row that it reaches; R*V accumulators stay in
// registers for the whole kernel. The strip stays in the first- or second-level cache.
//
// Against one output row at a time it saves (R-1)/R of the loads, which are unaligned and as many as the
// multiply-adds otherwise (measured on 15x15, 1080x1920: 1.8 times as fast). Outputs whose rows are a
// multiple of the dilation apart share inputs, so the block takes those. It loses where many output
// channels read the same input: that is the planar kernel's work.

template <class T>
struct RowShape {
  static constexpr int rows = Vec<T>::registers >= 32 ? 6 : 4;
  static constexpr int vectors = Vec<T>::registers >= 32 ? 4 : 2;
};

// Maps a position outside [0, n) into it; -1 where the boundary is a constant.
static inline Index boundary_index(Index i, Index n, Boundary boundary) {
  if (i >= 0 && i < n) return i;
  switch (boundary) {
    case Boundary::fill:
      return -1;
    case Boundary::nearest:
      return i < 0 ? 0 : n - 1;
    case Boundary::wrap: {
      const Index rest = i % n;
      return rest < 0 ? rest + n : rest;
    }
    case Boundary::reflect: {
      const Index period = 2 * n;
      Index rest = i % period;
      if (rest < 0) rest += period;
      return rest < n ? rest : period - 1 - rest;
    }
  }
  return -1;
}

// Input rows of one channel, padded on both sides, residues of the column stride apart.
template <class T>
struct RowStrip {
  PackedAxis cols;
  Index pitch;       // elements of one packed row (all its column copies)
  Index copy_pitch;  // elements of one column copy
  Index first_col;

  static RowStrip make(const AxisPhase& axis, Range cols) {
    RowStrip s{};
    s.cols = packed_axis(axis, cols.hi - cols.lo);
    s.first_col = cols.lo;
    // The last vector of a row reads to its full width.
    s.copy_pitch = ceil_div(s.cols.length + RowShape<T>::vectors * Vec<T>::width, 16) * 16;
    s.pitch = s.copy_pitch * s.cols.copies;
    return s;
  }

  void fill_constant(T* to, T value) const {
    for (Index i = 0; i < pitch; ++i) to[i] = value;
  }

  void pack(const ConvProblem& p, const T* row, T* to) const {
    for (Index c = 0; c < cols.copies; ++c, to += copy_pitch) {
      const Index start = cols.input_start(first_col, c);
      pack_row(to, copy_pitch, row, p.x.spatial[2], p.in[2], start, cols.step);
      if (p.boundary == Boundary::fill && p.fill_value == 0.0) continue;
      const Range inside = outputs_inside(cols.length, p.in[2], cols.step, start);
      continue_row(p, row, to, {0, smaller(inside.lo, cols.length)}, start);
      continue_row(p, row, to, {larger(inside.hi, inside.lo), cols.length}, start);
    }
  }

  // The image continues by whole pixels of samples_per_pixel interleaved samples.
  void continue_row(const ConvProblem& p, const T* row, T* to, Range range, Index start) const {
    const Index samples = p.samples_per_pixel;
    for (Index m = range.lo; m < range.hi; ++m) {
      const Index at = start + m * cols.step;
      const Index pixel = floor_div(at, samples);
      const Index from = boundary_index(pixel, p.in[2] / samples, p.boundary);
      to[m] = from < 0 ? static_cast<T>(p.fill_value)
                       : row[(from * samples + at - pixel * samples) * p.x.spatial[2]];
    }
  }
};

// What one block of output rows needs. Output row i of the block reads packed row `spacing*i + k` for
// kernel row k; packed rows that are null lie on zero padding and are skipped.
template <class T>
struct RowBlock {
  const T* const* input;  // packed rows, one pointer per step of the dilation
  int spacing;
  Index kernel_rows, kernel_cols;
  const Index* col_at;  // offset of each kernel column in a packed row
  const T* w;
  Index w_row, w_col;
};

// Adds one plane's contribution to R rows x V vectors of accumulators kept in `tile`.
template <class T, int R, int V>
[[gnu::noinline]] static void row_tile(const RowBlock<T>& block, Index at, T* tile, bool resume) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  typename Vt::Reg acc[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[i][v] = resume ? Vt::load(tile + (i * V + v) * W) : Vt::zero();
  }
  const Index steps = static_cast<Index>(block.spacing) * (R - 1) + block.kernel_rows;
  for (Index y = 0; y < steps; ++y) {
    const T* row = block.input[y];
    if (row == nullptr) continue;
    // Output row i meets kernel row y - spacing*i.
    const Index above = y - block.kernel_rows + 1;
    const int lo = static_cast<int>(above <= 0 ? 0 : ceil_div(above, block.spacing));
    const int hi = static_cast<int>(smaller(R - 1, y / block.spacing));
    const T* w = block.w + y * block.w_row;
    const Index back = block.spacing * block.w_row;
    if (lo == 0 && hi == R - 1) {
      for (Index s = 0; s < block.kernel_cols; ++s, w += block.w_col) {
        const T* x = row + at + block.col_at[s];
        typename Vt::Reg in[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) in[v] = Vt::load(x + v * W);
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) {
          const typename Vt::Reg weight = Vt::set(w[-i * back]);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) acc[i][v] = Vt::fma(in[v], weight, acc[i][v]);
        }
      }
      continue;
    }
    for (Index s = 0; s < block.kernel_cols; ++s, w += block.w_col) {
      const T* x = row + at + block.col_at[s];
      typename Vt::Reg in[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) in[v] = Vt::load(x + v * W);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) {
        if (i < lo || i > hi) continue;
        const typename Vt::Reg weight = Vt::set(w[-i * back]);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[i][v] = Vt::fma(in[v], weight, acc[i][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) Vt::store(tile + (i * V + v) * W, acc[i][v]);
  }
}

template <class T, int R>
static inline void row_tile_of(int vectors, const RowBlock<T>& block, Index at, T* tile,
                               bool resume) {
  if constexpr (RowShape<T>::vectors >= 4) {
    if (vectors == 4) return row_tile<T, R, 4>(block, at, tile, resume);
    if (vectors == 3) return row_tile<T, R, 3>(block, at, tile, resume);
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

static inline int row_count(Index left, int most) {
  if (most >= 6 && left >= 6) return 6;
  if (left >= 4) return 4;
  return left >= 2 ? 2 : 1;
}

template <class T>
static void rows_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  const ConvProblem& p = *job.problem;
  const Index rows = task.rows.hi - task.rows.lo, cols = task.cols.hi - task.cols.lo;
  if (rows <= 0 || cols <= 0) return;
  const AxisPhase& depth = task.axis[0];
  const AxisPhase& h = task.axis[1];
  const AxisPhase& w_axis = task.axis[2];
  const bool zero_fill = p.boundary == Boundary::fill && p.fill_value == 0.0;

  // Output rows `apart` apart read input rows a multiple of the dilation apart.
  const Index common = greatest_common_divisor(h.in_step, h.offset_step);
  const Index apart = h.offset_step / common;
  const Index spacing = h.in_step / common;
  const RowStrip<T> strip = RowStrip<T>::make(w_axis, task.cols);
  const Index first_row = task.rows.lo * h.in_step + h.offset0;
  const Index strip_rows = (rows - 1) * h.in_step + (h.taps - 1) * h.offset_step + 1;

  Index* col_at = carver.take<Index>(w_axis.taps);
  for (Index s = 0; s < w_axis.taps; ++s) {
    col_at[s] = strip.cols.copy_of(s) * strip.copy_pitch + strip.cols.shift_of(s);
  }
  const Index reach = spacing * (RowShape<T>::rows - 1) + h.taps;
  const T** input = carver.take<const T*>(reach);
  const T** packed_row = carver.take<const T*>(strip_rows);
  T* tile = carver.take<T>(RowShape<T>::rows * RowShape<T>::vectors * W);
  T* sums = nullptr;
  const Range depth_taps = zero_fill ? depth.taps_inside(task.depth, p.in[0]) : Range{0, depth.taps};
  const Index planes = p.group_in() * (depth_taps.hi - depth_taps.lo);
  const Index row_size = ceil_div(cols, RowShape<T>::vectors * W) * RowShape<T>::vectors * W;
  // Several planes add up in a buffer the size of the task's outputs; one plane goes straight out.
  if (planes > 1) sums = carver.take<T>(rows * row_size);
  T* packed = carver.take<T>(0);

  const Index w_out = weight_out_stride(p), w_in = weight_in_stride(p);
  const T* bias = static_cast<const T*>(job.bias);
  for (Index k = task.out_channels.lo; k < task.out_channels.hi; ++k) {
    T* y = static_cast<T*>(job.y) + output_origin(p, task) + k * p.y.channel +
           task.rows.lo * p.y.spatial[1] + task.cols.lo * p.y.spatial[2];
    const PlanarEpilogue<T> end{
        bias == nullptr ? nullptr : bias + task.group * p.group_out() + k, p.activation, true,
        job.saw_nan};
    const auto store = [&](Index row, Index at, int vectors, T* from) {
      PieceList<T> pieces;
      pieces.add(0, smaller(vectors * W, cols - at), row * p.y.spatial[1] + at * p.y.spatial[2],
                 p.y.spatial[2]);
      const TileRows<T> sums_of_row{from, 0};
      planar_finish(sums_of_row, 1, vectors, end);
      planar_store(sums_of_row, 1, pieces, y, 0, p.y.spatial[2]);
    };
    if (planes == 0) {
      for (Index r = 0; r < rows; ++r) {
        for (Index at = 0; at < cols; at += W) {
          fill_zero(tile, W);
          store(r, at, 1, tile);
        }
      }
      continue;
    }
    Index plane = 0;
    for (Index c = 0; c < p.group_in(); ++c) {
      for (Index z = depth_taps.lo; z < depth_taps.hi; ++z, ++plane) {
        const Index depth_at = boundary_index(task.depth * depth.in_step + depth.offset(z), p.in[0],
                                              p.boundary);
        const T* slice = depth_at < 0 ? nullptr
                                      : static_cast<const T*>(job.x) + input_origin(p, task) +
                                            c * p.x.channel + depth_at * p.x.spatial[0];
        // With one plane and several output channels the strip packed for the first serves all.
        if (planes > 1 || k == task.out_channels.lo) {
          T* to = packed;
          for (Index r = 0; r < strip_rows; ++r) {
            const Index from = boundary_index(first_row + r, p.in[1], p.boundary);
            packed_row[r] = nullptr;
            const bool reached = common == 1 || r % common == 0;
            if (!reached || (zero_fill && (from < 0 || slice == nullptr))) continue;
            packed_row[r] = to;
            if (from < 0 || slice == nullptr) {
              strip.fill_constant(to, static_cast<T>(p.fill_value));
            } else {
              strip.pack(p, slice + from * p.x.spatial[1], to);
            }
            to += strip.pitch;
          }
        }
        RowBlock<T> block{input,
                          static_cast<int>(spacing),
                          h.taps,
                          w_axis.taps,
                          col_at,
                          static_cast<const T*>(job.w) + weight_origin(p, task.group) + k * w_out +
                              c * w_in + (depth.tap0 + z * depth.tap_step) * p.w.spatial[0],
                          p.w.spatial[1],
                          p.w.spatial[2]};
        const bool first = plane == 0, last = plane == planes - 1;
        for (Index start = 0; start < smaller(apart, rows); ++start) {
          const Index members = ceil_div(rows - start, apart);
          for (Index i = 0; i < members;) {
            const int r = row_count(members - i, RowShape<T>::rows);
            const Index base = (start + i * apart) * h.in_step;
            for (Index y_at = 0; y_at < spacing * (r - 1) + h.taps; ++y_at) {
              input[y_at] = packed_row[base + y_at * h.offset_step];
            }
            for (Index at = 0; at < cols; at += RowShape<T>::vectors * W) {
              const int vectors =
                  static_cast<int>(smaller(RowShape<T>::vectors, ceil_div(cols - at, W)));
              for (int m = 0; !first && m < r; ++m) {
                copy_strided(tile + m * vectors * W, sums + (start + (i + m) * apart) * row_size + at,
                             1, vectors * W);
              }
              run_row_tile<T>(r, vectors, block, at, tile, !first);
              for (int m = 0; m < r; ++m) {
                const Index row = start + (i + m) * apart;
                if (last) {
                  store(row, at, vectors, tile + m * vectors * W);
                } else {
                  copy_strided(sums + row * row_size + at, tile + m * vectors * W, 1, vectors * W);
                }
              }
            }
            i += r;
          }
        }
      }
    }
  }
}

template <class T>
static void rows(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const Grid grid = grid_of(*job.problem, job.plan->block_rows, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    rows_task<T>(job, grid_task(*job.problem, *job.plan, grid, 1, i), Carver{scratch});
  }
}
