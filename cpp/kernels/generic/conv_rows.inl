// Direct convolution along rows, NCHW: for groups with one or few input channels and one to three
// output channels (image filters, depthwise), 1-D to 3-D, any stride and dilation, every boundary.
//
// Loop order of a task: pack a strip of padded rows > output rows in blocks of R > vectors along
// the row in blocks of V > input rows > columns of the kernel (row_tile.inl). An input vector, once
// loaded, is multiplied with up to R weights, one for each output row that it reaches; R*V
// accumulators stay in registers for the whole kernel. The strip stays in the first- or
// second-level cache. Small planes are one task each: what depends on their size alone is worked
// out once for a thread's run of tasks, and the zeros around them are written once.
//
// Against one output row at a time it saves (R-1)/R of the loads, which are unaligned and as many
// as the multiply-adds otherwise. Rows unrolled for small kernels and set-up once per thread's run
// of tasks together made depthwise layers 1.5 to 2.4 times as fast (measured, 3x3 on 7x7 to
// 112x112). Outputs whose rows are a multiple of the dilation apart share inputs, so the block
// takes those. It loses where many output channels read the same input: that is the planar
// kernel's work.

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
    s.copy_pitch = ceil_div(s.cols.length, 16) * 16;
    s.pitch = s.copy_pitch * s.cols.copies;
    return s;
  }

  // A row between zeros. When `refill`, the zeros stand already.
  void pack(const ConvProblem& p, const T* row, T* to, bool refill) const {
    for (Index c = 0; c < cols.copies; ++c, to += copy_pitch) {
      const Index start = cols.input_start(first_col, c);
      if (!refill) {
        pack_row(to, copy_pitch, row, p.x.spatial[2], p.in[2], start, cols.step);
        continue;
      }
      const Range inside = outputs_inside(copy_pitch, p.in[2], cols.step, start);
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
        const Index pixel = floor_div(at, samples);
        const Index from = boundary_index(pixel, p.in[2] / samples, p.boundary);
        to[m] = from < 0 ? static_cast<T>(p.fill_value)
                         : row[(from * samples + at - pixel * samples) * p.x.spatial[2]];
      }
    }
  }
};

// Everything that follows from the sizes of a task's block, and the task itself.
template <class T>
class RowsTask {
 public:
  RowsTask(const ConvJob& job, const GridTask& task, Carver carver)
      : job_(job),
        p_(*job.problem),
        task_(task),
        height_(task.rows.hi - task.rows.lo),
        width_(task.cols.hi - task.cols.lo),
        zero_fill_(p_.boundary == Boundary::fill && p_.fill_value == 0.0),
        common_(greatest_common_divisor(h().in_step, h().offset_step)),
        apart_(h().offset_step / common_),
        spacing_(h().in_step / common_),
        strip_(RowStrip<T>::make(task.axis[2], task.cols)),
        strip_rows_((height_ - 1) * h().in_step + (h().taps - 1) * h().offset_step + 1),
        depth_taps_(zero_fill_ ? depth().taps_inside(task.depth, p_.in[0])
                               : Range{0, depth().taps}),
        planes_(p_.group_in() * (depth_taps_.hi - depth_taps_.lo)) {
    if (height_ <= 0 || width_ <= 0) return;
    const AxisPhase& w = task.axis[2];
    col_at_ = carver.take<Index>(w.taps);
    for (Index s = 0; s < w.taps; ++s) {
      col_at_[s] = strip_.cols.copy_of(s) * strip_.copy_pitch + strip_.cols.shift_of(s);
    }
    input_ = carver.take<const T*>(spacing_ * (RowShape<T>::rows - 1) + h().taps);
    packed_row_ = carver.take<T*>(strip_rows_);
    tile_ = carver.take<T>(RowShape<T>::rows * kBlock);
    // Several planes add up in a buffer the size of the task's outputs; one plane goes straight
    // out.
    if (planes_ > 1) sums_ = carver.take<T>(height_ * sums_row());
    place_rows(carver.take<T>(0));
  }

