// The register tile of the dense NHWC kernels: M pixels x V vectors of output channels.
//
// Loop order: runs of input channels (one run per kernel element, or one for everything where the
// input was unfolded), then the channels of a run; one step multiplies M broadcast inputs with V
// weight vectors into M*V accumulators. Inputs are read where they lie, through one pointer per
// pixel that is set anew for each run; weights come from a panel packed as [run][channel][V*width],
// read front to back exactly once per tile.
//
// With 32 registers M x V = 6 x 4 suits channel counts in multiples of 64: 24 multiply-adds for 10
// loads; with 16 registers 6 x 2. It loses to the planar tile where a group has few output
// channels.

template <class T>
struct LastShape {
  static constexpr int m = 6;
  static constexpr int v = Vec<T>::registers >= 32 ? 4 : 2;
  static constexpr int n = v * Vec<T>::width;
};

// Adds `depth` steps to the tile, an M x (V*width) array. The panel's row length is that of a full
// tile.
template <class T, int V>
[[gnu::noinline]] static const T* channels_last_tile(const T* const* pixel, const T* panel,
                                                     Index depth, T* tile, bool resume) {
  using Vt = Vec<T>;
  constexpr int M = LastShape<T>::m, W = Vt::width;
  typename Vt::Reg acc[M][V];
  const T* x[M];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    x[m] = pixel[m];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[m][v] = resume ? Vt::load(tile + (m * V + v) * W) : Vt::zero();
  }
  for (Index c = 0; c < depth; ++c, panel += V * W) {
    typename Vt::Reg w[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) w[v] = Vt::load(panel + v * W);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const typename Vt::Reg in = Vt::set(x[m][c]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[m][v] = Vt::fma(in, w[v], acc[m][v]);
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) Vt::store(tile + (m * V + v) * W, acc[m][v]);
  }
  return panel;
}

template <class T>
static inline const T* run_channels_last_tile(int vectors, const T* const* pixel, const T* panel,
                                              Index depth, T* tile, bool resume) {
  if constexpr (LastShape<T>::v >= 4) {
    if (vectors == 4) return channels_last_tile<T, 4>(pixel, panel, depth, tile, resume);
    if (vectors == 3) return channels_last_tile<T, 3>(pixel, panel, depth, tile, resume);
  }
  if (vectors == 2) return channels_last_tile<T, 2>(pixel, panel, depth, tile, resume);
  return channels_last_tile<T, 1>(pixel, panel, depth, tile, resume);
}

// Output channels of panel `index` of a group, and its place in the packed weights. Panels are as
// few as full tiles would be, and as even as whole vectors can be: a last panel of a single vector
// would not hide the latency of its multiply-adds.
struct Panel {
  Index first, channels;
  int vectors;
};

template <class T, int V = LastShape<T>::v>
static inline Index panel_start(const ConvProblem& p, Index index) {
  const Index vectors = ceil_div(p.group_out(), Vec<T>::width);
  const Index panels = ceil_div(vectors, V);
  return vectors * index / panels * Vec<T>::width;
}

template <class T, int V = LastShape<T>::v>
static inline Panel panel_at(const ConvProblem& p, Index index) {
  const Index first = panel_start<T, V>(p, index);
  const Index channels = smaller(panel_start<T, V>(p, index + 1), p.group_out()) - first;
  return {first, channels, static_cast<int>(ceil_div(channels, Vec<T>::width))};
}

// Packed elements of one group's weights before panel `index`.
template <class T, int V = LastShape<T>::v>
static inline Index panel_offset(const ConvProblem& p, Index index) {
  return panel_start<T, V>(p, index) * p.group_in() * p.kernel.product();
}
template <class T>
static inline Index group_panels_size(const ConvProblem& p) {
  return ceil_div(p.group_out(), Vec<T>::width) * Vec<T>::width * p.group_in() * p.kernel.product();
}

