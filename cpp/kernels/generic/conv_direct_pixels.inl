// Direct convolution, NCHW, with pixels broadcast: any stride, dilation, padding, groups, 1-D to
// 3-D, forward and transposed. For layers with many output channels and enough pixels to pay for
// two transpositions.
//
// Loop order of a task, a block of rows: turn the inputs that it reads so that the channels of a
// position lie next to each other > panels of output channels > groups of pixels > tiles of M
// pixels > kernel elements > input channels. From there on it is the kernel of
// conv_channels_last.inl: M pixels x V vectors of output channels in accumulators, one pointer per
// pixel, padding by pointers to a row of zeros, kernel elements that only meet padding skipped. A
// group of tiles is transposed in cache on its way to the output.
//
// Against direct_planar, whose vectors of pixels straddle cache lines wherever rows are not a
// multiple of a vector, and whose planes lie pages apart, every load here is aligned or a single
// element, in streams that the hardware prefetches, and no padding between rows is computed. It
// loses where the sum over channels and kernel elements is short, because of the two
// transpositions, and where output channels do not fill a panel.

// Pixels that are stored together: whole vectors and whole tiles.
template <class T>
constexpr int pixel_group() {
  constexpr int M = LastShape<T>::m;
  return static_cast<int>(PlanarShape<T>::n) * (PlanarShape<T>::n % M == 0 ? 1 : M);
}

// `count` positions of `channels` planes, `step` apart, to vectors of channels, `pitch` apart; the
// last vector of a position may end in zeros.
template <class T>
static void turn_positions(const T* from, Index plane, Index step, Index count, Index channels,
                           T* to, Index pitch) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  for (Index c0 = 0; c0 < channels; c0 += W) {
    const int filled = static_cast<int>(smaller(W, channels - c0));
    const T* planes = from + c0 * plane;
    if (step != 1) {
      for (Index i = 0; i < count; ++i) {
        T* at = to + i * pitch + c0;
        for (int c = 0; c < filled; ++c) at[c] = planes[c * plane + i * step];
      }
      continue;
    }
    for (Index i = 0; i < count; i += W) {
      const int positions = static_cast<int>(smaller(W, count - i));
      typename Vt::Reg r[W];
      for (int c = 0; c < W; ++c) {
        r[c] = c >= filled      ? Vt::zero()
               : positions == W ? Vt::load(planes + c * plane + i)
                                : Vt::load_first(planes + c * plane + i, positions);
      }
      Vt::transpose(r);
      for (int e = 0; e < positions; ++e) Vt::store(to + (i + e) * pitch + c0, r[e]);
    }
  }
}

// The inputs that a task reads, turned, and the problem as it looks to a kernel that finds them
// there.
template <class T>
struct TurnedInput {
  ConvProblem problem;
  GridTask task;
  const T* x;

  TurnedInput(const ConvProblem& p, const GridTask& given, Carver& carver)
      : problem(p), task(given) {
    const Range outputs[kAxes] = {{given.depth, given.depth + 1}, given.rows, given.cols};
    Index size = turned_pitch(p, Vec<T>::width);
    problem.x.channel = 1;
    for (int a = kAxes - 1; a >= 0; --a) {
      axes_[a] = turned_axis(given.axis[a], outputs[a], p.in[a]);
      problem.in[a] = axes_[a].count;
      problem.x.spatial[a] = size;
      task.axis[a].in_step = axes_[a].in_step;
      task.axis[a].offset0 = axes_[a].offset0;
      size *= axes_[a].count;
    }
    place_ = carver.take<T>(size);
    x = place_;
  }

  // `from`: the inputs of the task's image and group.
  void turn(const ConvProblem& p, const T* from) const {
    const TurnedAxis &d = axes_[0], &h = axes_[1], &w = axes_[2];
    const Index col_step = w.step * p.x.spatial[2];
    const T* first =
        from + d.first * p.x.spatial[0] + h.first * p.x.spatial[1] + w.first * p.x.spatial[2];
    const Index pitch = problem.x.spatial[2];
    // Rows that follow each other are turned as one.
    const bool adjoin = h.step * p.x.spatial[1] == w.count * col_step;
    const Index lines = adjoin ? 1 : h.count, length = adjoin ? h.count * w.count : w.count;
    for (Index z = 0; z < d.count; ++z) {
      for (Index r = 0; r < lines; ++r) {
        turn_positions(first + z * d.step * p.x.spatial[0] + r * h.step * p.x.spatial[1],
                       p.x.channel, col_step, length, p.group_in(),
                       place_ + z * problem.x.spatial[0] + r * problem.x.spatial[1], pitch);
      }
    }
  }

