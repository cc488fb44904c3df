// Gradients of weights of 3 x 3 (or 3 along one axis, with any depth) at stride 1, by Winograd's
// algorithm: any dilation, padding and groups, 1-D to 3-D.
//
//   w' = G^T [ sum over tiles of (A y' A^T) * (B^T x B) ] G
//
// Loop order of a task, a share of the output channels, a share of the input channels and one depth
// tap, over a range of tiles: blocks of tiles > transform the block's gradients and inputs, tile by
// tile, channels along the vector > points > tiles of input channels > tiles of output channels, a
// product of the two over the block's tiles (weights_tile.inl), added to the point's sums. At the
// end G^T on both sides of the sums. A block's transformed gradients and inputs and the sums stay
// in the second-level cache; the inputs of one register tile stay in the first-level one while all
// output channels of the share pass.
//
// 16 products for a tile of 2 x 2 outputs instead of 36, or 36 for one of 4 x 4 instead of 144.
// Measured against weights_panels.inl (16 images, AVX-512, 2 threads): 2.1 times as fast on 64->64
// of 56x56, 2.1 on 128->128 of 28x28, 1.7 on 256->256 of 14x14 and on 512->512 of 7x7. Each
// gradient is transformed once for every share of input channels and each input once for every
// share of outputs, so shares are as large as the sums' place in the cache allows. It loses to
// weights_panels.inl where channels on either side are few, and where tiles overhang small maps.

template <class T, int MH, int MW>
struct WinogradWeightTask {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  using Rows = Winograd<T, MH, 3>;
  using Cols = Winograd<T, MW, 3>;
  static constexpr int W = Vt::width, AH = Rows::points, AW = Cols::points;

  const WeightJob& job;
  const ConvProblem& p;
  const WeightPlan& plan;
  const WinogradGrid grid;
  const WinogradGradientScratch size;
  Index group, tap, part;
  Range outputs, inputs;  // channels within the group
  T *strip, *columns, *grads, *transformed, *sums;

  WinogradWeightTask(const WeightJob& given, Index index, Carver carver)
      : job(given),
        p(*job.problem),
        plan(*job.plan),
        grid(winograd_grid(p, {plan.tile, plan.tile})),
        size(winograd_gradient_scratch(p, grid, W, plan.shares, plan.input_shares,
                                       plan.block_tiles)) {
    outputs = share(p.group_out(), W, index % plan.shares, plan.shares);
    index /= plan.shares;
    inputs = share(p.group_in(), W, index % plan.input_shares, plan.input_shares);
    index /= plan.input_shares;
    tap = index % p.kernel[0];
    index /= p.kernel[0];
    group = index % p.groups;
    part = index / p.groups;
    strip = carver.take<T>(size.strip);
    columns = carver.take<T>(size.columns);
    grads = carver.take<T>(size.grads);
    transformed = carver.take<T>(size.inputs);
    sums = carver.take<T>(size.sums);
  }

  void run() const {
    const Range own{grid.total() * part / plan.parts, grid.total() * (part + 1) / plan.parts};
    const Index blocks = larger(1, ceil_div(own.hi - own.lo, plan.block_tiles));
    for (Index i = 0; i < blocks; ++i) {
      const Index count = own.hi - own.lo;
      const Range tiles{own.lo + count * i / blocks, own.lo + count * (i + 1) / blocks};
      transform<WinogradGradients<T, MH>, WinogradGradients<T, MW>>(
          {p.y, p.out, {0, 0}},
          static_cast<const T*>(job.grad) + group * p.group_out() * p.y.channel, outputs, tiles, 1,
          0, grads, size.grad_row, size.grad_pitch);
      transform<WinogradInputs<T, AH>, WinogradInputs<T, AW>>(
          {p.x, p.in, {grid.lowest[0], grid.lowest[1]}},
          static_cast<const T*>(job.x) + group * p.group_in() * p.x.channel, inputs, tiles,
          grid.depth.in_step, grid.depth.offset(tap), transformed, size.input_row,
          size.input_pitch);
      for (int point = 0; point < AH * AW; ++point) multiply(point, tiles.hi - tiles.lo, i == 0);
    }
    finish();
  }

