// Direct convolution, NCHW, with pixels broadcast: any stride, dilation, padding, groups, 1-D to
// 3-D, forward and transposed. For layers with many output channels and enough pixels to pay for
// packing the weights.
//
// Loop order of a task: pack a strip of the input as direct_planar does, but with the channels of a
// position next to each other > panels of output channels > groups of pixels > tiles of M pixels >
// kernel elements > input channels. A tile holds M pixels x V vectors of output channels in
// accumulators, the shape of channels_last_tile.inl: one step loads V vectors of weights and
// broadcasts one channel of M neighbouring pixels. Both stream front to back, the weights from the
// second-level cache, the pixels from the first. A group of tiles is transposed in cache on its way
// to the output.
//
// Against direct_planar, whose vectors of pixels straddle cache lines wherever rows are not a
// multiple of a vector, and whose planes lie pages apart, every load here is aligned or a single
// element, in two streams that the hardware prefetches. It loses where the sum over channels and
// kernel elements is short, because of the two transpositions, where output channels do not fill a
// panel, and where a panel of weights exceeds the cache.

// Adds up M neighbouring positions, `channels` apart, from x on; the tile is an M x (V*width)
// array.
template <class T, int V>
[[gnu::noinline]] static void pixel_tile(const T* x, Index channels, const Index* run_x,
                                         const Index* run_w, Index runs, const T* panel, T* tile) {
  using Vt = Vec<T>;
  constexpr int M = LastShape<T>::m, W = Vt::width;
  typename Vt::Reg acc[M][V];
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[m][v] = Vt::zero();
  }
  // Two pointers and multiples of one distance reach all six pixels: see planar_tile.inl.
  const Index row = channels * static_cast<Index>(sizeof(T));
  for (Index r = 0; r < runs; ++r) {
    const char* group[2];
    group[0] = reinterpret_cast<const char*>(x + run_x[r] * channels);
    group[1] = group[0] + 3 * row;
    const T* w = panel + run_w[r] * channels * (V * W);
    for (Index c = channels; c > 0; --c, w += V * W) {
      typename Vt::Reg weight[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) weight[v] = Vt::load(w + v * W);
#pragma GCC unroll 6
      for (int m = 0; m < M; ++m) {
        const typename Vt::Reg value =
            Vt::set(*reinterpret_cast<const T*>(group[m / 3] + (m % 3) * row));
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[m][v] = Vt::fma(value, weight[v], acc[m][v]);
      }
      group[0] += sizeof(T);
      group[1] += sizeof(T);
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) Vt::store(tile + (m * V + v) * W, acc[m][v]);
  }
}

template <class T>
static inline void run_pixel_tile(int vectors, const T* x, Index channels, const Index* run_x,
                                  const Index* run_w, Index runs, const T* panel, T* tile) {
  if constexpr (LastShape<T>::v >= 4) {
    if (vectors == 4) return pixel_tile<T, 4>(x, channels, run_x, run_w, runs, panel, tile);
    if (vectors == 3) return pixel_tile<T, 3>(x, channels, run_x, run_w, runs, panel, tile);
  }
  if (vectors == 2) return pixel_tile<T, 2>(x, channels, run_x, run_w, runs, panel, tile);
  return pixel_tile<T, 1>(x, channels, run_x, run_w, runs, panel, tile);
}

// Pixels that are stored together: whole vectors and whole tiles.
template <class T>
constexpr int pixel_group() {
  constexpr int M = LastShape<T>::m;
  return static_cast<int>(PlanarShape<T>::n) * (PlanarShape<T>::n % M == 0 ? 1 : M);
}

// The strip of all input channels, a position's channels next to each other. A few planes at a time
// are packed, then turned.
template <class T>
static const T* pack_positions(const ConvProblem& p, const GridTask& task, const PackedStrip& strip,
                               Range depth_taps, const T* x, Carver& carver) {
  constexpr Index kPlanes = 16;
  const Index channels = p.group_in();
  T* some_planes = carver.take<T>(kPlanes * strip.plane_size);
  T* packed = carver.take<T>(0);
  for (Index c = 0; c < channels; c += kPlanes) {
    const Index count = smaller(kPlanes, channels - c);
    for (Index i = 0; i < count; ++i) {
      pack_plane(p, task, strip, x + (c + i) * p.x.channel, depth_taps,
                 some_planes + i * strip.plane_size);
    }
    transpose(some_planes, strip.plane_size, count, strip.plane_size, packed + c, channels);
  }
  return packed;
}

template <class T>
static void direct_pixels_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  constexpr int M = LastShape<T>::m;
  constexpr int kGroup = pixel_group<T>();
  constexpr int kVectors = kGroup / Vt::width;
  const ConvProblem& p = *job.problem;
  const Index rows = task.rows.hi - task.rows.lo, cols = task.cols.hi - task.cols.lo;
  if (rows <= 0 || cols <= 0) return;

  const Range depth_taps = task.axis[0].taps_inside(task.depth, p.in[0]);
  const PackedStrip strip = packed_strip<T>(p, task, depth_taps.hi - depth_taps.lo);
  const Index capacity = p.kernel.product();
  RunTable runs = RunTable::carve(carver, capacity);
  Index* run_w = carver.take<Index>(capacity);
  Index* run_x = carver.take<Index>(capacity);
  T* tiles = carver.take<T>(kGroup * LastShape<T>::n);
  T* turned = carver.take<T>(kGroup * LastShape<T>::n);
  // Weights are counted in kernel elements, as pack_channels_last orders them.
  list_runs(p, task, strip, depth_taps, {{p.kernel[1] * p.kernel[2], p.kernel[2], 1}}, false, runs);

  const PanelWeights<T> weights(job, task.group, carver);
  const Index channels = p.group_in();
  const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
  const T* packed = pack_positions(p, task, strip, depth_taps, x, carver);

  const FlatGrid grid{rows, cols, strip.pitch, task.axis[1].out_step * p.y.spatial[1],
                      task.axis[2].out_step * p.y.spatial[2]};
  const Index positions = (rows - 1) * strip.pitch + cols;
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
    for (Index at = 0; at < positions; at += kGroup) {
      const Index stop = smaller(at + kGroup, positions);
      const Index reaching =
          runs_reaching(runs, at / strip.pitch, (stop - 1) / strip.pitch + 1, run_w, run_x);
      for (Index q = at; q < stop; q += M) {
        run_pixel_tile<T>(panel.vectors, packed + q * channels, channels, run_x, run_w, reaching,
                          panel_weights, tiles + (q - at) * width);
      }
      transpose(tiles, width, kGroup, width, turned, kGroup);
      const TileRows<T> tile{turned, kGroup};
      for (int part = 0; part < kVectors; part += PlanarShape<T>::v) {
        const TileRows<T> stored{tile.at + part * Vt::width, tile.row};
        planar_finish(stored, out_channels, PlanarShape<T>::v, end);
        pieces.build(grid, at + part * Vt::width, PlanarShape<T>::v);
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
