// Depthwise convolution, NHWC: one input and one output channel per group, forward and transposed,
// 1-D to 3-D; channel strides of input and output are 1.
//
// Loop order of a task: output pixels of a block of columns, four at a time > vectors of channels >
// kernel elements. Four accumulators stay in registers; each kernel element's weights are loaded
// once for the four pixels, from a copy packed as [element][channel]. Padded kernel elements are
// skipped pixel by pixel, so padding is never multiplied. The input rows that a task needs stay in
// the first- or second-level cache between kernel rows.
//
// Against one pixel at a time it saves three of four weight loads. It loses to the row kernel where
// channels do not fill a vector.

template <class T>
static void pack_depthwise(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Index group_stride = p.w.batch;  // both weight layouts have one channel per group in front
  for (Index tap = begin; tap < end; ++tap) {
    const Index s = tap % p.kernel[2], r = tap / p.kernel[2] % p.kernel[1];
    const Index z = tap / (p.kernel[2] * p.kernel[1]);
    copy_strided(
        reinterpret_cast<T*>(job.shared) + tap * p.groups,
        static_cast<const T*>(job.w) + z * p.w.spatial[0] + r * p.w.spatial[1] + s * p.w.spatial[2],
        group_stride, p.groups);
  }
}

template <class T>
static void depthwise_channels_last_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  constexpr int kPixels = 4;
  const ConvProblem& p = *job.problem;
  const AxisPhase* axis = task.axis;
  const T* packed = reinterpret_cast<const T*>(job.shared);
  const T* x = static_cast<const T*>(job.x) + task.batch * p.x.batch;
  const T* bias = static_cast<const T*>(job.bias);
  const Index taps = axis[0].taps * axis[1].taps * axis[2].taps;
  // Per kernel element: its weights, and per pixel its input or null on padding.
  const T** tap_w = carver.take<const T*>(taps);
  const T** tap_x = carver.take<const T*>(taps * kPixels);

  for (Index at = task.cols.lo; at < task.cols.hi; at += kPixels) {
    const int count = static_cast<int>(smaller(kPixels, task.cols.hi - at));
    PixelAt pixel[kPixels];
    for (int m = 0; m < kPixels; ++m) pixel[m] = pixel_at(axis, at + smaller(m, count - 1));
    Index met = 0;
    bool padded = false;
    for (Index z = 0; z < axis[0].taps; ++z) {
      for (Index r = 0; r < axis[1].taps; ++r) {
        for (Index s = 0; s < axis[2].taps; ++s) {
          bool any = false, all = true;
          for (int m = 0; m < kPixels; ++m) {
            const InputAt in = input_at(p, axis, pixel[m], z, r, s);
            tap_x[met * kPixels + m] = in.inside ? x + in.offset : nullptr;
            any = any || in.inside;
            all = all && in.inside;
          }
          if (!any) continue;
          padded = padded || !all;
          tap_w[met++] = packed + (((axis[0].tap0 + z * axis[0].tap_step) * p.kernel[1] +
                                    axis[1].tap0 + r * axis[1].tap_step) *
                                       p.kernel[2] +
                                   axis[2].tap0 + s * axis[2].tap_step) *
                                      p.groups;
        }
      }
    }
    T* to[kPixels];
    for (int m = 0; m < count; ++m) {
      to[m] = static_cast<T*>(job.y) + output_origin(p, task) +
              pixel[m].depth * axis[0].out_step * p.y.spatial[0] +
              pixel[m].row * axis[1].out_step * p.y.spatial[1] +
              pixel[m].col * axis[2].out_step * p.y.spatial[2];
    }
    for (Index c = 0; c < p.groups; c += W) {
      const int width = static_cast<int>(smaller(W, p.groups - c));
      typename Vt::Reg acc[kPixels];
      const typename Vt::Reg start = bias == nullptr ? Vt::zero() : Vt::load_first(bias + c, width);
      for (int m = 0; m < kPixels; ++m) acc[m] = start;
      if (width == W && !padded) {
        for (Index t = 0; t < met; ++t) {
          const typename Vt::Reg w = Vt::load(tap_w[t] + c);
          const T* const* in = tap_x + t * kPixels;
#pragma GCC unroll 4
          for (int m = 0; m < kPixels; ++m) acc[m] = Vt::fma(Vt::load(in[m] + c), w, acc[m]);
        }
      } else {
        for (Index t = 0; t < met; ++t) {
          const typename Vt::Reg w = Vt::load_first(tap_w[t] + c, width);
          const T* const* in = tap_x + t * kPixels;
#pragma GCC unroll 4
          for (int m = 0; m < kPixels; ++m) {
            if (in[m] == nullptr) continue;
            acc[m] = Vt::fma(Vt::load_first(in[m] + c, width), w, acc[m]);
          }
        }
      }
      for (int m = 0; m < count; ++m) {
        const typename Vt::Reg out =
            p.activation == Activation::none ? acc[m] : activate<T>(acc[m], p.activation);
        Vt::store_first(to[m] + c, out, width);
      }
    }
  }
}

template <class T>
static void depthwise_channels_last(const void* context, Index begin, Index end,
                                    std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const Grid grid = pixel_grid(*job.problem, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    // One task serves all groups: `choose` counts tasks for a problem of one group.
    ConvProblem one = *job.problem;
    one.groups = 1;
    GridTask task = grid_task(one, *job.plan, grid, 1, i);
    depthwise_channels_last_task<T>(job, task, Carver{scratch});
  }
}
