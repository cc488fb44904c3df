// Direct convolution along rows packed between their padding, NCHW: for groups with one or few
// input channels and one to three output channels (image filters, depthwise), 1-D to 3-D, any
// stride, dilation and memory layout, every boundary.
//
// Loop order of a task: pack a strip of padded rows of every input channel > output rows in tiles >
// tiles along the row (row_tile.inl). The strip stays in the first- or second-level cache. Where
// the zeros stand does not depend on the plane, so a thread's run of tasks writes them once.
//
// It takes what conv_rows_in_place.inl cannot: boundaries that continue the image, samples that do
// not adjoin, column strides of 3 and more, whose residues it packs apart so that every kernel
// element reads at unit step. Everywhere else it loses by the copy.

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
    s.copy_pitch = ceil_div(s.cols.length, 16) * 16;
    s.pitch = s.copy_pitch * s.cols.copies;
    return s;
  }

  // A row between zeros. When `refill`, the zeros stand already.
  void pack(const ConvProblem& p, const T* row, T* to, bool refill) const {
    for (Index c = 0; c < cols.copies; ++c, to += copy_pitch) {
      const Index start = cols.input_start(first_col, c);
      const Range inside = outputs_inside(copy_pitch, p.in[2], cols.step, start);
      if (!refill) {
        pack_row(to, copy_pitch, row, p.x.spatial[2], inside, start, cols.step);
        continue;
      }
      copy_strided(to + inside.lo, row + (start + inside.lo * cols.step) * p.x.spatial[2],
                   cols.step * p.x.spatial[2], inside.hi - inside.lo);
    }
  }

  // The same, continued by the boundary rule: the image goes on by whole pixels of
  // samples_per_pixel interleaved samples.
  void pack_continued(const ConvProblem& p, const T* row, T* to) const {
    pack(p, row, to, false);
    const Index samples = p.samples_per_pixel;
    for (Index c = 0; c < cols.copies; ++c, to += copy_pitch) {
      const Index start = cols.input_start(first_col, c);
      const Range inside = outputs_inside(cols.length, p.in[2], cols.step, start);
      for (Index m = 0; m < cols.length; ++m) {
        if (m == inside.lo && !inside.empty()) m = inside.hi;
        if (m >= cols.length) break;
        const Index at = start + m * cols.step;
        const Index from = boundary_sample(at, p.in[2], samples, p.boundary);
        to[m] = from < 0 ? static_cast<T>(p.fill_value) : row[from * p.x.spatial[2]];
      }
    }
  }
};

// A block of outputs: its strip, and the task itself.
template <class T>
class RowsTask {
 public:
  RowsTask(const ConvJob& job, const GridTask& task, Carver carver)
      : job_(job),
        p_(*job.problem),
        task_(task),
        zero_fill_(p_.boundary == Boundary::fill && p_.fill_value == 0.0),
        common_(greatest_common_divisor(h().in_step, h().offset_step)),
        first_(task.rows.lo * h().in_step + h().offset0),
        strip_(RowStrip<T>::make(task.axis[2], task.cols)),
        rows_((task.rows.hi - task.rows.lo - 1) * h().in_step + (h().taps - 1) * h().offset_step +
              1),
        depth_taps_(zero_fill_ ? depth().taps_inside(task.depth, p_.in[0])
                               : Range{0, depth().taps}),
        weights_(p_, depth_taps_, carver),
        problem_(shared(carver)),
        to_(carver.take<T>(problem_.planes * rows_ * strip_.pitch + kSlack)),
        sweep_(axes(), problem_, carver) {
    // The last vector of a row reads past its end.
    fill_zero(to_ + problem_.planes * rows_ * strip_.pitch, kSlack);
  }

