// Winograd's algorithm for kernels of 2, 3 or 5 elements along both axes or one (with any depth),
// at stride 2 of 3 to 6: NCHW and NHWC, any dilation, padding and groups, 1-D to 3-D, forward and
// transposed.
//
// Loop order of a task, a block of tiles:
//   1. phases of rows > depth taps > vectors of input channels > tile rows > phases of columns: the
//      strip of inputs that a tile row reads is turned so that channels lie along the vector, B^T
//      is applied to its columns, then to the rows of each tile (whose columns lie a dilation, or a
//      stride, apart in the strip), and every point goes to its place in the transformed input;
//   2. two vectors of output channels at a time: for each point, a product of the transformed input
//      with the transformed weights (winograd_gemm.inl); then A^T on both sides of each tile, bias
//      and activation in registers, and the store.
// The transformed input of a block stays in the second-level cache while all output channels pass,
// the products of two vectors likewise; strips and columns stay in the first. Weights are
// transformed in phase 0, or, where one block holds all tiles and they are used but once, in
// passing: each block of output channels as it is needed, so that they never leave the cache of
// the thread. Nothing of the size of the whole input is ever stored. A block is a stretch of the
// sequence of all tiles of a group, of several images where these are small, so blocks are even and
// small maps fill the register tile.
//
// F(4x4, 3x3) needs a quarter of the multiplications of a direct sum, F(4x2, 3x3) a third, F(2x2,
// 3x3) and F(3x3, 2x2) 4/9, F(2x2, 5x5) a third. With stride 2 each phase of the kernel meets
// inputs of its own: 4/9 for 4 x 4, 49/81 for 3 x 3, whose second phase has no weights at the point
// at infinity, so that it is left out there. Transposed, all phases of the outputs share the
// inputs' transforms; those of the columns are the two vectors of a register tile, interleaved as
// they are stored. Transforms cost as much as the multiplications of about 28 input and 28 output
// channels. Measured against the direct kernels, with packed weights and 2 threads: 2.6 times as
// fast on 64 channels of 56 x 56, 3 on 128 of 28 x 28 and on 256 of 28 x 28, 1.4 on 16 of 56 x 56
// (AVX-512); 2.9 on 64 of 56 x 56 and 3 on 256 of 28 x 28 (AVX2). Likewise 2.1 for 5 x 5, 1.3 and
// 1.6 for 3 x 3 and 4 x 4 at stride 2, 1.3 and 2 for these transposed, 2.6 for 5 x 5 at stride 2
// (64 to 128 channels, 28 x 28 to 56 x 56, AVX-512 on Zen 4). It loses with few input channels,
// where tiles overhang a small map, and where transformed weights, 36/9, 24/9 or 16/9 of the
// originals, are packed or fetched for few tiles.

// Rows, Cols: the transforms of the two axes.
template <class T, class Rows, class Cols>
struct WinogradTask {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  static constexpr int W = Vt::width, N = WinogradShape<T>::n;
  static constexpr int MH = Rows::outputs, MW = Cols::outputs;
  static constexpr int AH = Rows::points, AW = Cols::points;

  const ConvProblem& p;
  const WinogradGrid& grid;
  const T* x;
  T* y;
  const T* bias;     // of the group; null without
  const T* weights;  // of the group: packed, or as they are where `own` is set
  Range tiles;
  Index depth_blocks;  // vectors of input channels, all phases and depth taps
  WinogradScratch size;
  T *input, *columns, *transformed, *products, *outputs;
  T *turned, *own;  // place for one block of weights; null when they were packed in phase 0
  Index addend;     // elements from an output to what is added to it, if anything is
  Reg watch;        // becomes NaN with the first sum that is not finite

  template <class Visit>
  void each_run(Visit visit) const {
    each_winograd_run(p, grid, tiles, visit);
  }

  // Panels of tiles: even shares of at most N.
  Index panels() const { return ceil_div(tiles.hi - tiles.lo, N); }
  Range panel(Index index) const {
    const Index count = tiles.hi - tiles.lo;
    return {count * index / panels(), count * (index + 1) / panels()};
  }