 private:
  TurnedAxis axes_[kAxes];
  T* place_;
};

template <class T>
static void direct_pixels_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  constexpr int M = LastShape<T>::m;
  constexpr int kGroup = pixel_group<T>();
  constexpr int kVectors = kGroup / Vt::width;
  const ConvProblem& p = *job.problem;
  const Index rows = task.rows.hi - task.rows.lo, cols = task.cols.hi - task.cols.lo;
  if (rows <= 0 || cols <= 0) return;

  T* tiles = carver.take<T>(kGroup * LastShape<T>::n);
  T* turned = carver.take<T>(kGroup * LastShape<T>::n);
  T* zeros = carver.take<T>(p.group_in());
  fill_zero(zeros, p.group_in());
  const PanelWeights<T> weights(job, task.group, carver);
  const TurnedInput<T> input(p, task, carver);
  input.turn(p, static_cast<const T*>(job.x) + input_origin(p, task));
  const LastTask<T> work{input.problem, input.task, input.x, nullptr, nullptr,
                         nullptr,       zeros,      nullptr, nullptr};

  const FlatGrid grid{rows, cols, cols, task.axis[1].out_step * p.y.spatial[1],
                      task.axis[2].out_step * p.y.spatial[2]};
  T* y = static_cast<T*>(job.y) + output_origin(p, task) +
         task.rows.lo * task.axis[1].out_step * p.y.spatial[1] +
         task.cols.lo * task.axis[2].out_step * p.y.spatial[2];
  const T* bias = static_cast<const T*>(job.bias);
  const Index last_panel = ceil_div(task.out_channels.hi, LastShape<T>::n);
  PieceList<T> pieces;
  for (Index k = task.out_channels.lo / LastShape<T>::n; k < last_panel; ++k) {
    const Panel panel = panel_at<T>(p, k);
    const T* panel_weights = weights.of(k);
    const int width = panel.vectors * Vt::width;
    const PlanarEpilogue<T> end{
        bias == nullptr ? nullptr : bias + task.group * p.group_out() + panel.first, p.activation,
        true, job.saw_nan};
    T* to = y + panel.first * p.y.channel;
    const int out_channels = static_cast<int>(panel.channels);
    for (Index at = 0; at < rows * cols; at += kGroup) {
      const Index stop = smaller(at + kGroup, rows * cols);
      for (Index q = at; q < stop; q += M) {
        PixelAt pixel[M];
        for (int m = 0; m < M; ++m) {
          const Index index = smaller(q + m, stop - 1);
          pixel[m] = {task.depth, task.rows.lo + index / cols, task.cols.lo + index % cols};
        }
        work.direct(pixel, panel, panel_weights, tiles + (q - at) * width);
      }
      transpose(tiles, width, kGroup, width, turned, kGroup);
      const TileRows<T> tile{turned, kGroup};
      for (int part = 0; part < kVectors; part += PlanarShape<T>::v) {
        const TileRows<T> stored{tile.at + part * Vt::width, tile.row};
        pieces.build(grid, at + part * Vt::width, PlanarShape<T>::v);
        if (p.has_addend) {
          planar_add(stored, out_channels, PlanarShape<T>::v, pieces, to + job.addend, p.y.channel,
                     grid.y_col);
        }
        planar_finish(stored, out_channels, PlanarShape<T>::v, end);
        planar_store(stored, out_channels, pieces, to, p.y.channel, grid.y_col);
      }
    }
  }
}

template <class T>
static void direct_pixels(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const Grid grid = grid_of(*job.problem, job.plan->block_rows, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    direct_pixels_task<T>(job, grid_task(*job.problem, *job.plan, grid, LastShape<T>::n, i),
                          Carver{scratch});
  }
}
