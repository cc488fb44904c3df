// Direct and im2col convolution, NHWC: any stride, dilation, padding, groups, 1-D to 3-D, forward
// and transposed; the input's channel stride is 1, and so is the output's.
//
// Loop order of a task: panels of output channels > tiles of pixels > kernel elements > input
// channels; where all panels stay in the second-level cache, tiles > panels (measured with plans:
// 13->760 channels pointwise at stride 2 2.1 times as fast, 64->256 of 56x56 1.09). Direct reads
// each pixel's channels where they lie; a padded pixel's pointer leads to a row of zeros. im2col
// copies the runs of all kernel elements of a block of pixels behind each other first, so that the
// innermost loop is one long run: that pays where runs are short (few input channels), and costs a
// copy of kernel-size times the input elsewhere.
//
// A panel's weights, packed in phase 0 or in passing (PanelWeights), stay in the second-level cache
// while the task's pixels pass; the pixels' inputs
// stay in the first-level cache for the length of a tile. Against packing the input as the planar
// kernel does, nothing is moved at all.

// Pixel `index` of a task's flattened grid.
struct PixelAt {
  Index depth, row, col;
};

static inline PixelAt pixel_at(const AxisPhase* axis, Index index) {
  const Index col = index % axis[2].count, line = index / axis[2].count;
  return {line / axis[1].count, line % axis[1].count, col};
}

// The next one, without the divisions.
static inline PixelAt pixel_after(const AxisPhase* axis, PixelAt pixel) {
  if (++pixel.col == axis[2].count) {
    pixel.col = 0;
    if (++pixel.row == axis[1].count) {
      pixel.row = 0;
      ++pixel.depth;
    }
  }
  return pixel;
}

// Input offset of a pixel's kernel element, or -1 where it lies on padding.
struct InputAt {
  bool inside;
  Index offset;
};

static inline InputAt input_at(const ConvProblem& p, const AxisPhase* axis, const PixelAt& pixel,
                               Index z, Index r, Index s) {
  const Index at[kAxes] = {pixel.depth * axis[0].in_step + axis[0].offset(z),
                           pixel.row * axis[1].in_step + axis[1].offset(r),
                           pixel.col * axis[2].in_step + axis[2].offset(s)};
  Index offset = 0;
  for (int a = 0; a < kAxes; ++a) {
    if (at[a] < 0 || at[a] >= p.in[a]) return {false, 0};
    offset += at[a] * p.x.spatial[a];
  }
  return {true, offset};
}

template <class T>
struct LastTask {
  const ConvProblem& p;
  const GridTask& task;
  const T* x;
  T* y;
  const T* bias;  // of the group; null without
  T* tile;
  T* zeros;     // group_in zeros (direct)
  T* unfolded;  // the task's pixels, unfolded (im2col)
  unsigned char* saw_nan;
  const Index* addend = nullptr;  // elements from an output to what is added to it

  Index kernel_at(Index z, Index r, Index s) const {
    const AxisPhase* a = task.axis;
    return ((a[0].tap0 + z * a[0].tap_step) * p.kernel[1] + a[1].tap0 + r * a[1].tap_step) *
               p.kernel[2] +
           a[2].tap0 + s * a[2].tap_step;
  }

  template <class Visit>
  void each_tap(Visit visit) const {
    for (Index z = 0; z < task.axis[0].taps; ++z) {
      for (Index r = 0; r < task.axis[1].taps; ++r) {
        for (Index s = 0; s < task.axis[2].taps; ++s) visit(z, r, s);
      }
    }
  }

  // The rows that kernel element (z, r) reads for M pixels; null where it lies on padding.
  bool rows_at(const PixelAt* pixel, Index z, Index r, const T** row) const {
    bool any = false;
    for (int m = 0; m < LastShape<T>::m; ++m) {
      const Index depth = pixel[m].depth * task.axis[0].in_step + task.axis[0].offset(z);
      const Index at = pixel[m].row * task.axis[1].in_step + task.axis[1].offset(r);
      const bool inside = depth >= 0 && depth < p.in[0] && at >= 0 && at < p.in[1];
      row[m] = inside ? x + depth * p.x.spatial[0] + at * p.x.spatial[1] : nullptr;
      any = any || inside;
    }
    return any;
  }

  // Kernel elements that lie on padding for all M pixels are skipped.
  void direct(const PixelAt* pixel, const Panel& panel, const T* packed, T* to) const {
    constexpr int M = LastShape<T>::m;
    const Index run = p.group_in() * panel.vectors * Vec<T>::width;
    const AxisPhase* a = task.axis;
    Index col[M];
    for (int m = 0; m < M; ++m) col[m] = pixel[m].col * a[2].in_step;
    bool resume = false;
    for (Index z = 0; z < a[0].taps; ++z) {
      for (Index r = 0; r < a[1].taps; ++r) {
        const T* row[M];
        if (!rows_at(pixel, z, r, row)) continue;
        for (Index s = 0; s < a[2].taps; ++s) {
          const Index offset = a[2].offset(s);
          const T* from[M];
          bool any = false;
          for (int m = 0; m < M; ++m) {
            const Index at = col[m] + offset;
            const bool inside = at >= 0 && at < p.in[2] && row[m] != nullptr;
            from[m] = inside ? row[m] + at * p.x.spatial[2] : zeros;
            any = any || inside;
          }
          if (!any) continue;
          run_channels_last_tile(panel.vectors, from, packed + kernel_at(z, r, s) * run,
                                 p.group_in(), to, resume);
          resume = true;
        }
      }
    }
    if (!resume) fill_zero(to, M * panel.vectors * Vec<T>::width);
  }