// Packs a panel of a group's weights, for the input channels `in`, to `to`, [kernel element][input
// channel][output channel],
// zeros past the last output channel. Where the weights of an output channel adjoin, a vector's
// worth of them is turned by square transpositions; else they are gathered one by one, at five
// times the cost.
template <class T>
static void pack_panel(const ConvProblem& p, const T* w, const Panel& panel, Range in, T* to) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  const Index width = panel.vectors * W, taps = p.kernel.product(), channels = in.hi - in.lo;
  const Index w_out = weight_out_stride(p), w_in = weight_in_stride(p);
  const T* first = w + panel.first * w_out + in.lo * w_in;
  const bool adjoins = W > 1 && (channels == 1 || w_in == taps) && p.w.spatial[2] == 1 &&
                       (p.kernel[1] == 1 || p.w.spatial[1] == p.kernel[2]) &&
                       (p.kernel[0] == 1 || p.w.spatial[0] == p.kernel[1] * p.kernel[2]);
  if (!adjoins) {
    Index tap = 0;
    for (Index z = 0; z < p.kernel[0]; ++z) {
      for (Index r = 0; r < p.kernel[1]; ++r) {
        for (Index s = 0; s < p.kernel[2]; ++s, ++tap) {
          const T* from = first + z * p.w.spatial[0] + r * p.w.spatial[1] + s * p.w.spatial[2];
          T* run = to + tap * channels * width;
          for (Index c = 0; c < channels; ++c, run += width) {
            copy_strided(run, from + c * w_in, w_out, panel.channels);
            if (panel.channels < width) fill_zero(run + panel.channels, width - panel.channels);
          }
        }
      }
    }
    return;
  }
  const Index length = channels * taps;
  for (int v = 0; v < panel.vectors; ++v) {
    const int count = static_cast<int>(smaller(W, panel.channels - v * W));
    const T* from = first + v * W * w_out;
    Index channel = 0, tap = 0;
    for (Index at = 0; at < length; at += W) {
      const int elements = static_cast<int>(smaller(W, length - at));
      typename Vt::Reg r[W];
      for (int k = 0; k < W; ++k) {
        r[k] = k >= count      ? Vt::zero()
               : elements == W ? Vt::load(from + k * w_out + at)
                               : Vt::load_first(from + k * w_out + at, elements);
      }
      Vt::transpose(r);
      for (int e = 0; e < elements; ++e) {
        Vt::store(to + (tap * channels + channel) * width + v * W, r[e]);
        if (++tap == taps) {
          tap = 0;
          ++channel;
        }
      }
    }
  }
}

// Phase 0: task = (group, panel).
template <class T>
static void pack_channels_last(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Index panels = ceil_div(p.group_out(), LastShape<T>::n);
  for (Index i = begin; i < end; ++i) {
    const Index group = i / panels;
    pack_panel(p, static_cast<const T*>(job.w) + weight_origin(p, group),
               panel_at<T>(p, i % panels), {0, p.group_in()},
               reinterpret_cast<T*>(job.shared) + group * group_panels_size<T>(p) +
                   panel_offset<T>(p, i % panels));
  }
}

// The packed weights of a task's group, panel by panel: those of phase 0, or packed in passing,
// each panel as it is needed, so that they never leave the cache of the thread.
template <class T>
struct PanelWeights {
  const ConvProblem& p;
  const T* packed;    // by phase 0; null where there was none
  const T* original;  // of the group
  T* own;

  PanelWeights(const ConvJob& job, Index group, Carver& carver)
      : p(*job.problem),
        packed(job.plan->tasks[0] == 0
                   ? nullptr
                   : reinterpret_cast<const T*>(job.shared) + group * group_panels_size<T>(p)),
        original(static_cast<const T*>(job.w) + weight_origin(p, group)),
        own(carver.take<T>(
            packed != nullptr ? 0 : LastShape<T>::n * p.group_in() * p.kernel.product())) {}

  const T* of(Index index) const {
    if (packed != nullptr) return packed + panel_offset<T>(p, index);
    pack_panel(p, original, panel_at<T>(p, index), {0, p.group_in()}, own);
    return own;
  }
};

// Bias, addend (so many elements from the output, or null), activation and NaN watch, then M pixels
// of one panel to the output.
template <class T>
static void channels_last_store(T* tile, int pixels, const Panel& panel, T* const* y, const T* bias,
                                Activation activation, unsigned char* saw_nan,
                                const Index* addend) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  bool nan = false;
  for (int v = 0; v < panel.vectors; ++v) {
    const int count = static_cast<int>(smaller(W, panel.channels - v * W));
    const typename Vt::Reg b =
        bias == nullptr ? Vt::zero() : Vt::load_first(bias + panel.first + v * W, count);
    for (int m = 0; m < pixels; ++m) {
      T* to = y[m] + panel.first + v * W;
      typename Vt::Reg sum = Vt::add(Vt::load(tile + (m * panel.vectors + v) * W), b);
      if (addend != nullptr) sum = Vt::add(sum, Vt::load_first(to + *addend, count));
      nan = nan || (saw_nan != nullptr && Vt::any_nan(sum));
      const typename Vt::Reg out =
          activation == Activation::none ? sum : activate<T>(sum, activation);
      if (count == W) {
        Vt::store(to, out);
      } else {
        Vt::store_first(to, out, count);
      }
    }
  }
  if (nan) __atomic_store_n(saw_nan, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
}
