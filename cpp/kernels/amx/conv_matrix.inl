// Direct convolution on the matrix unit: any kernel, stride, dilation, padding, groups, 1-D to 3-D,
// forward and transposed, NCHW and NHWC.
//
// Loop order of a task: blocks of input channels > pack a strip of the input (pack_input.inl) >
// panels of 32 output channels > pairs of tiles of 16 positions > blocks of 32 input channels >
// kernel elements > products of parts, with 32 x 32 sums in tiles (tile_product.inl). The strip and
// one panel of weights share the second-level cache; a pair of tiles reads its strip rows from the
// first for all kernel elements. Where the weights of a panel would not fit, input channels are cut
// into blocks and partial sums wait in memory.
//
// Tiles are laid over the outputs of a task greedily: the next one starts at the first output that
// no earlier tile holds, wherever that is, so zeros between rows cost positions only where a row
// ends inside a tile. A kernel element that meets nothing but padding for a pair of tiles is
// skipped. Images with few outputs share a strip, so that a panel of weights is read once for all.
//
// Against the vector kernels it multiplies sixteen times as many numbers per instruction; float32
// accuracy takes six products, so it gains two to three times on layers that fill tiles. It loses
// where 32 input or 16 output channels are mostly padding, and where packing outweighs the work.

static inline Index strip_rows(const MatrixStrip& s) {
  return s.images * s.axis[0].length * s.axis[1].length;
}

// Where the outputs of each row of the strip lie.
static void list_strip_rows(const ConvProblem& p, const MatrixTask& task, const MatrixStrip& s,
                            StripRow* row) {
  for (Index n = 0; n < s.images; ++n) {
    for (Index z = 0; z < s.axis[0].length; ++z) {
      for (Index r = 0; r < s.axis[1].length; ++r, ++row) {
        const Index depth = task.span[0].lo + z, line = task.span[1].lo + r;
        const bool kept = depth < task.span[0].hi && line < task.span[1].hi;
        row->depth = depth;
        row->row = line;
        row->at = !kept ? kNoOutputs
                        : n * p.y.batch + depth * task.axis[0].out_step * p.y.spatial[0] +
                              line * task.axis[1].out_step * p.y.spatial[1] +
                              task.span[2].lo * task.axis[2].out_step * p.y.spatial[2];
      }
    }
  }
}

// Kernel elements of a task, as distances in the packed strip and panel.
struct TapList {
  Index* pixel_shift;
  Index* weight_shift;
  Axes* tap;  // their numbers within the phase
  Index count;
};

static void list_taps(const ConvProblem& p, const MatrixTask& task, const MatrixStrip& s,
                      Index weight_bytes, TapList& taps) {
  taps.count = 0;
  const AxisPhase* axis = task.axis;
  for (Index z = 0; z < axis[0].taps; ++z) {
    for (Index r = 0; r < axis[1].taps; ++r) {
      for (Index c = 0; c < axis[2].taps; ++c) {
        const Index element = ((axis[0].tap0 + z * axis[0].tap_step) * p.kernel[1] + axis[1].tap0 +
                               r * axis[1].tap_step) *
                                  p.kernel[2] +
                              axis[2].tap0 + c * axis[2].tap_step;
        taps.pixel_shift[taps.count] = position_shift(s, z, r, c) * kTileLine;
        taps.weight_shift[taps.count] = element * weight_bytes;
        taps.tap[taps.count] = {{z, r, c}};
        ++taps.count;
      }
    }
  }
}

// Whether a kernel element meets the input from any output of a tile.
static bool reaches(const ConvProblem& p, const MatrixTask& task, const MatrixRows& rows,
                    const PixelTile& tile, const Axes& tap) {
  Index r = tile.row, c = tile.col;
  for (Index lane = 0; lane < kTileRows && r < rows.rows; lane += rows.pitch - c, ++r, c = 0) {
    const Index last = smaller(rows.cols, c + kTileRows - lane) - 1;
    if (last < c || rows.row[r].at == kNoOutputs) continue;
    const Index z = rows.row[r].depth * task.axis[0].in_step + task.axis[0].offset(tap[0]);
    const Index y = rows.row[r].row * task.axis[1].in_step + task.axis[1].offset(tap[1]);
    const Index at = task.axis[2].offset(tap[2]), step = task.axis[2].in_step;
    const Index x0 = (task.span[2].lo + c) * step + at, x1 = (task.span[2].lo + last) * step + at;
    if (z >= 0 && z < p.in[0] && y >= 0 && y < p.in[1] && x1 >= 0 && x0 < p.in[2]) return true;
  }
  return false;
}