  Range panel_of(Index tile) const {
    const Index count = tiles.hi - tiles.lo;
    return panel(((tile + 1) * panels() - 1) / count);
  }

  // Step 1.
  void transform_input() const {
    WinogradStrips<T, WinogradInputs<T, AH>, WinogradInputs<T, AW>> strips{
        grid,
        {p.x, p.in, {grid.lowest[0], grid.lowest[1]}},
        size.input_cols,
        size.point_pitch,
        input,
        columns};
    const Index blocks = ceil_div(p.group_in(), W), of_phase = grid.depth.taps * blocks;
    for (Index i = 0; i < of_phase * grid.stride[0]; ++i) {
      const Index row = i / of_phase, b = i % of_phase, tap = b / blocks, first = b % blocks * W;
      const int channels = static_cast<int>(smaller(W, p.group_in() - first));
      each_run([&](const WinogradRun& run, Index at) {
        const Index depth = run.plane.depth * grid.depth.in_step + grid.depth.offset(tap);
        Range in_panel{0, 0};
        strips.transform(
            run, depth, row, x + first * p.x.channel, channels, [&](Index tile, Index col) {
              const Index to = at + tile;
              if (to < in_panel.lo || to >= in_panel.hi) in_panel = panel_of(to);
              const Index block = grid.phase_index({row, col}) * of_phase + b;
              const Index rows = in_panel.hi - in_panel.lo;
              return transformed +
                     (in_panel.lo * depth_blocks + block * rows + to - in_panel.lo) * W;
            });
      });
    }
  }

  // Products of one block of output channels, for all points.
  template <int V>
  void multiply(Index block, const T* block_weights, Index pitch) const {
    const Index taps = grid.depth.taps, blocks = ceil_div(p.group_in(), W);
    for (int i = 0; i < AH * AW; ++i) {
      if (grid.silent(2 * block, i / AW)) {
        fill_zero(products + i * size.product_pitch, (tiles.hi - tiles.lo) * V * W);
        continue;
      }
      const Range phases = grid.phases_of(i / AW, i % AW);
      const WinogradDepth depth{(phases.hi - phases.lo) * taps, blocks, (p.group_in() - 1) % W + 1,
                                ceil_div(winograd_part(p, grid), W)};
      const T* const w = block_weights + i * pitch + phases.lo * taps * p.group_in() * V * W;
      for (Index at = 0; at < panels(); ++at) {
        const Range in_panel = panel(at);
        const Index rows = in_panel.hi - in_panel.lo;
        const T* const from = transformed + i * size.point_pitch +
                              (in_panel.lo * depth_blocks + phases.lo * taps * blocks * rows) * W;
        run_winograd_tile<T, V>(rows, from, w, depth,
                                products + i * size.product_pitch + in_panel.lo * V * W);
      }
    }
  }

  // A^T on both sides of one tile, whose products lie from `from` on; calls keep(row, column, sum).
  template <class Keep>
  void transform_output(const T* from, Keep keep) const {
    Reg half[MH][AW];
#pragma GCC unroll 6
    for (int c = 0; c < AW; ++c) {
      Reg in[AH], out[MH];
#pragma GCC unroll 6
      for (int r = 0; r < AH; ++r) in[r] = Vt::load(from + (r * AW + c) * size.product_pitch);
      Rows::output(in, out);
#pragma GCC unroll 4
      for (int r = 0; r < MH; ++r) half[r][c] = out[r];
    }
#pragma GCC unroll 4
    for (int r = 0; r < MH; ++r) {
      Reg out[MW];
      Cols::output(half[r], out);
#pragma GCC unroll 4
      for (int c = 0; c < MW; ++c) keep(r, c, out[c]);
    }
  }