  // Another image and group, the same block.
  void run(Index batch, Index group) {
    task_.batch = batch;
    task_.group = group;
    pack();
    const T* bias = static_cast<const T*>(job_.bias);
    const T* w = static_cast<const T*>(job_.w) + weight_origin(p_, group);
    T* y = static_cast<T*>(job_.y) + output_origin(p_, task_) + task_.rows.lo * p_.y.spatial[1] +
           task_.cols.lo * p_.y.spatial[2];
    const Range inside = zero_fill_ ? Range{0, p_.in[1]} : Range{first_, first_ + rows_};
    for (Index k = 0; k < p_.group_out(); ++k, w += p_.w.batch, y += p_.y.channel) {
      const T start = bias == nullptr ? T(0) : bias[group * p_.group_out() + k];
      sweep_.run(to_ - first_ * strip_.pitch, first_, inside, weights_.of(w, job_.saw_nan), y,
                 p_.y.spatial[1], start);
    }
  }

 private:
  // Past the end of a strip: what the widest tile may read.
  static constexpr Index kSlack = RowLimits<T>::single_vectors * Vec<T>::width + 16;

  const AxisPhase& depth() const { return task_.axis[0]; }
  const AxisPhase& h() const { return task_.axis[1]; }

  RowProblem<T> shared(Carver& carver) const {
    const Index depths = depth_taps_.hi - depth_taps_.lo, planes = p_.group_in() * depths;
    Index* plane_x = carver.take<Index>(planes);
    Index* col_at = carver.take<Index>(p_.kernel[2]);
    for (Index i = 0; i < planes; ++i) plane_x[i] = i * rows_ * strip_.pitch;
    for (Index s = 0; s < p_.kernel[2]; ++s) {
      col_at[s] = strip_.cols.copy_of(s) * strip_.copy_pitch + strip_.cols.shift_of(s);
    }
    return {planes,          plane_x,      weights_.plane_at(), 0,
            col_at,          p_.kernel[1], p_.kernel[2],        p_.y.spatial[1],
            p_.y.spatial[2], p_.activation};
  }

  RowAxes axes() const {
    return {task_.rows.hi - task_.rows.lo,
            task_.cols.hi - task_.cols.lo,
            h().in_step,
            h().offset_step,
            strip_.pitch,
            1,
            0,
            0,
            true};
  }

  void pack() {
    T* to = to_;
    for (Index c = 0; c < p_.group_in(); ++c) {
      for (Index z = depth_taps_.lo; z < depth_taps_.hi; ++z, to += rows_ * strip_.pitch) {
        pack_plane(c, z, to);
      }
    }
    zeros_stand_ = true;
  }

  void pack_plane(Index channel, Index z, T* to) {
    const Index depth_at =
        boundary_index(task_.depth * depth().in_step + depth().offset(z), p_.in[0], p_.boundary);
    const T* slice = static_cast<const T*>(job_.x) + input_origin(p_, task_) +
                     channel * p_.x.channel + depth_at * p_.x.spatial[0];
    // Rows between those that the stride and the dilation reach are never read.
    for (Index r = 0; r < rows_; r += common_) {
      T* row = to + r * strip_.pitch;
      const Index from = boundary_index(first_ + r, p_.in[1], p_.boundary);
      if (zero_fill_) {
        if (from >= 0) strip_.pack(p_, slice + from * p_.x.spatial[1], row, zeros_stand_);
      } else if (from < 0 || depth_at < 0) {
        for (Index i = 0; i < strip_.pitch; ++i) row[i] = static_cast<T>(p_.fill_value);
      } else {
        strip_.pack_continued(p_, slice + from * p_.x.spatial[1], row);
      }
    }
  }

  const ConvJob& job_;
  const ConvProblem& p_;
  GridTask task_;
  bool zero_fill_;
  Index common_, first_;
  RowStrip<T> strip_;
  Index rows_;
  Range depth_taps_;
  RowWeights<T> weights_;
  RowProblem<T> problem_;
  T* to_;
  RowSweep<T> sweep_;
  bool zeros_stand_ = false;
};

template <class T>
static void rows(const void* context, Index begin, Index end, std::byte* scratch) {
  run_row_tasks<T, RowsTask<T>>(*static_cast<const ConvJob*>(context), begin, end, scratch);
}
