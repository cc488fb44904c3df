// im2col convolution, NCHW: a matrix product of the weights with the unfolded input, which is never
// stored whole. Any stride, dilation, padding, groups, 1-D to 3-D, forward and transposed.
//
// Loop order of a task: blocks of rows of the unfolded input (one row per input channel and kernel
// element) > unfold the block for the task's pixels, as panels one register tile wide > output
// channels > panels, with the register tile of planar_tile.inl innermost. The unfolded block stays in
// the second-level cache while all output channels pass over it. Partial sums wait in the output
// between blocks of rows.
//
// Against the direct kernel it unfolds every input element once per kernel element, which pays where
// rows are much shorter than their pitch (large dilation, one-column inputs): tiles hold only real
// outputs. Measured on 33x33 with dilation 12, 1.3 times as fast; on undilated 3x3 a tenth slower.

// One run of consecutive pixels of a tile that lie in one output row.
struct PixelRun {
  int lane, length;
  Index depth, row, col;
};

// The runs of pixels first .. first+count of a phase's grid, flattened over depth, rows, columns.
template <class T>
struct PixelRuns {
  PixelRun run[PlanarShape<T>::n];
  int count = 0;

  void build(const AxisPhase* axis, Index first, Index pixels) {
    const Index rows = axis[1].count, cols = axis[2].count;
    count = 0;
    for (Index at = first; at < first + pixels;) {
      const Index col = at % cols, line = at / cols;
      const Index length = smaller(cols - col, first + pixels - at);
      run[count++] = {static_cast<int>(at - first), static_cast<int>(length), line / rows,
                      line % rows, col};
      at += length;
    }
  }
};

// One row of a panel: the inputs that one kernel element of one channel meets.
template <class T>
static inline void unfold_row(const ConvProblem& p, const AxisPhase* axis, const Index* tap,
                              const T* channel, const PixelRuns<T>& runs, T* to) {
  for (int i = 0; i < runs.count; ++i) {
    const PixelRun& run = runs.run[i];
    const Index z = run.depth * axis[0].in_step + axis[0].offset(tap[0]);
    const Index r = run.row * axis[1].in_step + axis[1].offset(tap[1]);
    if (z < 0 || z >= p.in[0] || r < 0 || r >= p.in[1]) {
      fill_zero(to + run.lane, run.length);
      continue;
    }
    pack_row(to + run.lane, run.length, channel + z * p.x.spatial[0] + r * p.x.spatial[1],
             p.x.spatial[2], p.in[2], run.col * axis[2].in_step + axis[2].offset(tap[2]),
             axis[2].in_step);
  }
}