  // `length` pixels of vectors to `channels` planes, from `to` on and `step` apart.
  void unturn(const T* from, Index length, int channels, T* to, Index step) const {
    if (step != 1) {
      for (Index i = 0; i < length; ++i) {
        for (int c = 0; c < channels; ++c) to[i * step + c * p.y.channel] = from[i * W + c];
      }
      return;
    }
    for (Index i = 0; i < length; i += W) {
      const int pixels = static_cast<int>(smaller(W, length - i));
      Reg r[W];
      for (int e = 0; e < W; ++e) r[e] = Vt::load(from + (i + e) * W);
      Vt::transpose(r);
      for (int c = 0; c < channels; ++c) {
        T* channel = to + c * p.y.channel + i;
        if (p.has_addend) {
          r[c] = Vt::add(r[c], Vt::load_first(channel + addend, pixels));
          if (p.activation != Activation::none) r[c] = activate<T>(r[c], p.activation);
        }
        if (pixels == W) {
          Vt::store(channel, r[c]);
        } else {
          Vt::store_first(channel, r[c], pixels);
        }
      }
    }
  }

  // Step 2 after the products, for one run of tiles and one vector of output channels, of which
  // `from` holds the phases of the columns side by side.
  void store(const WinogradRun& run, const T* from, Index tile_pitch, Index vector) {
    const Index channel = vector / grid.channel_vectors() * W;
    const int channels = static_cast<int>(smaller(W, p.group_out() - channel));
    const Reg added = bias == nullptr ? Vt::zero() : Vt::load_first(bias + channel, channels);
    const WinogradStrip strip = winograd_strip(grid, run.col, run.count);
    // Rows of the tiles that exist, and the columns of the strip that do.
    const Index row_step = grid.spread[0] * grid.step[0], col_spread = grid.spread[1];
    const Index row =
        grid.origin[0] + run.plane.first + run.row * MH * row_step + grid.output_phase(vector).row;
    const Range rows = outputs_inside(MH, p.out[1], row_step, row);
    const Index col = grid.origin[1] + strip.band * MW * grid.step[1] * col_spread;
    const Index pitch = col_spread * strip.columns(grid, 0);
    // Without dilation the last columns are left out, so that whole planes lie in one piece.
    const Index cols = grid.step[1] == 1 ? smaller(pitch, p.out[2] - col) : pitch;
    const Index row_pitch = row_step * p.y.spatial[1], col_step = p.y.spatial[2];
    T* to = y + run.plane.batch * p.y.batch + run.plane.depth * p.y.spatial[0] +
            row * p.y.spatial[1] + channel * p.y.channel;
    const bool last = p.y.channel == 1;
    Reg seen = watch;
    for (Index phase = 0; phase < col_spread; ++phase) {
      Index residue = strip.first, band = 0;
      for (Index i = 0; i < run.count; ++i) {
        transform_output(from + i * tile_pitch + phase * W, [&](int r, int c, Reg sum) {
          const Index in_strip = (band * MW + c) * col_spread + phase;
          const Index at = in_strip * grid.residues + residue;
          const Index out = col + in_strip * grid.step[1] + residue;
          if (r < rows.lo || r >= rows.hi || out < 0 || out >= p.out[2]) return;
          seen = Vt::fma(sum, Vt::zero(), seen);
          sum = Vt::add(sum, added);
          T* const place = to + r * row_pitch + out * col_step;
          if (last && p.has_addend) {
            sum = Vt::add(sum, Vt::load_first(place + addend, channels));
          }
          // Planes' addends join when vectors lie along the pixels.
          const bool complete = last || !p.has_addend;
          if (complete && p.activation != Activation::none) sum = activate<T>(sum, p.activation);
          if (!last) {
            Vt::store(outputs + (r * cols + at) * W, sum);
          } else if (channels == W) {
            Vt::store(place, sum);
          } else {
            Vt::store_first(place, sum, channels);
          }
        });
        if (++residue == grid.residues) {
          residue = 0;
          ++band;
        }
      }
    }
    watch = seen;
    if (last) return;
    if (col_step == 1 && row_pitch == cols && grid.residues == 1 && rows.lo == 0 && col == 0) {
      unturn(outputs, rows.hi * cols, channels, to, 1);
      return;
    }
    for (Index r = rows.lo; r < rows.hi; ++r) {
      each_winograd_stretch(grid, strip, 0, col_spread, [&](Index place, Index at, Index length) {
        const Index first = larger(0, grid.origin[1] + at), left_out = first - grid.origin[1] - at;
        length = smaller(length - left_out, p.out[2] - first);
        if (length <= 0) return;
        unturn(outputs + (r * cols + place + left_out) * W, length, channels,
               to + r * row_pitch + first * col_step, col_step);
      });
    }
  }

