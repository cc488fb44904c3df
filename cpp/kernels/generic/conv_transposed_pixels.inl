// Transposed convolution with a stride, NCHW, with pixels broadcast: for layers with many output
// channels and long sums. Any kernel, dilation, padding, groups, 1-D to 3-D.
//
// Loop order of a task: pack a strip of the input, once for all phases, with the channels of a
// position next to each other > panels of output channels > phases of rows > groups of positions >
// phases of columns > tiles of M positions > kernel elements of the phase > input channels, with
// the register tile of conv_direct_pixels.inl. Each finished group is transposed in cache; then the
// phases of columns are interleaved on their way to the output.
//
// Against conv_transposed_planar.inl, whose vectors of positions straddle cache lines and whose
// planes lie pages apart, it reads two streams front to back (register tile alone, 4x4 kernel at
// stride 2, 128 channels: 82 % of the peak against 62 %). It loses where the sum over channels and
// a phase's kernel elements is short, because of the transpositions, and where output channels do
// not fill a panel.

// Phase 0: task = (group, panel). Packed as [phase][panel][kernel element][channel][V*width].
template <class T>
static void pack_transposed_panels(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Index panels = ceil_div(p.group_out(), LastShape<T>::n);
  const Index w_out = weight_out_stride(p), w_in = weight_in_stride(p);
  const Index channels = p.group_in();
  const Index row = ceil_div(p.group_out(), Vec<T>::width) * Vec<T>::width;
  for (Index i = begin; i < end; ++i) {
    const Index group = i / panels;
    const Panel panel = panel_at<T>(p, i % panels);
    const Index width = panel.vectors * Vec<T>::width;
    T* phase = reinterpret_cast<T*>(job.shared) + group * group_panels_size<T>(p);
    const T* w = static_cast<const T*>(job.w) + weight_origin(p, group) + panel.first * w_out;
    for (Index pair = 0; pair < p.stride[1] * p.stride[2]; ++pair) {
      const AxisPhase h = subpixel_phase(p, 1, pair / p.stride[2]);
      const AxisPhase c = subpixel_phase(p, 2, pair % p.stride[2]);
      const Index taps = p.kernel[0] * h.taps * c.taps;
      T* const to = phase + panel.first * channels * taps;
      for (Index part = 0; part < channels * taps; ++part) {
        const Index in = part / taps, tap = part % taps;
        const Index x = tap % c.taps, y = tap / c.taps % h.taps, z = tap / (c.taps * h.taps);
        T* run = to + (tap * channels + in) * width;
        copy_strided(run,
                     w + in * w_in + z * p.w.spatial[0] +
                         (h.tap0 + y * h.tap_step) * p.w.spatial[1] +
                         (c.tap0 + x * c.tap_step) * p.w.spatial[2],
                     w_out, panel.channels);
        if (panel.channels < width) fill_zero(run + panel.channels, width - panel.channels);
      }
      phase += row * channels * taps;
    }
  }
}

template <class T>
static void transposed_pixels_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  constexpr int M = LastShape<T>::m;
  constexpr int kGroup = pixel_group<T>();
  const ConvProblem& p = *job.problem;
  const Index rows = task.rows.hi - task.rows.lo, cols = task.cols.hi - task.cols.lo;
  if (rows <= 0 || cols <= 0) return;

  const Index channels = p.group_in(), col_phases = p.stride[2];
  const Range depth_taps = task.axis[0].taps_inside(task.depth, p.in[0]);
  const PackedStrip strip = packed_strip<T>(p, task, depth_taps.hi - depth_taps.lo);
  PhasePair* phases = carver.take<PhasePair>(p.stride[1] * col_phases);
  Index* run_w = carver.take<Index>(p.kernel.product());
  Index* run_x = carver.take<Index>(p.kernel.product());
  T* tiles = carver.take<T>(kGroup * LastShape<T>::n);
  T* turned = carver.take<T>(col_phases * kGroup * LastShape<T>::n);
  list_phases(p, task, strip, depth_taps, {false, true, 1}, carver, phases);
  const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
  const T* packed = pack_positions(p, task, strip, depth_taps, x, carver);

  const Index positions = (rows - 1) * strip.pitch + cols;
  const SubpixelOutput<T> output = SubpixelOutput<T>::of(job, task, strip.pitch);
  const T* weights = reinterpret_cast<const T*>(job.shared) + task.group * group_panels_size<T>(p);
  const Index weight_rows = ceil_div(p.group_out(), Vt::width) * Vt::width;
  const T* bias = static_cast<const T*>(job.bias);
  const Index last_panel = ceil_div(task.out_channels.hi, LastShape<T>::n);
  for (Index k = task.out_channels.lo / LastShape<T>::n; k < last_panel; ++k) {
    const Panel panel = panel_at<T>(p, k);
    const int width = panel.vectors * Vt::width;
    const PlanarEpilogue<T> end{
        bias == nullptr ? nullptr : bias + task.group * p.group_out() + panel.first, p.activation,
        true, job.saw_nan};
    for (Index ph = 0; ph < p.stride[1]; ++ph) {
      for (Index at = 0; at < positions; at += kGroup) {
        const Index stop = smaller(at + kGroup, positions);
        for (Index pw = 0; pw < col_phases; ++pw) {
          const PhasePair& pair = phases[ph * col_phases + pw];
          const T* panel_weights =
              weights + pair.weights * weight_rows + panel.first * channels * pair.taps;
          const Index reaching = runs_reaching(pair.runs, at / strip.pitch,
                                               (stop - 1) / strip.pitch + 1, run_w, run_x);
          for (Index q = at; q < stop; q += M) {
            run_pixel_tile<T>(panel.vectors, packed + q * channels, channels, run_x, run_w,
                              reaching, panel_weights, tiles + (q - at) * width);
          }
          T* to = turned + pw * width * kGroup;
          transpose(tiles, width, kGroup, width, to, kGroup);
          planar_finish<T>({to, kGroup}, static_cast<int>(panel.channels), kGroup / Vt::width, end);
        }
        for (Index c = 0; c < panel.channels; ++c) {
          output.store(turned + c * kGroup, width * kGroup, panel.first + c, ph, at, stop - at);
        }
      }
    }
  }
}

template <class T>
static void transposed_pixels(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Grid grid = subpixel_grid(p, job.plan->block_rows, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    transposed_pixels_task<T>(job, subpixel_task(p, *job.plan, grid, LastShape<T>::n, i),
                              Carver{scratch});
  }
}
