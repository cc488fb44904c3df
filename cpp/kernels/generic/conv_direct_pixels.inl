// Direct convolution with pixels broadcast: any stride, dilation, padding, groups, 1-D to 3-D,
// forward and transposed. NCHW, for layers with many output channels; channels-last, for few input
// channels.
//
// Loop order of a task, a block of rows: blocks of input channels > turn the block's inputs so that
// the channels of a position lie next to each other > panels of output channels > chunks of pixels
// > register tiles (pixel_tile.inl) > runs of products; then a chunk's sums are turned on their way
// to the output. The turned inputs and the block of a panel's weights stay in the second-level
// cache; where the weights of a panel would not fit, the sums of all the task's outputs wait
// between blocks of channels.
//
// Padding: kernel rows that lie on padding are no runs; padded columns are stored as zeros with the
// turned input, or, where they would be many (dilation), each kernel column is a pass of its own
// over those outputs that it meets.
//
// Against direct_planar, whose vectors of pixels straddle cache lines wherever rows are not a
// multiple of a vector, and whose planes lie pages apart, every load here is aligned or a single
// element, in streams that the hardware prefetches, and no padding between rows is computed. It
// loses where the sum over channels and kernel elements is short, because of the two
// transpositions, and where output channels do not fill a panel.
//
// Channels-last nothing is turned: rows of inputs are copied with their padding, and a pixel's
// sums are stored as they are, those of all panels together. With up to eleven input channels the
// products of a kernel row then are one run, where conv_channels_last.inl has one as short as the
// channels, or unfolds element by element: 3 to 10 times as fast (measured, AVX-512 and AVX2). With
// few output channels tiles of 14 pixels hide the latency of additions, those of 6 do not: 1.2 to
// 1.8 times. It loses on pointwise layers, where copying is not repaid.

// Phase 0: task = (group, panel). Packed as [panel][block of channels][kernel element][channel in
// block][V*width].
template <class T>
static void pack_pixel_panels(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  constexpr int V = PixelShape<T>::v;
  const Index panels = ceil_div(p.group_out(), PixelShape<T>::n);
  const Index taps = p.kernel.product();
  for (Index i = begin; i < end; ++i) {
    const Index group = i / panels;
    const Panel panel = panel_at<T, V>(p, i % panels);
    T* to = reinterpret_cast<T*>(job.shared) + group * group_panels_size<T>(p) +
            panel_offset<T, V>(p, i % panels);
    for (Index c = 0; c < p.group_in(); c += job.plan->block_depth) {
      const Range block = {c, smaller(p.group_in(), c + job.plan->block_depth)};
      pack_panel(p, static_cast<const T*>(job.w) + weight_origin(p, group), panel, block,
                 to + c * taps * panel.vectors * Vec<T>::width);
    }
  }
}

// The sums of one panel over one block of input channels.
template <class T>
struct PixelSums {
  const ConvProblem& p;
  const GridTask& task;
  const TurnedInput<T>& input;
  ProductRun<T>* runs;
  Index channels;  // of the block
  bool clips;
  int vectors;
  const T* weights;  // of the panel and block

  // Where a kernel's element (z, r) finds an output row; zeros where that is padding.
  const T* row_at(Index slice, Index row, Index r, bool& any) const {
    const TurnedAxis& h = input.axis[1];
    const Index at = row * h.in_step + h.offset0 + task.axis[1].offset(r) - task.axis[1].offset0;
    if (at < 0 || at >= h.count) return input.zeros;
    any = true;
    return input.place + slice * input.steps[0] + at * input.steps[1];
  }

  // Lists the products of an output row, or two, with the kernel columns `taps`.
  Index list(Index row, Index rows, Range taps) const {
    const AxisPhase* a = task.axis;
    const TurnedAxis &d = input.axis[0], &w = input.axis[2];
    const Index width = channels * vectors * Vec<T>::width;
    const bool adjoin = a[2].offset_step == 1 && a[2].tap_step == 1 && channels == input.steps[2];
    const Index together = adjoin ? taps.hi - taps.lo : 1;
    Index count = 0;
    for (Index z = 0; z < a[0].taps; ++z) {
      const Index slice = task.depth * d.in_step + d.offset0 + a[0].offset(z) - a[0].offset0;
      if (slice < 0 || slice >= d.count) continue;
      for (Index r = 0; r < a[1].taps; ++r) {
        bool any = false;
        const T* first = row_at(slice, row, r, any);
        const T* second = rows > 1 ? row_at(slice, row + 1, r, any) : nullptr;
        if (!any) continue;
        for (Index s = taps.lo; s < taps.hi; s += together) {
          const Index shift = (w.offset0 + a[2].offset(s) - a[2].offset0) * input.steps[2];
          const Index element =
              ((a[0].tap0 + z * a[0].tap_step) * p.kernel[1] + a[1].tap0 + r * a[1].tap_step) *
                  p.kernel[2] +
              a[2].tap0 + s * a[2].tap_step;
          runs[count++] = {{first + shift, rows > 1 ? second + shift : nullptr},
                           weights + element * width,
                           together * channels};
        }
      }
    }
    return count;
  }

