// Transposed convolution with a stride, NCHW, as one matrix product and an addition of shifted
// planes: for layers with many input channels. Any kernel, dilation, padding, groups, 1-D to 3-D.
//
// Loop order of a task: turn the inputs that it reads so that the channels of a position lie next
// to each other > lots of output channels > panels of two vectors of columns > tiles of positions >
// depth taps and input channels, with the register tile of winograd_gemm.inl. A column is a kernel
// element of an output channel; the weights of an input channel hold all columns next to each
// other, so packing them is copying, without a transposition. Products of eight tiles are
// transposed while they lie in the first-level cache, into one plane of positions per column. Then
// every output of the lot's channels is the sum of the planes that meet in it, each at an offset;
// phases of columns are interleaved on their way out. Planes have a border of zeros, so no sum asks
// where it ends.
//
// No position outside the input is computed and no inserted zero multiplied: 16 positions of a 4x4
// map cost 16, where strips with the padding between rows cost 29 for each phase. The weights of
// all phases are read once; in a plain call each task copies those of some lots as it comes to
// them, into its second-level cache.
//
// It loses where the sum over the input channels is short, because a product is stored, loaded and
// transposed once for every column.

// The lots of output channels of a group, and what a lot's packed weights are.
template <class T>
struct ColumnLots {
  static constexpr Index W = Vec<T>::width;
  const ConvProblem& p;
  Index channels, taps;  // of a lot; kernel elements of one depth
  Index depth;           // input channels of all depth taps: rows of the product

  explicit ColumnLots(const ConvProblem& problem)
      : p(problem),
        channels(subpixel_column_lot(problem, W)),
        taps(problem.kernel[1] * problem.kernel[2]),
        depth(problem.group_in() * problem.kernel[0]) {}

  Index count() const { return ceil_div(p.group_out(), channels); }
  Index channels_of(Index lot) const { return smaller(channels, p.group_out() - lot * channels); }
  Index vectors_of(Index lot) const { return ceil_div(channels_of(lot) * taps, W); }
  // Elements of a lot, of which the last may leave some unused.
  Index size(Index rows) const { return ceil_div(channels * taps, W) * W * rows; }
};

// Whether the columns of an input channel adjoin.
static inline bool columns_adjoin(const ConvProblem& p) {
  const Index taps = p.kernel[1] * p.kernel[2];
  return p.kernel[0] == 1 && kernel_adjoins(p) &&
         (p.group_out() == 1 || weight_out_stride(p) == taps);
}

// One row of a lot, `count` adjoining columns from `from` on, to the lot's panels of `rows` rows;
// the row that is `ahead` elements further is fetched.
template <class T>
static inline void copy_columns(const T* from, Index count, Index ahead, Index row, Index rows,
                                T* to) {
  using Vt = Vec<T>;
  constexpr Index W = Vt::width;
  T* panel = to + 2 * row * W;
  for (; count > 0; count -= 2 * W, from += 2 * W, panel += 2 * rows * W) {
    __builtin_prefetch(from + ahead);
    __builtin_prefetch(from + ahead + W);
    if (count >= 2 * W) {
      Vt::store(panel, Vt::load(from));
      Vt::store(panel + W, Vt::load(from + W));
    } else if (count > W) {
      Vt::store(panel, Vt::load(from));
      Vt::store(panel + W, Vt::load_first(from + W, static_cast<int>(count - W)));
    } else {
      Vt::store(panel - row * W, Vt::load_first(from, static_cast<int>(count)));
    }
  }
}

// Packs the columns of lots `lots`, for the depth taps of phase `d`, as rows `row` and following of
// `rows`: [lot][panel of two vectors][row][column], zeros past a lot's last column.
template <class T>
static void pack_columns(const ColumnLots<T>& columns, const T* w, Range lots, const AxisPhase& d,
                         Index row, Index rows, T* to) {
  constexpr Index W = Vec<T>::width, kAhead = 16;
  const ConvProblem& p = columns.p;
  const Index w_in = weight_in_stride(p), w_out = weight_out_stride(p), taps = columns.taps;
  const bool adjoin = columns_adjoin(p);
  const Index lot_size = columns.size(rows), channels = p.group_in();
  const Index lot_columns = columns.channels * taps;
  const Index last_columns = columns.channels_of(lots.hi - 1) * taps;
  for (Index z = 0; z < d.taps; ++z) {
    const T* slice = w + (d.tap0 + z * d.tap_step) * p.w.spatial[0];
    for (Index c = 0; c < channels; ++c, slice += w_in, ++row) {
      for (Index lot = lots.lo; lot < lots.hi; ++lot) {
        const T* from = slice + lot * columns.channels * w_out;
        const Index count = lot == lots.hi - 1 ? last_columns : lot_columns;
        T* const at = to + (lot - lots.lo) * lot_size;
        if (adjoin) {
          copy_columns(from, count, kAhead * w_in, row, rows, at);
          continue;
        }
        const Index vectors = ceil_div(count, W);
        for (Index v = 0; v < vectors; ++v) {
          const Index in_panel = smaller(2, vectors - v / 2 * 2);
          T* place = at + (v / 2 * 2 * rows + row * in_panel + v % 2) * W;
          for (Index e = 0; e < W; ++e) {
            const Index column = v * W + e, tap = column % taps;
            place[e] = column >= count
                           ? T(0)
                           : from[column / taps * w_out + tap / p.kernel[2] * p.w.spatial[1] +
                                  tap % p.kernel[2] * p.w.spatial[2]];
          }
        }
      }
    }
  }
}

