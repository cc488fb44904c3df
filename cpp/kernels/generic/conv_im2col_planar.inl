// im2col convolution, NCHW: a matrix product of the weights with the unfolded input, which is never
// stored whole. Any stride, dilation, padding, groups, 1-D to 3-D, forward and transposed.
//
// Loop order of a task: blocks of rows of the unfolded input (one row per input channel and kernel
// element) > unfold the block for the task's pixels, as panels one register tile wide > panels >
// output channels, with the register tile of planar_tile.inl innermost. Panel and weights are read
// front to back from the second-level cache. Partial sums wait in the output between blocks of
// rows. A pointwise layer copies panels one by one into the same place, which stays in the caches,
// while the next panel's input is fetched (256->48 of 129x129: from 1.90 to 1.73 ms).
//
// Against the direct kernel it unfolds every input element once per kernel element, but its vectors
// are aligned where the direct kernel's straddle cache lines, and tiles hold only real outputs
// where flattened rows hold padding: it wins with many output channels, and where dilation makes
// rows much longer than what they hold.

// Rows j0 .. j0+depth of the unfolded input, for one panel. Row j is channel j / taps, element j %
// taps.
template <class T>
static void unfold_panel(const ConvProblem& p, const AxisPhase* axis,
                         const PixelRuns<PlanarShape<T>::n>& pixels, const T* x, Index j0,
                         Index depth, T* panel) {
  constexpr int N = PlanarShape<T>::n;
  const Index taps = axis[0].taps * axis[1].taps * axis[2].taps;
  UnfoldedRow<T, N> row;
  for (Index t = 0; t < smaller(taps, depth); ++t) {
    const Index element = (j0 + t) % taps;
    const Index tap[kAxes] = {element / (axis[1].taps * axis[2].taps),
                              element / axis[2].taps % axis[1].taps, element % axis[2].taps};
    row.build(p, axis, tap, pixels);
    const T* channel = x + (j0 + t) / taps * p.x.channel;
    for (Index j = t; j < depth; j += taps, channel += p.x.channel)
      row.copy(channel, panel + j * N);
  }
}

// The same for a pointwise layer whose pixels are one row.
template <class T>
static void copy_panel(const ConvProblem& p, const T* x, Index pixels, Index depth, T* panel) {
  using Vt = Vec<T>;
  constexpr int N = PlanarShape<T>::n;
  for (Index c = 0; c < depth; ++c, x += p.x.channel, panel += N) {
    if (pixels == N) {
#pragma GCC unroll 4
      for (int v = 0; v < N; v += Vt::width) Vt::store(panel + v, Vt::load(x + v));
    } else {
      fill_zero(panel, N);
      copy_strided(panel, x, 1, pixels);
    }
  }
}