  // Adds up the outputs of `rows` x `cols`, [row][column][V*width].
  void add(Range rows, Range cols, T* to, bool resume) const {
    constexpr Index M = PixelShape<T>::m;
    const Index width = vectors * Vec<T>::width, length = cols.hi - cols.lo;
    const TurnedAxis& w = input.axis[2];
    const AxisPhase& axis = task.axis[2];
    if (clips && !resume) fill_zero(to, (rows.hi - rows.lo) * length * width);
    const Index at_once = 2 * length <= M ? 2 : 1, passes = clips ? axis.taps : 1;
    for (Index row = rows.lo; row < rows.hi; row += at_once, to += at_once * length * width) {
      const Index count = smaller(at_once, rows.hi - row);
      for (Index s = 0; s < passes; ++s) {
        Range met = cols;
        if (clips) {
          const Range inside = outputs_inside(cols.hi, w.count, w.in_step,
                                              w.offset0 + axis.offset(s) - axis.offset0);
          met = {larger(cols.lo, inside.lo), inside.hi};
          if (met.empty()) continue;
        }
        const Index listed = list(row, count, clips ? Range{s, s + 1} : Range{0, axis.taps});
        const Index pixels = met.hi - met.lo, tiles = ceil_div(pixels, M);
        PixelTile<T> tile{runs,           listed,         0, w.in_step * input.steps[2], nullptr,
                          length * width, resume || clips};
        for (Index t = 0; t < tiles; ++t) {
          const Index lo = met.lo + pixels * t / tiles, hi = met.lo + pixels * (t + 1) / tiles;
          tile.at = lo * tile.step;
          tile.to = to + (lo - cols.lo) * width;
          run_pixel_rows(vectors, hi - lo, count == 2, tile);
        }
      }
    }
  }
};