  void unfold(const PixelAt* pixel, Index length, T* block) const {
    for (int m = 0; m < LastShape<T>::m; ++m) {
      T* to = block + m * length;
      each_tap([&](Index z, Index r, Index s) {
        const InputAt at = input_at(p, task.axis, pixel[m], z, r, s);
        if (at.inside) {
          copy_strided(to, x + at.offset, 1, p.group_in());
        } else {
          fill_zero(to, p.group_in());
        }
        to += p.group_in();
      });
    }
  }

  // One run where the packed weights of the phase's kernel elements follow each other, else one
  // each.
  void multiply_unfolded(const Panel& panel, const T* packed, Index length, const T* block) const {
    constexpr int M = LastShape<T>::m;
    const T* from[M];
    for (int m = 0; m < M; ++m) from[m] = block + m * length;
    const Index channels = p.group_in();
    if (length == channels * p.kernel.product()) {
      run_channels_last_tile(panel.vectors, from, packed, length, tile, false);
      return;
    }
    fill_zero(tile, M * panel.vectors * Vec<T>::width);
    each_tap([&](Index z, Index r, Index s) {
      run_channels_last_tile(panel.vectors, from,
                             packed + kernel_at(z, r, s) * channels * panel.vectors * Vec<T>::width,
                             channels, tile, true);
      for (int m = 0; m < M; ++m) from[m] += channels;
    });
  }

  void store(const PixelAt* pixel, int count, const Panel& panel) const {
    T* to[LastShape<T>::m];
    for (int m = 0; m < count; ++m) {
      to[m] = y + pixel[m].depth * task.axis[0].out_step * p.y.spatial[0] +
              pixel[m].row * task.axis[1].out_step * p.y.spatial[1] +
              pixel[m].col * task.axis[2].out_step * p.y.spatial[2];
    }
    channels_last_store(tile, count, panel, to, bias, p.activation, saw_nan, addend);
  }
};

template <class T, bool Unfold>
static void channels_last_task(const ConvJob& job, const GridTask& task, Carver carver) {
  constexpr int M = LastShape<T>::m;
  // A block beyond the end of a phase that is shorter than the largest.
  if (task.cols.hi <= task.cols.lo) return;
  const ConvProblem& p = *job.problem;
  const Index length = p.group_in() * task.axis[0].taps * task.axis[1].taps * task.axis[2].taps;
  LastTask<T> work{
      p,
      task,
      static_cast<const T*>(job.x) + input_origin(p, task),
      static_cast<T*>(job.y) + output_origin(p, task),
      job.bias == nullptr ? nullptr : static_cast<const T*>(job.bias) + task.group * p.group_out(),
      carver.take<T>(M * LastShape<T>::n),
      nullptr,
      nullptr,
      job.saw_nan,
      p.has_addend ? &job.addend : nullptr};
  if constexpr (Unfold) {
    work.unfolded = carver.take<T>(ceil_div(task.cols.hi - task.cols.lo, M) * M * length);
  } else {
    work.zeros = carver.take<T>(p.group_in());
    fill_zero(work.zeros, p.group_in());
  }
  const PanelWeights<T> weights(job, task.group, carver);
  const Index first_panel = task.out_channels.lo / LastShape<T>::n;
  const Index last_panel = ceil_div(task.out_channels.hi, LastShape<T>::n);

  const auto each_tile = [&](auto visit) {
    T* block = work.unfolded;
    PixelAt next = pixel_at(task.axis, task.cols.lo);
    for (Index at = task.cols.lo; at < task.cols.hi; at += M, block += M * length) {
      PixelAt pixel[M];
      const int count = static_cast<int>(smaller(M, task.cols.hi - at));
      // A last tile that is not full computes its last pixel again and does not store it.
      for (int m = 0; m < M; ++m) {
        pixel[m] = m < count ? next : pixel[count - 1];
        if (m < count) next = pixel_after(task.axis, next);
      }
      visit(pixel, count, block);
    }
  };

  if constexpr (Unfold) {
    each_tile([&](const PixelAt* pixel, int, T* block) { work.unfold(pixel, length, block); });
  }
  const auto add = [&](Index k, const T* packed, const PixelAt* pixel, int count,
                       [[maybe_unused]] const T* block) {
    const Panel panel = panel_at<T>(p, k);
    if constexpr (Unfold) {
      work.multiply_unfolded(panel, packed, length, block);
    } else {
      work.direct(pixel, panel, packed, work.tile);
    }
    work.store(pixel, count, panel);
  };
  // Weights that stay in the second-level cache as a whole: pixels then are read and written once.
  constexpr Index kAllPanels = (Index{512} << 10) / sizeof(T);
  if (weights.packed != nullptr && group_panels_size<T>(p) <= kAllPanels) {
    each_tile([&](const PixelAt* pixel, int count, T* block) {
      for (Index k = first_panel; k < last_panel; ++k) {
        add(k, weights.of(k), pixel, count, block);
      }
    });
    return;
  }
  for (Index k = first_panel; k < last_panel; ++k) {
    const T* packed = weights.of(k);
    each_tile(
        [&](const PixelAt* pixel, int count, T* block) { add(k, packed, pixel, count, block); });
  }
}

template <class T, bool Unfold>
static void channels_last(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const Grid grid = pixel_grid(*job.problem, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    channels_last_task<T, Unfold>(job, grid_task(*job.problem, *job.plan, grid, LastShape<T>::n, i),
                                  Carver{scratch});
  }
}