template <class T>
static void im2col_planar_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  constexpr int N = PlanarShape<T>::n;
  const ConvProblem& p = *job.problem;
  const ConvPlan& plan = *job.plan;
  const AxisPhase* axis = task.axis;
  const Index first_pixel = task.cols.lo, last_pixel = task.cols.hi;
  if (first_pixel >= last_pixel) return;
  const Index panels = ceil_div(last_pixel - first_pixel, N);

  const Index taps = axis[0].taps * axis[1].taps * axis[2].taps;
  const Index unfolded = p.group_in() * taps;
  Index* run_w = carver.take<Index>(plan.block_depth);
  Index* run_x = carver.take<Index>(plan.block_depth);
  T* tile = carver.take<T>(PlanarShape<T>::m * N);
  T* panel = carver.take<T>(0);

  const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
  const PlanarWeights<T> weights = PlanarWeights<T>::of(job, task.group);
  T* y = static_cast<T*>(job.y) + output_origin(p, task);
  const T* bias = static_cast<const T*>(job.bias);
  const Index first_channel = task.group * p.group_out();
  const Index y_col = axis[2].out_step * p.y.spatial[2];
  // Where outputs follow each other in memory, the pixels of a whole plane are one long row.
  const bool one_row = y_col == 1 && p.y.spatial[1] == p.out[2] &&
                       p.y.spatial[0] == p.out[1] * p.out[2] && axis[1].out_step == 1 &&
                       axis[0].out_step == 1;

  const bool adjoin = in_place(p);
  PlanarStep<T> step{};
  step.w_out = weights.out;
  step.planes = 1;
  step.ahead_step = p.x.channel * static_cast<Index>(sizeof(T));
  // Rows of a panel are a fixed step apart; so are their weights, unless they are only some of a
  // kernel's elements or lie scattered in the caller's array.
  const bool one_run = taps == p.kernel.product() && weights.in == taps && !p.transposed &&
                       weights.spatial[2] == 1 && weights.spatial[1] == p.kernel[2] &&
                       weights.spatial[0] == p.kernel[1] * p.kernel[2];
  step.run_w = run_w;
  step.run_x = run_x;
  step.x_step = N;
  step.w_step = 1;
  PixelRuns<N> runs;
  PieceList<T> pieces;

  for (Index j0 = 0; j0 == 0 || j0 < unfolded; j0 += plan.block_depth) {
    const Index depth = smaller(plan.block_depth, unfolded - j0);
    const bool first = j0 == 0, last = j0 + depth >= unfolded;
    for (Index n = 0; !adjoin && n < panels; ++n) {
      const Index at = first_pixel + n * N;
      runs.build(axis, at, smaller(Index{N}, last_pixel - at));
      unfold_panel(p, axis, runs, x, j0, depth, panel + n * plan.block_depth * N);
    }
    step.runs = one_run ? 1 : depth;
    step.length = one_run ? depth : 1;
    for (Index j = 0; j < step.runs; ++j) {
      const Index element = (j0 + j) % taps;
      run_w[j] = (j0 + j) / taps * weights.in +
                 (axis[0].tap0 + element / (axis[1].taps * axis[2].taps) * axis[0].tap_step) *
                     weights.spatial[0] +
                 (axis[1].tap0 + element / axis[2].taps % axis[1].taps * axis[1].tap_step) *
                     weights.spatial[1] +
                 (axis[2].tap0 + element % axis[2].taps * axis[2].tap_step) * weights.spatial[2];
      run_x[j] = j * N;
    }
    for (Index n = 0; n < panels; ++n) {
      const Index at = first_pixel + n * N;
      const Index count = smaller(Index{N}, last_pixel - at);
      const int vectors = static_cast<int>(ceil_div(count, Vt::width));
      const T* next = nullptr;
      if (adjoin) {
        const T* from = x + j0 * p.x.channel + at;
        copy_panel(p, from, count, depth, panel);
        step.x = panel;
        if (n + 1 < panels) next = from + N;
        if (n + 1 == panels && !last) next = from - n * N + depth * p.x.channel;
      } else {
        step.x = panel + n * plan.block_depth * N;
      }
      pieces.count = 0;
      if (one_row) {
        pieces.add(0, count, at, 1);
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
      const bool straight = pieces.straight(vectors, y_col);
      for (Index k = task.out_channels.lo; k < task.out_channels.hi;) {
        const int m = planar_rows<T>(task.out_channels.hi - k);
        fetch_ahead(next, (k - task.out_channels.lo) / PlanarShape<T>::m,
                    task.out_channels.hi - task.out_channels.lo, step);
        step.w = weights.at(k, m, 0);
        step.w_scale = weights.scale(m);
        const PlanarEpilogue<T> end{bias == nullptr ? nullptr : bias + first_channel + k,
                                    p.activation,
                                    last,
                                    job.saw_nan,
                                    p.has_addend,
                                    job.addend};
        compute_tile<T>(m, vectors, false, step, pieces, straight,
                        {y + k * p.y.channel, p.y.channel, y_col}, end, tile, !first);
        k += m;
      }
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