// Rows of packed weights before those of a phase of depths.
static inline Index rows_before_phase(const ConvProblem& p, Index phase) {
  Index taps = 0;
  for (Index i = 0; i < phase; ++i) taps += axis_phase(p, 0, i).taps;
  return taps * p.group_in();
}

// Phase 0: task = (group, lot).
template <class T>
static void pack_transposed_columns(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const ColumnLots<T> columns(p);
  for (Index i = begin; i < end; ++i) {
    const Index group = i / columns.count(), lot = i % columns.count();
    T* to = reinterpret_cast<T*>(job.shared) + i * columns.size(columns.depth);
    for (Index phase = 0; phase < p.stride[0]; ++phase) {
      pack_columns(columns, static_cast<const T*>(job.w) + weight_origin(p, group), {lot, lot + 1},
                   axis_phase(p, 0, phase), rows_before_phase(p, phase), columns.depth, to);
    }
  }
}

template <class T>
struct ColumnsTask {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  static constexpr Index W = Vt::width, N = WinogradShape<T>::n;
  static constexpr Index kTiles = 8;  // whose products are transposed together

  const ConvJob& job;
  const ConvProblem& p;
  const GridTask& task;
  const ColumnLots<T> columns;
  Range depth_taps, in_rows, in_cols;  // that the task reads
  Index cols, pitch, plane_size;       // positions of a row; of a plane
  Index shift;                         // of the first input position in a plane
  Index positions, blocks;             // vectors of input channels, of all depth taps
  T *packed, *products, *planes, *line, *own;
  Index line_pitch;
  Index *offsets, *starts;  // of the planes that meet in each phase

  ColumnsTask(const ConvJob& given, const GridTask& of, Carver carver)
      : job(given), p(*given.problem), task(of), columns(p) {
    const AxisPhase &h = task.axis[1], &w = task.axis[2];
    depth_taps = task.axis[0].taps_inside(task.depth, p.in[0]);
    const Index rows = task.rows.hi - task.rows.lo;
    cols = task.cols.hi - task.cols.lo;
    pitch = cols + w.taps - 1;
    const Index first_row = task.rows.lo + h.offset0, first_col = task.cols.lo + w.offset0;
    in_rows = {larger(0, first_row), smaller(p.in[1], first_row + rows + h.taps - 1)};
    in_cols = {larger(0, first_col), smaller(p.in[2], first_col + pitch)};
    shift = (in_rows.lo - first_row) * pitch + in_cols.lo - first_col;
    positions = in_rows.empty() || in_cols.empty() || depth_taps.empty()
                    ? 0
                    : (in_rows.hi - in_rows.lo) * (in_cols.hi - in_cols.lo);
    blocks = (depth_taps.hi - depth_taps.lo) * ceil_div(p.group_in(), W);
    plane_size = subpixel_plane(p, rows, cols, W);
    offsets = carver.take<Index>(columns.taps);
    starts = carver.take<Index>(p.stride[1] * p.stride[2] + 1);
    packed = carver.take<T>(positions * blocks * W);
    products = carver.take<T>((kTiles * N + W) * 2 * W);
    line_pitch = ceil_div(cols, W) * W;
    line = carver.take<T>(p.stride[2] * line_pitch);
    const Index all = columns.size(1) * plane_size + W;
    planes = carver.take<T>(all);
    own = carver.take<T>(0);
    fill_zero(planes, all);
    list_planes();
  }

  // Tiles of N positions, of which the last two are even.
  Index tiles() const { return ceil_div(positions, N); }
  Range tile(Index index) const {
    const Index whole = larger(0, tiles() - 2), rest = positions - whole * N;
    if (index < whole) return {index * N, (index + 1) * N};
    if (tiles() == 1) return {0, positions};
    return index == whole ? Range{whole * N, whole * N + rest / 2}
                          : Range{whole * N + rest / 2, positions};
  }

