// Direct convolution, NCHW: any stride, dilation, padding, groups, 1-D to 3-D, forward and
// transposed.
//
// Loop order of a task, with packed weights: blocks of input channels > pack the block's input >
// pixels > output channels, with the register tile of planar_tile.inl innermost. A block has as
// many channels as one tile of pixels can read from the first-level cache, where they stay while
// all output channels pass over them; the weights stream from the second level, a sixth of the
// bytes. Partial sums wait in the output between blocks. With weights where they lie: all input
// channels at once, pixels innermost, so that each stream of weights is long and is read from
// memory once. Pixels are innermost as well where sums are short and the output is large and has
// many planes (`pixels_innermost` of the plan): eight planes are written front to back, where tiles
// of 96 would each lie pages apart (4 images of 4->96, 200x200, 4x4 kernel: from 11.6 to 7.5 ms).
//
// A pointwise convolution reads its input in place.
//
// Rows are flattened: the zeros right of a row are the zeros left of the next, so a tile runs on
// over row ends and 7-pixel rows fill 16-wide vectors (7 of 8 positions useful). Long rows are
// taken one by one, so that every tile is stored from registers to where it belongs; their last
// tile is moved back to the row's end and computes some outputs twice (3->64 of 224x224 from
// 790 to 691, 1->64 of 256x256 from 741 to 595 us). Kernel rows that lie outside the input for a
// whole tile are skipped; kernel columns too, where a kernel row reaches further than a tile.
//
// Against a loop over whole vectors per row it computes 64 positions for a 7x7 map instead of 112.
// It loses to im2col where dilation makes the pitch much longer than a row, and to the row kernel
// where a group has one input and few output channels.

// Runs of kernel elements (a kernel row, where its elements read at a fixed step, else one element)
// for one task, and which output rows each of them reaches.
struct RunTable {
  Index* w;
  Index* x;
  Range* rows;  // output rows, of the block, whose input row exists
  Index count;
  bool all_rows;                 // every run reaches every row
  Index length, x_step, w_step;  // of a run

  static RunTable carve(Carver& carver, Index capacity) {
    return {carver.take<Index>(capacity),
            carver.take<Index>(capacity),
            carver.take<Range>(capacity),
            0,
            true,
            1,
            0,
            0};
  }
};

// Where a strip of the input is packed: planes of [depth][row copies][column copies][row][pitch].
struct PackedStrip {
  PackedAxis rows, cols;
  Index pitch, copy_size, depth_size, plane_size;
};

template <class T>
static inline PackedStrip packed_strip(const ConvProblem& p, const GridTask& task, Index depths) {
  PackedStrip s{};
  s.rows = packed_axis(task.axis[1], task.rows.hi - task.rows.lo);
  s.cols = packed_axis(task.axis[2], task.cols.hi - task.cols.lo);
  // Zeros that every row's end shares with the next row's start.
  Index shared = s.cols.length - (task.cols.hi - task.cols.lo);
  for (Index c = 0; c < s.cols.copies; ++c) {
    const Range inside =
        outputs_inside(s.cols.length, p.in[2], s.cols.step, s.cols.input_start(task.cols.lo, c));
    const Index right = s.cols.length - inside.hi;
    shared = smaller(shared, inside.empty() ? 0 : smaller(inside.lo, right));
  }
  s.pitch = s.cols.length - shared;
  s.copy_size = s.rows.length * s.pitch + shared;
  s.depth_size = s.rows.copies * s.cols.copies * s.copy_size;
  // A tile reads up to its width past the last position; an odd number of cache lines per plane
  // keeps planes out of each other's cache sets.
  constexpr Index kLine = static_cast<Index>(64 / sizeof(T));
  const Index lines = ceil_div(depths * s.depth_size + PlanarShape<T>::n, kLine);
  s.plane_size = (lines | 1) * kLine;
  return s;
}