  // Another image and group, the same block.
  void run(Index batch, Index group) {
    if (height_ <= 0 || width_ <= 0) return;
    task_.batch = batch;
    task_.group = group;
    const T* bias = static_cast<const T*>(job_.bias);
    for (Index k = task_.out_channels.lo; k < task_.out_channels.hi; ++k) {
      y_ = static_cast<T*>(job_.y) + output_origin(p_, task_) + k * p_.y.channel +
           task_.rows.lo * p_.y.spatial[1] + task_.cols.lo * p_.y.spatial[2];
      bias_ = bias == nullptr ? nullptr : bias + group * p_.group_out() + k;
      if (planes_ == 0) store_nothing();
      Index plane = 0;
      for (Index c = 0; c < p_.group_in(); ++c) {
        for (Index z = depth_taps_.lo; z < depth_taps_.hi; ++z, ++plane) {
          // With one plane, the strip packed for the first output channel serves all.
          if (planes_ > 1 || k == task_.out_channels.lo) pack_plane_rows(c, z);
          multiply_plane(k, c, z, plane);
        }
      }
    }
  }

 private:
  static constexpr Index kBlock = RowShape<T>::vectors * Vec<T>::width;

  const AxisPhase& depth() const { return task_.axis[0]; }
  const AxisPhase& h() const { return task_.axis[1]; }
  Index sums_row() const { return ceil_div(width_, kBlock) * kBlock; }

  // Where each row of the strip is packed; null for rows that are never read or lie on zeros.
  void place_rows(T* to) {
    const Index first = task_.rows.lo * h().in_step + h().offset0;
    for (Index r = 0; r < strip_rows_; ++r) {
      const bool inside = first + r >= 0 && first + r < p_.in[1];
      packed_row_[r] = nullptr;
      if (r % common_ != 0 || (zero_fill_ && !inside)) continue;
      packed_row_[r] = to;
      to += strip_.pitch;
    }
    // A row's last vector reads past its end: into the next row, or into these zeros.
    fill_zero(to, kBlock + 16);
  }

  void pack_plane_rows(Index channel, Index z) {
    const Index depth_at =
        boundary_index(task_.depth * depth().in_step + depth().offset(z), p_.in[0], p_.boundary);
    const Index first = task_.rows.lo * h().in_step + h().offset0;
    const T* slice = static_cast<const T*>(job_.x) + input_origin(p_, task_) +
                     channel * p_.x.channel + depth_at * p_.x.spatial[0];
    for (Index r = 0; r < strip_rows_; ++r) {
      T* to = packed_row_[r];
      if (to == nullptr) continue;
      if (zero_fill_) {
        strip_.pack(p_, slice + (first + r) * p_.x.spatial[1], to, zeros_stand_);
        continue;
      }
      const Index from = boundary_index(first + r, p_.in[1], p_.boundary);
      if (from < 0 || depth_at < 0) {
        for (Index i = 0; i < strip_.pitch; ++i) to[i] = static_cast<T>(p_.fill_value);
      } else {
        strip_.pack_continued(p_, slice + from * p_.x.spatial[1], to);
      }
    }
    zeros_stand_ = true;
  }