  void pack(const WinogradWeights& packed, Index block) const {
    for (Index first = 0; first < p.group_in(); first += W) {
      pack_winograd_block<T, Rows, Cols>(p, grid, packed, weights, block, first,
                                         smaller(W, p.group_in() - first), turned, own);
    }
  }

  void run(const WinogradWeights& packed, Range blocks) {
    transform_input();
    for (Index block = blocks.lo; block < blocks.hi; ++block) {
      const Index vectors = packed.block_vectors(block), pitch = packed.point_size(block);
      const T* block_weights = own == nullptr ? weights + packed.block_offset(block) : own;
      if (own != nullptr) pack(packed, block);
      if (vectors == 2) {
        multiply<2>(block, block_weights, pitch);
      } else {
        multiply<1>(block, block_weights, pitch);
      }
      for (Index v = 0; v < vectors; v += grid.spread[1]) {
        each_run([&](const WinogradRun& at, Index first) {
          store(at, products + (first * vectors + v) * W, vectors * W, block * 2 + v);
        });
      }
    }
  }
};

template <class T, class Rows, class Cols>
static void winograd_task(const ConvJob& job, const WinogradGrid& grid, Index index,
                          Carver carver) {
  using Vt = Vec<T>;
  const ConvProblem& p = *job.problem;
  const ConvPlan& plan = *job.plan;
  const WinogradWeights packed = winograd_weights(p, grid, Vt::width);
  const Index part = index % plan.channel_parts;
  index /= plan.channel_parts;
  const Index tile_blocks = ceil_div(grid.total(), plan.block_cols);
  const Index block = index % tile_blocks, group = index / tile_blocks;
  const bool in_passing = plan.tasks[0] == 0;
  const Range tiles{grid.total() * block / tile_blocks, grid.total() * (block + 1) / tile_blocks};
  WinogradTask<T, Rows, Cols> task{
      p,
      grid,
      static_cast<const T*>(job.x) + group * p.group_in() * p.x.channel,
      static_cast<T*>(job.y) + group * p.group_out() * p.y.channel,
      job.bias == nullptr ? nullptr : static_cast<const T*>(job.bias) + group * p.group_out(),
      in_passing ? static_cast<const T*>(job.w) + weight_origin(p, group)
                 : reinterpret_cast<const T*>(job.shared) + group * packed.size(),
      tiles,
      grid.phases() * p.kernel[0] * ceil_div(p.group_in(), Vt::width),
      winograd_scratch(p, grid, Vt::width, plan.block_cols),
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      job.addend,
      Vt::zero()};
  task.input = carver.take<T>(task.size.input);
  task.columns = carver.take<T>(task.size.columns);
  task.transformed = carver.take<T>(task.size.transformed);
  task.products = carver.take<T>(task.size.products);
  task.outputs = carver.take<T>(task.size.outputs);
  if (in_passing) {
    task.turned = carver.take<T>(winograd_turned(p, Vt::width));
    task.own = carver.take<T>(packed.points * packed.point_size(0));
  }
  task.run(packed, share(packed.blocks(), 1, part, plan.channel_parts));
  if (Vt::any_nan(task.watch)) {
    __atomic_store_n(job.declined, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
  }
}

// Task = (group, block of tiles, share of the output channels), shares varying fastest.
template <class T, int MH, int MW>
static void winograd(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const WinogradGrid grid = winograd_grid(*job.problem, {MH, MW});
  with_winograd<T, MH, MW>(grid, [&](auto rows, auto cols) {
    for (Index i = begin; i < end; ++i) {
      winograd_task<T, decltype(rows), decltype(cols)>(job, grid, i, Carver{scratch});
    }
  });
}