template <class T>
static void pack_plane(const ConvProblem& p, const GridTask& task, const PackedStrip& s,
                       const T* plane, Range depth_taps, T* to) {
  const AxisPhase& depth = task.axis[0];
  T* const start = to;
  for (Index z = depth_taps.lo; z < depth_taps.hi; ++z) {
    const T* slice = plane + (task.depth * depth.in_step + depth.offset(z)) * p.x.spatial[0];
    for (Index rc = 0; rc < s.rows.copies; ++rc) {
      const Index first_row = s.rows.input_start(task.rows.lo, rc);
      for (Index cc = 0; cc < s.cols.copies; ++cc) {
        const Index first_col = s.cols.input_start(task.cols.lo, cc);
        const Range inside = outputs_inside(s.pitch, p.in[2], s.cols.step, first_col);
        for (Index r = 0; r < s.rows.length; ++r, to += s.pitch) {
          const Index row = first_row + r * s.rows.step;
          if (row < 0 || row >= p.in[1]) {
            fill_zero(to, s.pitch);
          } else {
            pack_row(to, s.pitch, slice + row * p.x.spatial[1], p.x.spatial[2], inside, first_col,
                     s.cols.step);
          }
        }
        const Index shared = s.copy_size - s.rows.length * s.pitch;
        fill_zero(to, shared);
        to += shared;
      }
    }
  }
  fill_zero(to, s.plane_size - (to - start));
}

static inline void list_runs(const ConvProblem& p, const GridTask& task, const PackedStrip& s,
                             Range depth_taps, const Axes& weight, bool whole_rows,
                             RunTable& runs) {
  const AxisPhase& d = task.axis[0];
  const AxisPhase& h = task.axis[1];
  const AxisPhase& w = task.axis[2];
  const Index rows = task.rows.hi - task.rows.lo;
  // One copy of the columns: the elements of a kernel row lie a fixed step apart.
  const bool rows_run = whole_rows && s.cols.copies == 1 && w.taps > 0;
  const Index starts = rows_run ? 1 : w.taps;
  runs.count = 0;
  runs.all_rows = true;
  runs.length = rows_run ? w.taps : 1;
  runs.x_step = rows_run && w.taps > 1 ? s.cols.shift_of(1) - s.cols.shift_of(0) : 0;
  runs.w_step = w.tap_step * weight[2];
  for (Index z = depth_taps.lo; z < depth_taps.hi; ++z) {
    for (Index r = 0; r < h.taps; ++r) {
      const Range reached =
          outputs_inside(rows, p.in[1], h.in_step, task.rows.lo * h.in_step + h.offset(r));
      if (reached.empty()) continue;
      runs.all_rows = runs.all_rows && reached.lo == 0 && reached.hi == rows;
      for (Index c = 0; c < starts; ++c) {
        runs.w[runs.count] = (d.tap0 + z * d.tap_step) * weight[0] +
                             (h.tap0 + r * h.tap_step) * weight[1] +
                             (w.tap0 + c * w.tap_step) * weight[2];
        runs.x[runs.count] = (z - depth_taps.lo) * s.depth_size +
                             (s.rows.copy_of(r) * s.cols.copies + s.cols.copy_of(c)) * s.copy_size +
                             s.rows.shift_of(r) * s.pitch + s.cols.shift_of(c);
        runs.rows[runs.count] = reached;
        ++runs.count;
      }
    }
  }
}

// The runs that reach at least one of the rows [lo, hi).
static inline Index runs_reaching(const RunTable& all, Index lo, Index hi, Index* w, Index* x) {
  Index count = 0;
  for (Index t = 0; t < all.count; ++t) {
    if (all.rows[t].lo < hi && all.rows[t].hi > lo) {
      w[count] = all.w[t];
      x[count] = all.x[t];
      ++count;
    }
  }
  return count;
}

// The kernel columns that meet the input in some of `count` output columns from `col` on; a bound
// where they are none.
static inline Range columns_met(const GridTask& task, Index in, Index col, Index count) {
  const AxisPhase& w = task.axis[2];
  const Range first = w.taps_inside(col, in), last = w.taps_inside(col + count - 1, in);
  const Index lo = larger(0, smaller(w.taps, smaller(first.lo, last.lo)));
  return {lo, larger(lo, smaller(w.taps, larger(first.hi, last.hi)))};
}

