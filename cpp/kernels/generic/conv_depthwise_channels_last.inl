// Depthwise convolution, NHWC: one input and one output channel per group, forward and transposed,
// 1-D to 3-D; channel strides of input and output are 1.
//
// Loop order of a task: rows of outputs > tiles of pixels along the row > vectors of channels >
// kernel elements (depthwise_tile.inl). Weights are packed as [element][channel]. Rows of the
// kernel that lie on padding are left out once per row, pixels on padding per tile, so padding is
// never multiplied. The kernel_h input rows of an output row stay in the second-level cache.
//
// Output pixels that are a multiple of the dilation apart (divided by what it shares with the
// stride) read common input pixels, so a tile takes those. Where pixels are left over, the last
// tile moves back and computes some of them again, to the same bits. It loses to the row kernels
// where channels do not fill a vector.

// Kernel elements first to last-1 of all channels.
template <class T>
static void pack_depthwise(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Index group_stride = p.w.batch;  // both weight layouts have one channel per group in front
  const Index taps = p.kernel.product();
  Acc<T>* packed = reinterpret_cast<Acc<T>*>(job.shared);
  const T* weights = static_cast<const T*>(job.w);
  const bool contiguous = p.w.spatial[2] == 1 && p.w.spatial[1] == p.kernel[2] &&
                          p.w.spatial[0] == p.kernel[1] * p.kernel[2];
  // A task is a block of channels.
  for (Index c = begin * kPackedChannels; c < smaller(end * kPackedChannels, p.groups);) {
    const Index count = smaller(4, p.groups - c);
    Index tap = 0;
    if constexpr (sizeof(T) == sizeof(Acc<T>)) {
      for (; contiguous && count == 4 && tap + 4 <= taps; tap += 4) {
        transpose_4x4(weights + c * group_stride + tap, group_stride, packed + tap * p.groups + c,
                      p.groups);
      }
    }
    for (; tap < taps; ++tap) {
      const Index s = tap % p.kernel[2], r = tap / p.kernel[2] % p.kernel[1];
      const Index z = tap / (p.kernel[2] * p.kernel[1]);
      const T* from =
          weights + c * group_stride + z * p.w.spatial[0] + r * p.w.spatial[1] + s * p.w.spatial[2];
      for (Index m = 0; m < count; ++m) {
        packed[tap * p.groups + c + m] = widen(from[m * group_stride]);
      }
    }
    c += count;
  }
}

// What is the same for all rows of a phase.
template <class T>
class DepthwiseRows {
 public:
  DepthwiseRows(const ConvJob& job, const GridTask& task, Carver carver)
      : job_(job),
        p_(*job.problem),
        task_(task),
        packed_(reinterpret_cast<const Acc<T>*>(job.shared)) {
    const AxisPhase& w = cols();
    const Index by = w.offset_step < 0 ? -w.offset_step : w.offset_step;
    const Index common = greatest_common_divisor(w.in_step, by);
    apart_ = larger(1, by / common);
    step_ = larger(1, by);
    x_ = carver.take<const T*>(p_.kernel[0] * p_.kernel[1]);
    w_ = carver.take<const Acc<T>*>(p_.kernel[0] * p_.kernel[1]);
    // Kernel columns are taken in the order of the input.
    const Index tap_step = w.tap_step * p_.groups;
    first_tap_ = w.tap0 * p_.groups + (w.offset_step < 0 ? (w.taps - 1) * tap_step : 0);
    row_ = {0,
            x_,
            w_,
            step_ * p_.x.spatial[2],
            w.offset_step < 0 ? -tap_step : tap_step,
            w.taps,
            w.in_step / common,
            apart_ * w.out_step * p_.y.spatial[2],
            static_cast<const T*>(job.bias),
            p_.activation};
  }

  void run() {
    for (Index row = task_.rows.lo; row < task_.rows.hi; ++row) run_row(row);
  }

 private:
  const AxisPhase& cols() const { return task_.axis[2]; }

  // The kernel rows that meet the input.
  void gather(Index row) {
    const AxisPhase &d = task_.axis[0], &h = task_.axis[1];
    const T* x = static_cast<const T*>(job_.x) + task_.batch * p_.x.batch;
    const Range depths = d.taps_inside(task_.depth, p_.in[0]);
    const Range rows = h.taps_inside(row, p_.in[1]);
    row_.kernel_rows = 0;
    for (Index z = depths.lo; z < depths.hi; ++z) {
      for (Index r = rows.lo; r < rows.hi; ++r) {
        x_[row_.kernel_rows] = x + (task_.depth * d.in_step + d.offset(z)) * p_.x.spatial[0] +
                               (row * h.in_step + h.offset(r)) * p_.x.spatial[1];
        w_[row_.kernel_rows++] =
            packed_ + first_tap_ +
            ((d.tap0 + z * d.tap_step) * p_.kernel[1] + h.tap0 + r * h.tap_step) * p_.kernel[2] *
                p_.groups;
      }
    }
  }

  void run_row(Index row) {
    gather(row);
    const AxisPhase& w = cols();
    T* y = static_cast<T*>(job_.y) + output_origin(p_, task_) +
           row * task_.axis[1].out_step * p_.y.spatial[1];
    const Index width = task_.cols.hi - task_.cols.lo;
    for (Index start = 0; start < smaller(apart_, width); ++start) {
      const Index members = ceil_div(width - start, apart_);
      const int pixels = depthwise_pixels<T>(members);
      const Index first = task_.cols.lo + start;
      // Input columns count from the first that output column `first` reads, in steps.
      const Index base = first * w.in_step + w.lowest_offset();
      const Range inside{ceil_div(-base, step_), floor_div(p_.in[2] - 1 - base, step_) + 1};
      const Index back = base * p_.x.spatial[2];
      for (Index r = 0; r < row_.kernel_rows; ++r) x_[r] += back;
      for (Index i = 0; i < members; i += pixels) {
        const Index at = larger(0, smaller(i, members - pixels));
        run_depthwise_tile<T>(pixels, row_, at * row_.spacing, inside, p_.groups,
                              y + (first + at * apart_) * w.out_step * p_.y.spatial[2]);
      }
      for (Index r = 0; r < row_.kernel_rows; ++r) x_[r] -= back;
    }
  }

  const ConvJob& job_;
  const ConvProblem& p_;
  const GridTask& task_;
  const Acc<T>* packed_;
  Index apart_, step_, first_tap_;
  const T** x_;
  const Acc<T>** w_;
  DepthwiseRow<T> row_;
};

template <class T>
static void depthwise_channels_last(const void* context, Index begin, Index end,
                                    std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  // One task serves all groups: the schedule counts tasks for a problem of one group.
  ConvProblem one = *job.problem;
  one.groups = 1;
  const Grid grid = grid_of(one, job.plan->block_rows, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    GridTask task = grid_task(one, *job.plan, grid, 1, i);
    task.group = 0;
    DepthwiseRows<T>(job, task, Carver{scratch}).run();
  }
}