  void multiply_plane(Index k, Index channel, Index z, Index plane) {
    constexpr int W = Vec<T>::width;
    const RowBlock<T> block{input_,
                            spacing_,
                            h().taps,
                            task_.axis[2].taps,
                            col_at_,
                            static_cast<const T*>(job_.w) + weight_origin(p_, task_.group) +
                                k * weight_out_stride(p_) + channel * weight_in_stride(p_) +
                                (depth().tap0 + z * depth().tap_step) * p_.w.spatial[0],
                            p_.w.spatial[1],
                            p_.w.spatial[2]};
    const bool first = plane == 0, last = plane == planes_ - 1;
    // Output rows `apart` apart read input rows a multiple of the dilation apart, so they share
    // them.
    for (Index start = 0; start < smaller(apart_, height_); ++start) {
      const Index members = ceil_div(height_ - start, apart_);
      for (Index i = 0; i < members;) {
        const int r = row_count<T>(members - i, h().taps);
        const Index base = (start + i * apart_) * h().in_step;
        for (Index y = 0; y < spacing_ * (r - 1) + h().taps; ++y) {
          input_[y] = packed_row_[base + y * h().offset_step];
        }
        for (Index at = 0; at < width_;) {
          const int vectors = row_vectors<T>(ceil_div(width_ - at, W));
          for (int m = 0; !first && m < r; ++m) {
            copy_strided(tile_ + m * vectors * W, sums_ + row_of(start, i + m) * sums_row() + at, 1,
                         vectors * W);
          }
          run_row_tile<T>(r, vectors, block, at, tile_, !first);
          for (int m = 0; m < r; ++m) {
            const T* from = tile_ + m * vectors * W;
            if (last) {
              store(row_of(start, i + m), at, vectors, from);
            } else {
              copy_strided(sums_ + row_of(start, i + m) * sums_row() + at, from, 1, vectors * W);
            }
          }
          at += vectors * W;
        }
        i += r;
      }
    }
  }

  Index row_of(Index start, Index member) const { return start + member * apart_; }

  // Bias, activation and NaN watch on the way out.
  void store(Index row, Index at, int vectors, const T* sums) {
    using Vt = Vec<T>;
    T* to = y_ + row * p_.y.spatial[1] + at * p_.y.spatial[2];
    const typename Vt::Reg bias = Vt::set(bias_ == nullptr ? T(0) : *bias_);
    bool nan = false;
    for (int v = 0; v < vectors; ++v) {
      const Index first = v * Vt::width;
      const int count = static_cast<int>(smaller(Vt::width, width_ - at - first));
      typename Vt::Reg sum = Vt::load(sums + first);
      nan = nan || (job_.saw_nan != nullptr && Vt::any_nan(sum));
      if (bias_ != nullptr) sum = Vt::add(sum, bias);
      if (p_.activation != Activation::none) sum = activate<T>(sum, p_.activation);
      if (p_.y.spatial[2] != 1) {
        T out[Vt::width];
        Vt::store(out, sum);
        for (int e = 0; e < count; ++e) to[(first + e) * p_.y.spatial[2]] = out[e];
      } else if (count == Vt::width) {
        Vt::store(to + first, sum);
      } else {
        Vt::store_first(to + first, sum, count);
      }
    }
    if (nan) __atomic_store_n(job_.saw_nan, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
  }

  void store_nothing() {
    fill_zero(tile_, Vec<T>::width);
    for (Index r = 0; r < height_; ++r) {
      for (Index at = 0; at < width_; at += Vec<T>::width) store(r, at, 1, tile_);
    }
  }

  const ConvJob& job_;
  const ConvProblem& p_;
  GridTask task_;
  Index height_, width_;
  bool zero_fill_;
  Index common_, apart_, spacing_;
  RowStrip<T> strip_;
  Index strip_rows_;
  Range depth_taps_;
  Index planes_;
  bool zeros_stand_ = false;
  Index* col_at_ = nullptr;
  const T** input_ = nullptr;
  T** packed_row_ = nullptr;
  T* tile_ = nullptr;
  T* sums_ = nullptr;
  T* y_ = nullptr;
  const T* bias_ = nullptr;
};

template <class T>
static void rows(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Grid grid = grid_of(p, job.plan->block_rows, job.plan->block_cols);
  // Tasks of one plane differ in image and group only.
  const bool whole_planes = grid.count[0] * grid.row_blocks * grid.col_blocks == 1;
  for (Index i = begin; i < end;) {
    RowsTask<T> block(job, grid_task(p, *job.plan, grid, 1, i), Carver{scratch});
    if (!whole_planes) {
      const Index plane = i / (grid.count[0] * grid.row_blocks * grid.col_blocks);
      block.run(plane / p.groups, plane % p.groups);
      ++i;
      continue;
    }
    for (; i < end; ++i) block.run(i / p.groups, i % p.groups);
  }
}