template <class T>
static void direct_pixels_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  constexpr int V = PixelShape<T>::v;
  const ConvProblem& p = *job.problem;
  if (task.rows.empty() || task.cols.empty()) return;

  const Index depth = job.plan->block_depth, channels = p.group_in(), taps = p.kernel.product();
  ProductRun<T>* runs = carver.take<ProductRun<T>>(taps);
  const TurnedInput<T> input(p, task, depth, carver);
  const Index y_col = task.axis[2].out_step * p.y.spatial[2];
  const Index y_row = task.axis[1].out_step * p.y.spatial[1];
  const Index rows = task.rows.hi - task.rows.lo, cols = task.cols.hi - task.cols.lo;
  const PixelChunk chunk = pixel_chunk(rows, cols, PixelShape<T>::m);
  const Index first_panel = task.out_channels.lo / PixelShape<T>::n;
  const Index last_panel = ceil_div(task.out_channels.hi, PixelShape<T>::n);
  const bool several = depth < channels;
  T* sums = carver.take<T>(PixelShape<T>::n * (several ? (last_panel - first_panel) * rows * cols
                                                       : chunk.rows * chunk.cols));
  const T* packed = job.plan->tasks[0] == 0 ? nullptr
                                            : reinterpret_cast<const T*>(job.shared) +
                                                  task.group * group_panels_size<T>(p);
  T* own = carver.take<T>(packed != nullptr ? 0 : PixelShape<T>::n * depth * taps);

  const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
  const T* w = static_cast<const T*>(job.w) + weight_origin(p, task.group);
  const T* bias =
      job.bias == nullptr ? nullptr : static_cast<const T*>(job.bias) + task.group * p.group_out();
  T* y = static_cast<T*>(job.y) + output_origin(p, task);
  // Outputs that no cache holds are asked for before they are computed, so that their stores do not
  // stall. (Measured: 3->64 channels-last 3 to 6 %, NCHW nothing to 5 %.)
  constexpr Index kLargeOutput = (Index{2} << 20) / sizeof(T), kLine = 64 / sizeof(T);
  const bool fetches_outputs =
      y_col > 0 && p.batch * p.out_channels * p.out.product() > kLargeOutput;
  for (Index c = 0; c == 0 || c < channels; c += depth) {
    const Range block = {c, smaller(channels, c + depth)};
    const bool first = c == 0, last = block.hi == channels;
    input.turn(p, x + c * p.x.channel, block.hi - c);
    // Adds up a panel's outputs of a chunk of pixels, and stores them after the last block.
    const auto add_chunk = [&](Index k, const T* weights, Range some_rows, Range some_cols) {
      const Panel panel = panel_at<T, V>(p, k);
      const Index width = panel.vectors * Vt::width;
      const PixelSums<T> work{
          p, task, input, runs, block.hi - c, clips_columns(p), panel.vectors, weights};
      const PlanarEpilogue<T> end{bias == nullptr ? nullptr : bias + panel.first, p.activation,
                                  true, job.saw_nan};
      const Index length = some_cols.hi - some_cols.lo, height = some_rows.hi - some_rows.lo;
      const Index before = (some_rows.lo - task.rows.lo) * cols + some_cols.lo - task.cols.lo;
      T* const at =
          sums +
          (several ? (k - first_panel) * PixelShape<T>::n * rows * cols + before * width : 0);
      T* const out = y + panel.first * p.y.channel + some_rows.lo * y_row + some_cols.lo * y_col;
      const bool adjoin = y_row == length * y_col;
      const Index count = adjoin ? height * length : length, stored_rows = adjoin ? 1 : height;
      if (fetches_outputs && last) {
        // From one line to the next along channels or pixels, whichever adjoin.
        const Index by_channel = p.y.channel == 1 ? kLine : 1;
        const Index by_pixel = p.y.channel == 1 ? 1 : larger(1, kLine / y_col);
        for (Index r = 0; r < stored_rows; ++r) {
          for (Index e = 0; e < panel.channels; e += by_channel) {
            for (Index i = 0; i < count; i += by_pixel) {
              __builtin_prefetch(out + r * y_row + i * y_col + e * p.y.channel, 1, 2);
            }
          }
        }
      }
      const bool starts = first && p.has_addend;
      if (starts) {
        // Sums start from what is added to them.
        if (panel.channels < width) fill_zero(at, height * length * width);
        for (Index s = 0; s < stored_rows; ++s) {
          turn_positions<T>(out + job.addend + s * y_row, p.y.channel, y_col, count, panel.channels,
                            at + s * count * width, width);
        }
      }
      work.add(some_rows, some_cols, at, !first || starts);
      for (Index s = 0; last && s < stored_rows; ++s) {
        store_pixels(at + s * count * width, panel.vectors, panel.channels, count, out + s * y_row,
                     p.y.channel, y_col, end);
      }
    };
    const auto each_chunk = [&](auto&& function) {
      for (Index r = task.rows.lo; r < task.rows.hi; r += chunk.rows) {
        const Range some_rows = {r, smaller(task.rows.hi, r + chunk.rows)};
        for (Index q = task.cols.lo; q < task.cols.hi; q += chunk.cols) {
          function(some_rows, Range{q, smaller(task.cols.hi, q + chunk.cols)});
        }
      }
    };
    const auto packed_panel = [&](Index k) {
      return packed + panel_offset<T, V>(p, k) +
             c * taps * panel_at<T, V>(p, k).vectors * Vt::width;
    };
    if (packed != nullptr && p.y.channel == 1) {
      // All channels of a pixel are written together.
      each_chunk([&](Range some_rows, Range some_cols) {
        for (Index k = first_panel; k < last_panel; ++k) {
          add_chunk(k, packed_panel(k), some_rows, some_cols);
        }
      });
      continue;
    }
    for (Index k = first_panel; k < last_panel; ++k) {
      if (packed == nullptr) pack_panel(p, w, panel_at<T, V>(p, k), block, own);
      const T* const weights = packed == nullptr ? own : packed_panel(k);
      each_chunk(
          [&](Range some_rows, Range some_cols) { add_chunk(k, weights, some_rows, some_cols); });
    }
  }
}

template <class T>
static void direct_pixels(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const Grid grid = grid_of(*job.problem, job.plan->block_rows, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    direct_pixels_task<T>(job, grid_task(*job.problem, *job.plan, grid, PixelShape<T>::n, i),
                          Carver{scratch});
  }
}