// Whether some kernel element may miss the input from all positions of a tile: where one reaches
// more than a row or column outside. Nearer ones miss it from so few tiles that looking costs more.
static bool reaches_far(const ConvProblem& p, const MatrixTask& task) {
  for (int a = 0; a < kAxes; ++a) {
    const AxisPhase& axis = task.axis[a];
    const Index last = (axis.count - 1) * axis.in_step + axis.highest_offset();
    if (axis.lowest_offset() < -1 || last > p.in[a]) return true;
  }
  return false;
}

// The kernel elements that reach from one of two tiles, as steps.
static Index reaching_taps(const ConvProblem& p, const MatrixTask& task, const MatrixRows& rows,
                           const PixelTile* tile, int tiles, const TapList& all, Index* pixel_shift,
                           Index* weight_shift) {
  Index count = 0;
  for (Index t = 0; t < all.count; ++t) {
    if (!reaches(p, task, rows, tile[0], all.tap[t]) &&
        (tiles < 2 || !reaches(p, task, rows, tile[1], all.tap[t]))) {
      continue;
    }
    pixel_shift[count] = all.pixel_shift[t];
    weight_shift[count] = all.weight_shift[t];
    ++count;
  }
  return count;
}

static Index lay_tiles(const MatrixRows& rows, PixelTile* tile) {
  Index count = 0, next = 0;
  for (Index r = 0; r < rows.rows; ++r) {
    if (rows.row[r].at == kNoOutputs) continue;
    const Index start = r * rows.pitch, end = start + rows.cols;
    for (Index at = larger(next, start); at < end; at = next) {
      tile[count++] = {at, static_cast<int>(r), static_cast<int>(at - start), true};
      next = at + kTileRows;
    }
  }
  return count;
}

// Sums of partial blocks: four tiles of a pair, one after the other.
template <int M, int N>
static inline void begin_sums(Tiles& tiles, const float* from) {
  if (from == nullptr) {
    tiles.zero<0>();
    if constexpr (N > 1) tiles.zero<1>();
    if constexpr (M > 1) tiles.zero<2>();
    if constexpr (M > 1 && N > 1) tiles.zero<3>();
    return;
  }
  constexpr int kTile = kTileBytes / 4;
  tiles.load<0>(from, kTileLine);
  if constexpr (N > 1) tiles.load<1>(from + kTile, kTileLine);
  if constexpr (M > 1) tiles.load<2>(from + 2 * kTile, kTileLine);
  if constexpr (M > 1 && N > 1) tiles.load<3>(from + 3 * kTile, kTileLine);
}

template <int M, int N>
static inline void end_sums(Tiles& tiles, float* to) {
  constexpr int kTile = kTileBytes / 4;
  tiles.store<0>(to, kTileLine);
  if constexpr (N > 1) tiles.store<1>(to + kTile, kTileLine);
  if constexpr (M > 1) tiles.store<2>(to + 2 * kTile, kTileLine);
  if constexpr (M > 1 && N > 1) tiles.store<3>(to + 3 * kTile, kTileLine);
}

template <int Parts, int M, int N>
static void run_pair(Tiles& tiles, const MatrixSteps& steps, const char* pixels, Index second,
                     const char* panel, const float* from, float* to) {
  begin_sums<M, N>(tiles, from);
  matrix_product<Parts, M, N>(tiles, steps, pixels, second, panel);
  end_sums<M, N>(tiles, to);
}

template <int Parts>
static inline void run_pair_of(int m, int n, Tiles& tiles, const MatrixSteps& steps,
                               const char* pixels, Index second, const char* panel,
                               const float* from, float* to) {
  if (m == 2 && n == 2) return run_pair<Parts, 2, 2>(tiles, steps, pixels, second, panel, from, to);
  if (m == 2) return run_pair<Parts, 2, 1>(tiles, steps, pixels, second, panel, from, to);
  if (n == 2) return run_pair<Parts, 1, 2>(tiles, steps, pixels, second, panel, from, to);
  return run_pair<Parts, 1, 1>(tiles, steps, pixels, second, panel, from, to);
}