// Whether tiles end with the rows of a packed strip: where that takes hardly more of them. Outputs
// that are computed twice must not be added to.
template <class T>
static bool takes_rows(const ConvProblem& p, const ConvPlan& plan, const FlatGrid& grid,
                       Index positions) {
  constexpr Index W = Vec<T>::width;
  if (plan.reads_in_place || grid.y_col != 1 || grid.cols < 2 * W) return false;
  if (grid.cols % W != 0 && (plan.block_depth < p.group_in() || p.has_addend)) return false;
  constexpr double kMore = 1.08;
  return static_cast<double>(grid.rows * ceil_div(grid.cols, W)) <=
         kMore * static_cast<double>(ceil_div(positions, W));
}

template <class T>
static void direct_planar_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  const ConvProblem& p = *job.problem;
  const ConvPlan& plan = *job.plan;
  const Index rows = task.rows.hi - task.rows.lo, cols = task.cols.hi - task.cols.lo;
  if (rows <= 0 || cols <= 0) return;

  const Range depth_taps = task.axis[0].taps_inside(task.depth, p.in[0]);
  const bool in_place = plan.reads_in_place;
  const PackedStrip strip = packed_strip<T>(p, task, depth_taps.hi - depth_taps.lo);
  const Index capacity = p.kernel.product();
  RunTable runs = RunTable::carve(carver, capacity);
  Index* tile_w = carver.take<Index>(capacity);
  Index* tile_x = carver.take<Index>(capacity);
  T* tile = carver.take<T>(PlanarShape<T>::m * PlanarShape<T>::n);
  T* packed = carver.take<T>(0);

  const Index pitch = in_place ? cols : strip.pitch;
  const FlatGrid grid{rows, cols, pitch, task.axis[1].out_step * p.y.spatial[1],
                      task.axis[2].out_step * p.y.spatial[2]};
  const Index positions = (rows - 1) * pitch + cols;
  const Index row_vectors = ceil_div(cols, Vt::width);
  const bool by_row = takes_rows<T>(p, plan, grid, positions);
  const Index vectors = by_row ? rows * row_vectors : ceil_div(positions, Vt::width);
  const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
  const PlanarWeights<T> weights = PlanarWeights<T>::of(job, task.group);
  T* y = static_cast<T*>(job.y) + output_origin(p, task) +
         task.rows.lo * task.axis[1].out_step * p.y.spatial[1] +
         task.cols.lo * task.axis[2].out_step * p.y.spatial[2];
  const T* bias = static_cast<const T*>(job.bias);
  const Index first_channel = task.group * p.group_out();
  const Index in_channels = p.group_in();
  // Sums too short to hide that outputs are fetched before they are written: the next tile's are
  // asked for beforehand. Measured on a Zen 4, outputs in the third-level cache and in memory: 27
  // products of 224x224 1.4 and 1.5 times as fast, 32 of 112x112 0.94 and 1.4; of 64 nothing. Where
  // the hardware fetches what is stored to, as on Sapphire Rapids, nothing or less on 27.
  constexpr Index kShortSum = 48;
  const bool fetches_ahead = in_channels * p.kernel.product() <= kShortSum;
  list_runs(p, task, strip, depth_taps, weights.spatial, true, runs);
  const Index reach = (runs.length - 1) * task.axis[2].offset_step;
  const bool reaches_far =
      (by_row || rows == 1) && (reach < 0 ? -reach : reach) >= PlanarShape<T>::n;
  PieceList<T> pieces;
  PlanarStep<T> step{};
  step.w_out = weights.out;
  step.w_plane = weights.in;
  step.x_plane = strip.plane_size;
  step.ahead_step = p.x.channel * static_cast<Index>(sizeof(T));

  for (Index c0 = 0; c0 == 0 || c0 < in_channels; c0 += plan.block_depth) {
    const Index planes = smaller(plan.block_depth, in_channels - c0);
    const bool first = c0 == 0, last = c0 + planes >= in_channels;
    if (in_place) {
      // One kernel element: the channels are the steps of a run.
      static constexpr Index kStart = 0;
      step.run_w = step.run_x = &kStart;
      step.runs = step.planes = 1;
      step.length = planes;
      step.x_step = p.x.channel;
      step.w_step = weights.in;
    } else {
      step.planes = planes;
      step.length = runs.length;
      step.x_step = runs.x_step;
      step.w_step = runs.w_step;
      for (Index c = 0; c < planes; ++c) {
        pack_plane(p, task, strip, x + (c0 + c) * p.x.channel, depth_taps,
                   packed + c * strip.plane_size);
      }
    }
    const T* block = in_place ? x + c0 * p.x.channel + task.cols.lo * p.x.spatial[2] : packed;

    const T* next = nullptr;  // the tile's pixels after those that the step points at
    const auto vectors_from = [&](Index v) {
      return planar_vectors(by_row ? row_vectors - v % row_vectors : vectors - v);
    };
    // Points the step at n vectors of pixels from vector v on.
    bool straight = false;
    Index skipped = 0;  // of a run's steps
    const auto take_pixels = [&](Index v, int n) {
      Index at = v * Vt::width, col = at;
      if (by_row) {
        const Index row = v / row_vectors;
        col = smaller((v - row * row_vectors) * Vt::width, cols - n * Vt::width);
        at = row * pitch + col;
      }
      step.x = block + at;
      if (reaches_far) {
        const Range met = columns_met(task, p.in[2], task.cols.lo + col, n * Vt::width);
        skipped = met.lo;
        step.x += skipped * step.x_step;
        step.length = met.hi - met.lo;
      }
      if (!in_place && runs.all_rows) {
        step.run_w = runs.w;
        step.run_x = runs.x;
        step.runs = runs.count;
      } else if (!in_place) {
        const Index end = smaller(positions, at + n * Vt::width);
        step.runs = runs_reaching(runs, at / pitch, (end - 1) / pitch + 1, tile_w, tile_x);
        step.run_w = tile_w;
        step.run_x = tile_x;
      }
      next = in_place && v + n < vectors ? step.x + n * Vt::width : nullptr;
      step.last = static_cast<int>(smaller(positions - at - (n - 1) * Vt::width, Vt::width));
      pieces.build(grid, at, n);
      straight = pieces.straight(n, grid.y_col);
    };
    const auto compute = [&](Index k, int m, int n) {
      if (fetches_ahead) {
        const T* outputs = y + k * p.y.channel + pieces.piece[0].at + n * Vt::width;
        for (int row = 0; row < m; ++row) {
          for (int v = 0; v < n; ++v) {
            __builtin_prefetch(outputs + row * p.y.channel + v * Vt::width, 1, 2);
          }
        }
      }
      fetch_ahead(next, (k - task.out_channels.lo) / PlanarShape<T>::m,
                  task.out_channels.hi - task.out_channels.lo, step);
      step.w_scale = weights.scale(m);
      step.w = weights.at(k, m, c0) + skipped * step.w_step * step.w_scale;
      const PlanarEpilogue<T> end{bias == nullptr ? nullptr : bias + first_channel + k,
                                  p.activation,
                                  last,
                                  job.saw_nan,
                                  p.has_addend,
                                  job.addend};
      compute_tile<T>(m, n, in_place && step.last < Vt::width, step, pieces, straight,
                      {y + k * p.y.channel, p.y.channel, grid.y_col}, end, tile, !first);
    };
    const Range channels = task.out_channels;
    if (!plan.pixels_innermost) {
      for (Index v = 0; v < vectors;) {
        const int n = vectors_from(v);
        take_pixels(v, n);
        for (Index k = channels.lo; k < channels.hi;) {
          const int m = planar_rows<T>(channels.hi - k);
          compute(k, m, n);
          k += m;
        }
        v += n;
      }
    } else {
      for (Index k = channels.lo; k < channels.hi;) {
        const int m = planar_rows<T>(channels.hi - k);
        for (Index v = 0; v < vectors;) {
          const int n = vectors_from(v);
          take_pixels(v, n);
          compute(k, m, n);
          v += n;
        }
        k += m;
      }
    }
  }
}

template <class T>
static void direct_planar(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const Grid grid = grid_of(*job.problem, job.plan->block_rows, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    direct_planar_task<T>(job, grid_task(*job.problem, *job.plan, grid, PlanarShape<T>::m, i),
                          Carver{scratch});
  }
}