template <class T>
static void im2col_planar_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  constexpr Index N = PlanarShape<T>::n;
  const ConvProblem& p = *job.problem;
  const ConvPlan& plan = *job.plan;
  // The block spans whole depths: rows are numbered through depth and height.
  const AxisPhase* axis = task.axis;
  const Index pixels = axis[0].count * axis[1].count * axis[2].count;
  const Index first_pixel = task.cols.lo, last_pixel = task.cols.hi;
  if (first_pixel >= last_pixel) return;
  const Index panels = ceil_div(last_pixel - first_pixel, N);

  const Index taps = axis[0].taps * axis[1].taps * axis[2].taps;
  const Index unfolded = p.group_in() * taps;
  Index* tap_w = carver.take<Index>(plan.block_depth);
  Index* tap_x = carver.take<Index>(plan.block_depth);
  T* tile = carver.take<T>(PlanarShape<T>::m * N);
  T* panel = carver.take<T>(0);

  const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
  const T* w = static_cast<const T*>(job.w) + weight_origin(p, task.group);
  T* y = static_cast<T*>(job.y) + output_origin(p, task);
  const T* bias = static_cast<const T*>(job.bias);
  const Index first_channel = task.group * p.group_out();
  const Index y_col = axis[2].out_step * p.y.spatial[2];
  // Where outputs follow each other in memory, the pixels of a whole plane are one long row.
  const bool one_row = y_col == 1 && p.y.spatial[1] == p.out[2] &&
                       p.y.spatial[0] == p.out[1] * p.out[2] && axis[1].out_step == 1 &&
                       axis[0].out_step == 1;

  PlanarStep<T> step{};
  step.w_out = weight_out_stride(p);
  step.planes = 1;
  step.tap_w = tap_w;
  step.tap_x = tap_x;
  PixelRuns<T> runs;
  PieceList<T> pieces;

  for (Index j0 = 0; j0 == 0 || j0 < unfolded; j0 += plan.block_depth) {
    const Index depth = smaller(plan.block_depth, unfolded - j0);
    const bool first = j0 == 0, last = j0 + depth >= unfolded;
    for (Index n = 0; n < panels; ++n) {
      const Index at = first_pixel + n * N;
      const Index count = smaller(N, last_pixel - at);
      runs.build(axis, at, count);
      T* row = panel + n * plan.block_depth * N;
      Index channel = taps == 0 ? 0 : j0 / taps;
      Index rest = taps == 0 ? 0 : j0 % taps;
      Index tap[kAxes] = {rest / (axis[1].taps * axis[2].taps + (taps == 0)),
                          taps == 0 ? 0 : rest / axis[2].taps % axis[1].taps,
                          taps == 0 ? 0 : rest % axis[2].taps};
      for (Index j = 0; j < depth; ++j, row += N) {
        unfold_row(p, axis, tap, x + channel * p.x.channel, runs, row);
        if (count < N) fill_zero(row + count, N - count);
        if (n == 0) {
          tap_w[j] = channel * weight_in_stride(p);
          for (int a = 0; a < kAxes; ++a) {
            tap_w[j] += (axis[a].tap0 + tap[a] * axis[a].tap_step) * p.w.spatial[a];
          }
          tap_x[j] = j * N;
        }
        if (++tap[2] < axis[2].taps) continue;
        tap[2] = 0;
        if (++tap[1] < axis[1].taps) continue;
        tap[1] = 0;
        if (++tap[0] < axis[0].taps) continue;
        tap[0] = 0;
        ++channel;
      }
    }
    step.taps = depth;
    for (Index k = task.out_channels.lo; k < task.out_channels.hi;) {
      const int m = planar_rows<T>(task.out_channels.hi - k);
      step.w = w + k * step.w_out;
      T* y_channel = y + k * p.y.channel;
      const PlanarEpilogue<T> end{bias == nullptr ? nullptr : bias + first_channel + k,
                                  p.activation, last, job.saw_nan};
      for (Index n = 0; n < panels; ++n) {
        const Index at = first_pixel + n * N;
        const Index count = smaller(N, last_pixel - at);
        const int vectors = static_cast<int>(ceil_div(count, Vt::width));
        step.x = panel + n * plan.block_depth * N;
        pieces.count = 0;
        if (one_row) {
          pieces.build({1, last_pixel, pixels, 0, 1}, at, vectors);
        } else {
          runs.build(axis, at, count);
          for (int i = 0; i < runs.count; ++i) {
            const PixelRun& run = runs.run[i];
            pieces.add(run.lane, run.length,
                       run.depth * axis[0].out_step * p.y.spatial[0] +
                           run.row * axis[1].out_step * p.y.spatial[1] + run.col * y_col,
                       y_col);
          }
        }
        if (!first) planar_load(tile, m, vectors, pieces, y_channel, p.y.channel, y_col);
        run_planar_tile<T>(m, vectors, false, step, tile, !first);
        planar_store(tile, m, vectors, pieces, y_channel, p.y.channel, y_col, end);
      }
      k += m;
    }
  }
}

template <class T>
static void im2col_planar(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const Grid grid = pixel_grid(*job.problem, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    im2col_planar_task<T>(job, grid_task(*job.problem, *job.plan, grid, PlanarShape<T>::m, i),
                          Carver{scratch});
  }
}