template <class T, int Parts>
static void matrix_task(const ConvJob& job, const MatrixTask& task, Tiles& tiles, Carver carver) {
  const ConvProblem& p = *job.problem;
  Index first[kAxes], count[kAxes];
  for (int a = 0; a < kAxes; ++a) {
    first[a] = task.span[a].lo;
    count[a] = task.span[a].hi - task.span[a].lo;
    if (count[a] <= 0) return;
  }
  const Index images = task.images.hi - task.images.lo;
  const MatrixStrip strip = matrix_strip(p, task.axis, first, count, images, Parts);
  const Index capacity = task.axis[0].taps * task.axis[1].taps * task.axis[2].taps;
  TapList taps{carver.take<Index>(capacity), carver.take<Index>(capacity),
               carver.take<Axes>(capacity), 0};
  Index* pixel_shift = carver.take<Index>(capacity);
  Index* weight_shift = carver.take<Index>(capacity);
  StripRow* row = carver.take<StripRow>(strip_rows(strip));
  list_strip_rows(p, task, strip, row);
  const MatrixRows rows{row, strip_rows(strip), count[2], strip.pitch,
                        task.axis[2].out_step * p.y.spatial[2]};
  PixelTile* tile =
      carver.take<PixelTile>(images * count[0] * count[1] * ceil_div(count[2], Index{kTileRows}));
  const Index tile_count = lay_tiles(rows, tile);
  constexpr Index kPair = 4 * kTileBytes / 4;  // sums of a pair of tiles
  float* sums = carver.take<float>(kPair);
  T* lines = carver.take<T>(kTileDepth * kGathered);
  const Index pairs = ceil_div(tile_count, Index{2});
  const Index blocks = blocks_of(p), block_depth = job.plan->block_depth / kTileDepth;
  const bool whole = block_depth >= blocks;
  const Index panels = task.panels.hi - task.panels.lo;
  float* waiting = carver.take<float>(whole ? 0 : panels * pairs * kPair);
  char* packed = reinterpret_cast<char*>(carver.take<float>(0));

  const T* x = static_cast<const T*>(job.x) + task.images.lo * p.x.batch +
               task.group * p.group_in() * p.x.channel;
  T* y = static_cast<T*>(job.y) + task.images.lo * p.y.batch +
         task.group * p.group_out() * p.y.channel;
  for (int a = 0; a < kAxes; ++a) y += task.axis[a].out_start * p.y.spatial[a];
  const T* bias = static_cast<const T*>(job.bias);
  if (bias != nullptr) bias += task.group * p.group_out();

  const bool far = reaches_far(p, task);
  for (Index b = 0; b < larger(1, blocks); b += block_depth) {
    const Index some = smaller(block_depth, blocks - b);
    const bool last = b + block_depth >= blocks;
    if (pack_strip<T, Parts>(p, strip, x, first, b, some, packed, lines) != 0) {
      __atomic_store_n(job.declined, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
      return;
    }
    for (Index k = task.panels.lo; k < task.panels.hi; ++k) {
      const int n = panel_tiles(p, k);
      list_taps(p, task, strip, Parts * n * kTileBytes, taps);
      const Index weight_block = weight_block_bytes(p, Parts, n);
      const char* panel = reinterpret_cast<const char*>(job.shared) +
                          panel_start(p, Parts, task.group, k) + b * weight_block;
      MatrixSteps steps{taps.pixel_shift,  taps.weight_shift, taps.count,  some,
                        strip.block_bytes, strip.part_bytes,  weight_block};
      for (Index t = 0; t < tile_count; t += 2) {
        const int m = tile_count - t > 1 ? 2 : 1;
        if (far && k == task.panels.lo && b == 0) {
          const Index reached =
              reaching_taps(p, task, rows, tile + t, m, taps, pixel_shift, weight_shift);
          tile[t].all_steps = reached == taps.count;
        }
        if (!tile[t].all_steps) {
          steps.count = reaching_taps(p, task, rows, tile + t, m, taps, pixel_shift, weight_shift);
          steps.pixel_shift = pixel_shift;
          steps.weight_shift = weight_shift;
        } else {
          steps.count = taps.count;
          steps.pixel_shift = taps.pixel_shift;
          steps.weight_shift = taps.weight_shift;
        }
        float* kept = whole ? nullptr : waiting + ((k - task.panels.lo) * pairs + t / 2) * kPair;
        const Index second = m == 2 ? (tile[t + 1].position - tile[t].position) * kTileLine : 0;
        run_pair_of<Parts>(m, n, tiles, steps, packed + tile[t].position * kTileLine, second, panel,
                           b > 0 ? kept : nullptr, last ? sums : kept);
        if (!last) continue;
        for (int i = 0; i < m; ++i) {
          TileRun run[kTileRows];
          const int runs = tile_runs(rows, tile[t + i], run);
          for (int j = 0; j < n; ++j) {
            const Index out = k * kPanel + j * kTileCols;
            const int channels = static_cast<int>(smaller(kTileCols, p.group_out() - out));
            store_tile(p, rows, sums + (2 * i + j) * (kTileBytes / 4), run, runs, channels,
                       y + out * p.y.channel, bias == nullptr ? nullptr : bias + out);
          }
        }
      }
    }
  }
}

template <class T, int Parts>
static void matrix_parts(const ConvJob& job, Index begin, Index end, std::byte* scratch) {
  Tiles tiles;
  for (Index i = begin; i < end; ++i) {
    matrix_task<T, Parts>(job, task_of_matrix(*job.problem, *job.plan, panels_of(*job.problem), i),
                          tiles, Carver{scratch});
  }
}
