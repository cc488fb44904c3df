// Gradients of weights with few input channels per group: one matrix product over unfolded pixels.
//
// A block of pixels is unfolded, W of its columns (an input channel and a kernel element each) at a
// time: W rows of pixels are gathered with zeros for padding, then transposed in registers. The
// block then is one kernel element with input channels x kernel elements as its channels
// (weights_tile.inl), so that vectors are full however few the input channels.
//
// Unfolding an element costs about as much as multiplying it for 24 output channels, so it loses
// against weights_panels.inl from half a vector of input channels on, and against weights_rows.inl
// where a group has few output channels. Zeros of padding are multiplied: where a result is NaN,
// the caller computes again by rows.

template <class T>
static void weights_unfolded_task(const WeightJob& job, Index index, Carver carver) {
  using A = Acc<T>;
  constexpr int W = Vec<A>::width;
  const ConvProblem& p = *job.problem;
  const WeightPlan& plan = *job.plan;
  const WeightBlocks blocks = weight_blocks(p, plan);
  const Range outputs = share(p.group_out(), WeightTile<A>::m, index % plan.shares, plan.shares);
  index /= plan.shares;
  const Index group = index % p.groups, part_index = index / p.groups;
  const Index height = outputs.hi - outputs.lo, grad_row = ceil_div(larger(1, height), W) * W;
  const Index taps = p.kernel.product(), wanted = p.group_in() * taps, row = plan.k_step;
  const Index most = plan.block_planes * plan.block_rows * plan.block_cols;
  A* sums = reinterpret_cast<A*>(job.sums) +
            (part_index * p.out_channels + group * p.group_out() + outputs.lo) * row;
  A* grads = carver.take<A>(most * grad_row);
  A* strip = carver.take<A>(W * plan.block_cols);
  A* inputs = carver.take<A>(most * row);
  fill_zero(sums, height * row);
  const Index last = blocks.count * (part_index + 1) / plan.parts;
  for (Index block = blocks.count * part_index / plan.parts; block < last; ++block) {
    Index pixels = 0;
    for (Index i = 0; i < parts_of_block(plan, blocks, block); ++i) {
      const PixelPart part = pixel_part(p, plan, blocks, block, i);
      pack_gradients<T>(job, part, group * p.group_out() + outputs.lo, height,
                        grads + pixels * grad_row, grad_row);
      const T* image = static_cast<const T*>(job.x) + part.batch * p.x.batch +
                       group * p.group_in() * p.x.channel;
      for (Index y = part.rows.lo; y < part.rows.hi; ++y, pixels += part.width()) {
        for (Index first = 0; first < wanted; first += W) {
          const int columns = static_cast<int>(smaller(W, wanted - first));
          for (int j = 0; j < columns; ++j) {
            const Index c = (first + j) / taps, tap = (first + j) % taps;
            const Index at[2] = {
                part.depth * p.stride[0] + tap / (p.kernel[1] * p.kernel[2]) * p.dilation[0] -
                    p.pad_lo[0],
                y * p.stride[1] + tap / p.kernel[2] % p.kernel[1] * p.dilation[1] - p.pad_lo[1]};
            A* to = strip + j * part.width();
            if (at[0] < 0 || at[0] >= p.in[0] || at[1] < 0 || at[1] >= p.in[1]) {
              fill_zero(to, part.width());
              continue;
            }
            const Index start =
                part.cols.lo * p.stride[2] + tap % p.kernel[2] * p.dilation[2] - p.pad_lo[2];
            pack_row(to, part.width(),
                     image + c * p.x.channel + at[0] * p.x.spatial[0] + at[1] * p.x.spatial[1],
                     p.x.spatial[2], outputs_inside(part.width(), p.in[2], p.stride[2], start),
                     start, p.stride[2]);
          }
          for (Index n = 0; n < part.width(); n += W) {
            const int cols = static_cast<int>(smaller(W, part.width() - n));
            typename Vec<A>::Reg square[W];
            for (int j = 0; j < W; ++j) {
              square[j] = j < columns ? Vec<A>::load_first(strip + j * part.width() + n, cols)
                                      : Vec<A>::zero();
            }
            Vec<A>::transpose(square);
            for (int j = 0; j < cols; ++j) {
              Vec<A>::store(inputs + (pixels + n + j) * row + first, square[j]);
            }
          }
        }
      }
    }
    const PixelStretch all{0, 0, pixels};
    const Index vectors = row / W, tiles = ceil_div(vectors, WeightTile<A>::v);
    for (Index i = 0; i < tiles; ++i) {
      const Index from = vectors * i / tiles, to = vectors * (i + 1) / tiles;
      for (Index k = 0; k < height; k += WeightTile<A>::m) {
        WeightTileCall<A>{grads + k, grad_row, inputs + from * W,         row,
                          &all,      1,        sums + k * row + from * W, row}
            .of(smaller(WeightTile<A>::m, height - k), to - from);
      }
    }
  }
}

template <class T>
static void weights_unfolded(const void* context, Index begin, Index end, std::byte* scratch) {
  const WeightJob& job = *static_cast<const WeightJob*>(context);
  for (Index i = begin; i < end; ++i) weights_unfolded_task<T>(job, i, Carver{scratch});
}