 private:
  // To [point][tile][channel]. A plane's depth in the array is its own times `step` and `offset`.
  template <class RowMap, class ColMap>
  void transform(const WinogradArray& array, const T* from, Range channels, Range tiles, Index step,
                 Index offset, T* to, Index row, Index pitch) const {
    WinogradStrips<T, RowMap, ColMap> strips{grid, array, size.strip_cols, pitch, strip, columns};
    for (Index c = channels.lo; c < channels.hi; c += W) {
      const int count = static_cast<int>(smaller(W, channels.hi - c));
      T* first = to + (c - channels.lo);
      each_winograd_run(p, grid, tiles, [&](const WinogradRun& run, Index at) {
        strips.transform(run, run.plane.depth * step + offset, 0, from + c * array.step.channel,
                         count, [&](Index i, Index) { return first + (at + i) * row; });
      });
    }
  }

  void multiply(int point, Index tiles, bool starts) const {
    const PixelStretch all{0, 0, tiles};
    const Index height = outputs.hi - outputs.lo;
    const Index vectors = ceil_div(inputs.hi - inputs.lo, W);
    const Index panels = ceil_div(vectors, WeightTile<T>::v);
    const T* grad = grads + point * size.grad_pitch;
    const T* input = transformed + point * size.input_pitch;
    T* sum = sums + point * size.sum_pitch;
    for (Index i = 0; i < panels; ++i) {
      const Index first = vectors * i / panels, last = vectors * (i + 1) / panels;
      for (Index k = 0; k < height; k += WeightTile<T>::m) {
        WeightTileCall<T>{grad + k,
                          size.grad_row,
                          input + first * W,
                          size.input_row,
                          &all,
                          1,
                          sum + k * size.input_row + first * W,
                          size.input_row,
                          starts}
            .of(smaller(WeightTile<T>::m, height - k), last - first);
      }
    }
  }

  // G^T on both sides, to the partial sums of this task's part.
  void finish() const {
    T* const to = reinterpret_cast<T*>(job.sums) + part * p.out_channels * plan.k_step +
                  (group * p.group_out() + outputs.lo) * plan.k_step +
                  tap * Rows::taps * Cols::taps * plan.tap_step + inputs.lo;
    for (Index k = 0; k < outputs.hi - outputs.lo; ++k) {
      for (Index c = 0; c < inputs.hi - inputs.lo; c += W) {
        const T* from = sums + k * size.input_row + c;
        Reg half[AH][Cols::taps];
#pragma GCC unroll 6
        for (int r = 0; r < AH; ++r) {
          Reg in[AW];
#pragma GCC unroll 6
          for (int s = 0; s < AW; ++s) in[s] = Vt::load(from + (r * AW + s) * size.sum_pitch);
          Cols::weight_gradient(in, half[r]);
        }
        T* at = to + k * plan.k_step + c;
#pragma GCC unroll 3
        for (int s = 0; s < Cols::taps; ++s) {
          Reg in[AH], out[Rows::taps];
#pragma GCC unroll 6
          for (int r = 0; r < AH; ++r) in[r] = half[r][s];
          Rows::weight_gradient(in, out);
#pragma GCC unroll 3
          for (int r = 0; r < Rows::taps; ++r) {
            Vt::store(at + (r * Cols::taps + s) * plan.tap_step, out[r]);
          }
        }
      }
    }
  }
};

template <class T, int M>
static inline void weights_winograd_task(const WeightJob& job, Index index, Carver carver) {
  const ConvProblem& p = *job.problem;
  if (p.kernel[1] == 1) return WinogradWeightTask<T, 1, M>(job, index, carver).run();
  if (p.kernel[2] == 1) return WinogradWeightTask<T, M, 1>(job, index, carver).run();
  WinogradWeightTask<T, M, M>(job, index, carver).run();
}

// Task = (part, group, depth tap, share of the input channels, share of the output channels), the
// last varying fastest.
template <class T>
static void weights_winograd(const void* context, Index begin, Index end, std::byte* scratch) {
  const WeightJob& job = *static_cast<const WeightJob*>(context);
  for (Index i = begin; i < end; ++i) {
    if (job.plan->tile == 4) {
      weights_winograd_task<T, 4>(job, i, Carver{scratch});
    } else {
      weights_winograd_task<T, 2>(job, i, Carver{scratch});
    }
  }
}