  // The planes of an output channel that meet in each phase of rows and columns.
  void list_planes() {
    Index count = 0, pair = 0;
    for (Index ph = 0; ph < p.stride[1]; ++ph) {
      const AxisPhase h = subpixel_phase(p, 1, ph);
      for (Index pw = 0; pw < p.stride[2]; ++pw) {
        const AxisPhase w = subpixel_phase(p, 2, pw);
        starts[pair++] = count;
        for (Index r = 0; r < h.taps; ++r) {
          for (Index c = 0; c < w.taps; ++c) {
            const Index tap = (h.tap0 + r * h.tap_step) * p.kernel[2] + w.tap0 + c * w.tap_step;
            offsets[count++] = tap * plane_size + (h.offset(r) - task.axis[1].offset0) * pitch +
                               w.offset(c) - task.axis[2].offset0;
          }
        }
      }
    }
    starts[pair] = count;
  }

  // The inputs, as [tile][depth tap][vector of channels][position].
  void turn_input() const {
    const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
    const Index step = p.x.spatial[2], width = in_cols.hi - in_cols.lo;
    const bool adjoin = p.x.spatial[1] == width * step;
    const Index height = in_rows.hi - in_rows.lo;
    const Index lines = adjoin ? 1 : height, length = adjoin ? width * height : width;
    Index block = 0;
    for (Index z = depth_taps.lo; z < depth_taps.hi; ++z) {
      const T* slice =
          x + (task.depth * task.axis[0].in_step + task.axis[0].offset(z)) * p.x.spatial[0] +
          in_rows.lo * p.x.spatial[1] + in_cols.lo * step;
      for (Index c = 0; c < p.group_in(); c += W, ++block) {
        const int channels = static_cast<int>(smaller(W, p.group_in() - c));
        Index at = 0, index = 0;
        Range in = tile(0);
        for (Index r = 0; r < lines; ++r) {
          const T* from = slice + c * p.x.channel + r * p.x.spatial[1];
          for (Index i = 0; i < length; i += W) {
            const int count = static_cast<int>(smaller(W, length - i));
            Reg square[W];
            turn(from + i * step, channels, count, square);
            for (int e = 0; e < count; ++e, ++at) {
              if (at == in.hi) in = tile(++index);
              const Index tile_size = in.hi - in.lo;
              Vt::store(packed + (in.lo * blocks + block * tile_size + at - in.lo) * W, square[e]);
            }
          }
        }
      }
    }
  }

  // `count` positions of `channels` planes, as vectors of channels.
  void turn(const T* from, int channels, int count, Reg* square) const {
    const Index step = p.x.spatial[2];
    T gathered[W];
    for (int c = 0; c < W; ++c) {
      const T* plane = from + c * p.x.channel;
      if (c >= channels) {
        square[c] = Vt::zero();
      } else if (step != 1) {
        for (int e = 0; e < W; ++e) gathered[e] = e < count ? plane[e * step] : T(0);
        square[c] = Vt::load(gathered);
      } else {
        square[c] = count == W ? Vt::load(plane) : Vt::load_first(plane, count);
      }
    }
    Vt::transpose(square);
  }

  // Products of one panel of columns, to their planes.
  template <int V>
  void multiply(const T* weights, T* to) const {
    const Index taps = depth_taps.hi - depth_taps.lo, of_tap = ceil_div(p.group_in(), W);
    const WinogradDepth depth{taps, of_tap, (p.group_in() - 1) % W + 1, larger(1, taps * of_tap)};
    for (Index at = 0; at < tiles();) {
      const Index first = tile(at).lo, stop = smaller(tiles(), at + kTiles);
      for (; at < stop; ++at) {
        const Range in = tile(at);
        run_winograd_tile<T, V>(in.hi - in.lo, packed + in.lo * blocks * W, weights, depth,
                                products + (in.lo - first) * V * W);
      }
      spread<V>({first, tile(stop - 1).hi}, to);
    }
  }

