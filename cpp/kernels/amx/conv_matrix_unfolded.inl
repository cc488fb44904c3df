// im2col convolution on the matrix unit, NCHW: any kernel, stride, dilation, padding and groups;
// for pointwise layers, and for so few input channels that a block of 32 would be mostly zeros.
//
// Rows of the unfolded input (one per input channel and kernel element) are taken 32 at a time, so
// a block is full whatever the number of channels. Loop order of a task: unfold and split the
// pixels of the task > panels of 32 output channels > pairs of tiles of 16 pixels > blocks of 32
// rows, with 32 x 32 sums in tiles. Here weights are the rows of a product and pixels its columns:
// two rows of the unfolded input make one row of a tile, so packing takes one shuffle where
// pack_input.inl transposes, the sums of an output channel come out as consecutive pixels, ready to
// store, and weights are packed as they lie.
//
// It loses to matrix tiles of the direct form where a kernel has many elements and a group many
// channels, because it unfolds every input once per element.

static constexpr int kPairPixels = 2 * kTileCols;

// Phase 0: task = (group, panel). [group][16 output channels][block of 32 rows][part] tiles.
template <class T, int Parts>
static void pack_unfolded_parts(const ConvJob& job, Index begin, Index end) {
  const ConvProblem& p = *job.problem;
  const Index panels = panels_of(p), taps = p.kernel.product();
  const Index rows = p.group_in() * taps, blocks = ceil_div(rows, Index{kTileDepth});
  const Index tile_bytes = blocks * Parts * kTileBytes;
  const Index tiles = ceil_div(p.group_out(), Index{kTileCols});
  const bool adjoining = p.w.channel == taps && kernel_adjoins(p);
  __mmask16 bad = 0;
  T loose[kTileDepth];
  for (Index i = begin; i < end; ++i) {
    const Index panel = i % panels, group = i / panels;
    for (Index tile = 2 * panel; tile < smaller(tiles, 2 * panel + 2); ++tile) {
      char* to = reinterpret_cast<char*>(job.shared) + (group * tiles + tile) * tile_bytes;
      for (Index u = 0; u < rows; u += kTileDepth, to += Parts * kTileBytes) {
        // Whole tiles one after the other: lines a tile apart would each miss the cache.
        for (Index row = 0; row < kTileCols; ++row) {
          const Index k = tile * kTileCols + row;
          const int count = k < p.group_out() ? static_cast<int>(smaller(kTileDepth, rows - u)) : 0;
          const T* w = static_cast<const T*>(job.w) + weight_origin(p, group) + k * p.w.batch;
          const T* from = w + u;
          if (!adjoining) {
            for (int j = 0; j < count; ++j) {
              const Index c = (u + j) / taps, t = (u + j) % taps;
              loose[j] = w[c * p.w.channel + t / (p.kernel[1] * p.kernel[2]) * p.w.spatial[0] +
                           t / p.kernel[2] % p.kernel[1] * p.w.spatial[1] +
                           t % p.kernel[2] * p.w.spatial[2]];
            }
            from = loose;
          }
          __m512 low = _mm512_setzero_ps(), high = low;
          if (count > 0) low = Vec<T>::load_first(from, count < 16 ? count : 16);
          if (count > 16) high = Vec<T>::load_first(from + 16, count - 16);
          bad = static_cast<__mmask16>(bad | beyond(low, kMostWeight) | beyond(high, kMostWeight));
          __m512i part[kMostParts];
          split_row<Parts>(scaled(low), scaled(high), part);
          for (int q = 0; q < Parts; ++q) {
            _mm512_store_si512(to + q * kTileBytes + row * kTileLine, part[q]);
          }
        }
      }
    }
  }
  if (bad != 0) __atomic_store_n(job.declined, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
}

// One row of the unfolded input for a pair of tiles: in place where its pixels adjoin, else copied.
template <class T>
static inline const T* unfolded_line(const UnfoldedRow<T, kPairPixels>& row, const T* channel,
                                     T* line) {
  if (row.count == 1 && row.covered == kPairPixels && row.step == 1) {
    return channel + row.run[0].from;
  }
  if (row.covered < kPairPixels) fill_zero(line, kPairPixels);
  for (int i = 0; i < row.count; ++i) {
    copy_strided(line + row.run[i].lane, channel + row.run[i].from, row.step, row.run[i].length);
  }
  return line;
}

// Input channels that are fetched ahead of those that are split.
static constexpr Index kAhead = 24;

// Splits a pair of tiles of pixels: [block][part][tile of N] tiles. Pixels past the last are zero.
template <class T, int Parts, int N>
static __mmask16 unfold_pair(const ConvProblem& p, const UnfoldedRow<T, kPairPixels>* row,
                             Index taps, Index rows, const T* x, char* to) {
  __mmask16 bad = 0;
  alignas(64) T line[2][kPairPixels];
  Index tap = 0;
  for (Index u = 0; u < ceil_div(rows, Index{kTileDepth}) * kTileDepth; u += 2) {
    __m512 value[2][N];
    for (int j = 0; j < 2; ++j) {
      const T* from = nullptr;
      if (u + j < rows) {
        from = unfolded_line(row[tap], x, line[j]);
        // Rows of the unfolded input lie planes apart, where no hardware sees a pattern.
        if (taps == 1 && from != line[j]) {
          for (int n = 0; n < N; ++n) {
            _mm_prefetch(from + kAhead * p.x.channel + n * kTileCols, _MM_HINT_T0);
          }
        }
      }
      for (int n = 0; n < N; ++n) {
        value[j][n] = from == nullptr ? _mm512_setzero_ps() : Vec<T>::load(from + n * kTileCols);
        bad = static_cast<__mmask16>(bad | beyond(value[j][n], kMostInput));
      }
      if (++tap == taps) {
        tap = 0;
        x += p.x.channel;
      }
    }
    char* at = to + u / kTileDepth * (Parts * N * kTileBytes) + u % kTileDepth / 2 * kTileLine;
    for (int n = 0; n < N; ++n) {
      __m512i pairs[Parts];
      split_pairs<Parts>(scaled(value[0][n]), scaled(value[1][n]), pairs, 1);
#pragma GCC unroll 3
      for (int q = 0; q < Parts; ++q) {
        _mm512_store_si512(at + (q * N + n) * kTileBytes, pairs[q]);
      }
    }
  }
  return bad;
}

// Where the pixels of a pair of tiles go.
struct PairOutput {
  TileRun run[kPairPixels];
  int count;
};

static void list_output(const ConvProblem& p, const PixelRuns<kPairPixels>& pixels, bool one_row,
                        Index first, Index count, PairOutput& out) {
  if (one_row) {
    out.count = 1;
    out.run[0] = {0, static_cast<int>(count), first * p.y.spatial[2]};
    return;
  }
  out.count = pixels.count;
  for (int i = 0; i < pixels.count; ++i) {
    const PixelRun& px = pixels.run[i];
    out.run[i] = {
        px.lane, px.lane + px.length,
        px.depth * p.y.spatial[0] + px.row * p.y.spatial[1] + (px.col - px.lane) * p.y.spatial[2]};
  }
}

// Sums of one tile, 16 output channels x 16 pixels from lane `first` on.
template <class T>
static void store_channels(const ConvProblem& p, const float* sums, const PairOutput& out,
                           int first, int channels, T* y, const T* bias) {
  const __m512 back = _mm512_set1_ps(kUnscale);
  const Index step = p.y.spatial[2];
  alignas(64) T loose[kTileCols];
  for (int k = 0; k < channels; ++k, y += p.y.channel) {
    __m512 sum = _mm512_mul_ps(_mm512_load_ps(sums + k * kTileCols), back);
    if (bias != nullptr) sum = _mm512_add_ps(sum, Vec<T>::set(widen(bias[k])));
    if (p.activation != Activation::none) sum = activate<float>(sum, p.activation);
    if (step != 1) Vec<T>::store(loose, sum);
    for (int i = 0; i < out.count; ++i) {
      const int lo = out.run[i].lo > first ? out.run[i].lo - first : 0;
      const int hi = out.run[i].hi - first < kTileCols ? out.run[i].hi - first : kTileCols;
      if (lo >= hi) continue;
      T* to = y + out.run[i].at + first * step;
      if (step == 1) {
        if (lo == 0 && hi == kTileCols) {
          Vec<T>::store(to, sum);
        } else {
          Vec<T>::store_range(to, sum, lo, hi);
        }
      } else {
        for (int lane = lo; lane < hi; ++lane) to[lane * step] = loose[lane];
      }
    }
  }
}

template <class T, int Parts>
static void unfolded_task(const ConvJob& job, const GridTask& task, Tiles& tiles, Carver carver) {
  const ConvProblem& p = *job.problem;
  const Index first_pixel = task.cols.lo, last_pixel = task.cols.hi;
  if (first_pixel >= last_pixel) return;
  const Index taps = p.kernel.product(), rows = p.group_in() * taps;
  const Index blocks = ceil_div(rows, Index{kTileDepth});
  auto* row = carver.take<UnfoldedRow<T, kPairPixels>>(taps);
  float* sums = carver.take<float>(kTileBytes);
  char* packed = reinterpret_cast<char*>(carver.take<float>(0));
  const Index pair_bytes = blocks * Parts * 2 * kTileBytes;

  const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
  const bool one_row =
      p.y.spatial[1] == p.out[2] * p.y.spatial[2] && p.y.spatial[0] == p.out[1] * p.y.spatial[1];
  PixelRuns<kPairPixels> pixels;
  __mmask16 bad = 0;
  for (Index at = first_pixel; at < last_pixel; at += kPairPixels) {
    const Index count = smaller(kPairPixels, last_pixel - at);
    pixels.build(task.axis, at, count);
    for (Index t = 0; t < taps; ++t) {
      const Index tap[kAxes] = {t / (p.kernel[1] * p.kernel[2]), t / p.kernel[2] % p.kernel[1],
                                t % p.kernel[2]};
      row[t].build(p, task.axis, tap, pixels);
    }
    char* to = packed + (at - first_pixel) / kPairPixels * pair_bytes;
    bad = static_cast<__mmask16>(bad | (count > kTileCols
                                            ? unfold_pair<T, Parts, 2>(p, row, taps, rows, x, to)
                                            : unfold_pair<T, Parts, 1>(p, row, taps, rows, x, to)));
  }
  if (bad != 0) {
    __atomic_store_n(job.declined, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
    return;
  }

  T* y = static_cast<T*>(job.y) + output_origin(p, task);
  const T* bias = static_cast<const T*>(job.bias);
  if (bias != nullptr) bias += task.group * p.group_out();
  const Index tile_bytes = blocks * Parts * kTileBytes;
  const char* weights = reinterpret_cast<const char*>(job.shared) +
                        task.group * ceil_div(p.group_out(), Index{kTileCols}) * tile_bytes;
  const Index none = 0;
  PairOutput out;
  for (Index k = task.out_channels.lo / kPanel; k < ceil_div(task.out_channels.hi, Index{kPanel});
       ++k) {
    const int m = panel_tiles(p, k);
    for (Index at = first_pixel; at < last_pixel; at += kPairPixels) {
      const Index count = smaller(kPairPixels, last_pixel - at);
      const int n = count > kTileCols ? 2 : 1;
      const MatrixSteps steps{
          &none, &none, 1, blocks, Parts * kTileBytes, kTileBytes, Parts * n * kTileBytes};
      run_pair_of<Parts>(m, n, tiles, steps, weights + 2 * k * tile_bytes, tile_bytes,
                         packed + (at - first_pixel) / kPairPixels * pair_bytes, nullptr, sums);
      if (!one_row) pixels.build(task.axis, at, count);
      list_output(p, pixels, one_row, at, count, out);
      for (int i = 0; i < m; ++i) {
        const Index channel = k * kPanel + i * kTileCols;
        const int channels = static_cast<int>(smaller(kTileCols, p.group_out() - channel));
        for (int j = 0; j < n; ++j) {
          store_channels(p, sums + (2 * i + j) * (kTileBytes / 4), out, j * kTileCols, channels,
                         y + channel * p.y.channel, bias == nullptr ? nullptr : bias + channel);
        }
      }
    }
  }
}

template <class T, int Parts>
static void unfolded_parts(const ConvJob& job, Index begin, Index end, std::byte* scratch) {
  Tiles tiles;
  const Grid grid = pixel_grid(*job.problem, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    unfolded_task<T, Parts>(job, grid_task(*job.problem, *job.plan, grid, kPanel, i), tiles,
                            Carver{scratch});
  }
}