  // Products of some positions, [position][column], to the columns' planes.
  template <int V>
  void spread(Range some, T* to) const {
    const Index width = in_cols.hi - in_cols.lo;
    for (Index at = some.lo; at < some.hi; at += W) {
      const Index stop = smaller(some.hi, at + W);
      for (int v = 0; v < V; ++v) {
        Reg square[W];
        for (Index e = 0; e < W; ++e) {
          square[e] = Vt::load(products + ((at - some.lo + e) * V + v) * W);
        }
        Vt::transpose(square);
        T* const plane = to + v * W * plane_size + shift;
        for (Index q = at; q < stop;) {
          // Positions of one row, or of all where rows adjoin in the planes.
          const Index row = width == pitch ? 0 : q / width;
          const Index end = width == pitch ? stop : smaller(stop, (row + 1) * width);
          T* place = plane + at + row * (pitch - width);
          const int lo = static_cast<int>(q - at), hi = static_cast<int>(end - at);
          if (hi - lo == W) {
#pragma GCC unroll 16
            for (int c = 0; c < W; ++c) Vt::store(place + c * plane_size, square[c]);
          } else {
            for (int c = 0; c < W; ++c) Vt::store_range(place + c * plane_size, square[c], lo, hi);
          }
          q = end;
        }
      }
    }
  }

  // Outputs of one channel, from its planes.
  void finish(Index channel, const T* from) const {
    const SubpixelOutput<T> output = SubpixelOutput<T>::of(job, task, pitch);
    const Reg bias =
        Vt::set(job.bias == nullptr
                    ? T(0)
                    : static_cast<const T*>(job.bias)[task.group * p.group_out() + channel]);
    for (Index r = task.rows.lo; r < task.rows.hi; ++r, from += pitch) {
      for (Index ph = 0; ph < p.stride[1]; ++ph) {
        const Index out_row = task.axis[1].out_start + r * p.stride[1] + ph;
        if (out_row < 0 || out_row >= p.out[1]) continue;
        for (Index pw = 0; pw < p.stride[2]; ++pw) {
          const Index pair = ph * p.stride[2] + pw;
          const Index first = starts[pair], last = starts[pair + 1];
          for (Index i = 0; i < cols; i += W) {
            Reg sum = first == last ? Vt::zero() : Vt::load(from + i + offsets[first]);
            for (Index k = first + 1; k < last; ++k) {
              sum = Vt::add(sum, Vt::load(from + i + offsets[k]));
            }
            sum = Vt::add(sum, bias);
            if (p.activation != Activation::none) sum = activate<T>(sum, p.activation);
            Vt::store(line + pw * line_pitch + i, sum);
          }
        }
        output.store_row(line, line_pitch, cols,
                         task.axis[2].out_start + task.cols.lo * p.stride[2],
                         output.y + channel * p.y.channel + out_row * p.y.spatial[1]);
      }
    }
  }

  void run() const {
    const bool in_passing = job.plan->tasks[0] == 0;
    const Index first = task.out_channels.lo / columns.channels;
    const Index last = ceil_div(task.out_channels.hi, columns.channels);
    const AxisPhase& d = task.axis[0];
    const Index rows = in_passing ? d.taps * p.group_in() : columns.depth;
    const Index skipped =
        (in_passing ? 0 : rows_before_phase(p, d.out_start)) + depth_taps.lo * p.group_in();
    const Index together = subpixel_lots_together(p, W, static_cast<Index>(sizeof(T)));
    if (positions > 0) turn_input();
    for (Index lot = first; lot < last; ++lot) {
      const T* weights = reinterpret_cast<const T*>(job.shared) +
                         (task.group * columns.count() + lot) * columns.size(rows);
      if (in_passing) {
        if ((lot - first) % together == 0 && positions > 0) {
          pack_columns(columns, static_cast<const T*>(job.w) + weight_origin(p, task.group),
                       {lot, smaller(last, lot + together)}, d, 0, rows, own);
        }
        weights = own + (lot - first) % together * columns.size(rows);
      }
      const Index vectors = columns.vectors_of(lot);
      for (Index v = 0; v < vectors && positions > 0; v += 2) {
        const T* panel = weights + v * rows * W;
        T* to = planes + v * W * plane_size;
        if (vectors - v >= 2) {
          multiply<2>(panel + skipped * 2 * W, to);
        } else {
          multiply<1>(panel + skipped * W, to);
        }
      }
      for (Index c = 0; c < columns.channels_of(lot); ++c) {
        finish(lot * columns.channels + c, planes + c * columns.taps * plane_size);
      }
    }
  }
};

template <class T>
static void transposed_pixels(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Grid grid = subpixel_grid(p, job.plan->block_rows, job.plan->block_cols);
  const Index lot = subpixel_column_lot(p, Vec<T>::width);
  for (Index i = begin; i < end; ++i) {
    const GridTask task = subpixel_task(p, *job.plan, grid, lot, i);
    if (task.rows.hi <= task.rows.lo || task.cols.hi <= task.cols.lo) continue;
    ColumnsTask<T>(job, task, Carver{scratch}).run();
  }
}
