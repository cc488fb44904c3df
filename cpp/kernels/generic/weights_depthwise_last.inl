// Gradients of depthwise weights, channels-last: vectors along channels.
//
// Loop order of a task: blocks of rows > vectors of channels > kernel elements in tiles of R rows x
// S columns > output rows > pixels. A pixel loads one vector of gradients and R*S of inputs, all
// from where they lie, for R*S multiply-adds into sums that stay in registers along a row. Where
// some column of a tile falls outside the input, its kernel elements are taken one by one, so
// padding is never multiplied. A block of rows stays in the second-level cache while the channels
// pass.
//
// Against packing planes for weights_rows.inl no element is moved. It loses only where the channels
// do not fill a vector.

template <class T>
class DepthwiseWeights {
 public:
  DepthwiseWeights(const WeightJob& job, Carver carver)
      : job_(job),
        p_(*job.problem),
        plan_(*job.plan),
        taps_(p_.kernel.product()),
        groups_(ceil_div(p_.out_channels, W)),
        lanes_(carver.take<A>(groups_ * taps_ * W)) {}

  void run(Index part) {
    const WeightBlocks blocks = weight_blocks(p_, plan_);
    A* sums = reinterpret_cast<A*>(job_.sums) + part * p_.out_channels * taps_;
    fill_zero(sums, p_.out_channels * taps_);
    fill_zero(lanes_, groups_ * taps_ * W);
    const Index last = blocks.count * (part + 1) / plan_.parts;
    Index pixels = 0;
    for (Index block = blocks.count * part / plan_.parts; block < last; ++block) {
      const PixelPart at = pixel_part(p_, plan_, blocks, block, 0);
      for (Index group = 0; group < groups_; ++group) add(at, group);
      pixels += at.pixels();
      constexpr Index kMost = 2048;
      if (pixels < kMost && block + 1 < last) continue;
      for (Index k = 0; k < p_.out_channels; ++k) {
        const A* lane = lanes_ + k / W * taps_ * W + k % W;
        for (Index t = 0; t < taps_; ++t) sums[k * taps_ + t] += lane[t * W];
      }
      fill_zero(lanes_, groups_ * taps_ * W);
      pixels = 0;
    }
  }

 private:
  using A = Acc<T>;
  using Va = Vec<A>;
  static constexpr int W = Va::width;
  static constexpr Index kRows = 3, kCols = 3;

  // A tile's kernel elements and the pixels that it is summed over.
  struct Tile {
    const T* grad;  // output row 0, column 0
    const T* x;     // what kernel element 0 of the tile meets there
    Range rows, cols;
    Index x_row, x_col;  // input elements from kernel row to row and column to column
    int channels;
  };

  void add(const PixelPart& part, Index group) {
    const int channels = static_cast<int>(smaller(W, p_.out_channels - group * W));
    const T* grad = static_cast<const T*>(job_.grad) + part.batch * p_.y.batch + group * W +
                    part.depth * p_.y.spatial[0] + part.rows.lo * p_.y.spatial[1];
    A* lanes = lanes_ + group * taps_ * W;
    const Index top = part.rows.lo * p_.stride[1] - p_.pad_lo[1];
    for (Index z = 0; z < p_.kernel[0]; ++z) {
      const Index depth = part.depth * p_.stride[0] + z * p_.dilation[0] - p_.pad_lo[0];
      if (depth < 0 || depth >= p_.in[0]) continue;
      const T* x = static_cast<const T*>(job_.x) + part.batch * p_.x.batch + group * W +
                   depth * p_.x.spatial[0] + top * p_.x.spatial[1] - p_.pad_lo[2] * p_.x.spatial[2];
      add_depth(grad, x, top, part.rows.hi - part.rows.lo, channels,
                lanes + z * p_.kernel[1] * p_.kernel[2] * W);
    }
  }

  void add_depth(const T* grad, const T* x, Index top, Index height, int channels, A* lanes) {
    for (Index r = 0; r < p_.kernel[1]; r += kRows) {
      const Index rows = smaller(kRows, p_.kernel[1] - r);
      for (Index s = 0; s < p_.kernel[2]; s += kCols) {
        const Index cols = smaller(kCols, p_.kernel[2] - s);
        Range joint_rows{0, height}, joint_cols{0, p_.out[2]};
        for (Index i = 0; i < rows; ++i)
          joint_rows = meet(joint_rows, rows_met(top, height, r + i));
        for (Index j = 0; j < cols; ++j) joint_cols = meet(joint_cols, cols_met(s + j));
        const bool whole = rows == kRows && cols == kCols;
        if (!whole || joint_rows.empty() || joint_cols.empty()) joint_rows = joint_cols = {0, 0};
        A* sums = lanes + (r * p_.kernel[2] + s) * W;
        const Tile tile = tile_of(grad, x, r, s, channels);
        Tile inner = tile;
        inner.rows = joint_rows;
        inner.cols = joint_cols;
        run_tile<kRows, kCols>(inner, sums);
        for (Index i = 0; i < rows; ++i) {
          for (Index j = 0; j < cols; ++j) {
            add_rest(tile_of(grad, x, r + i, s + j, channels), rows_met(top, height, r + i),
                     cols_met(s + j), joint_rows, joint_cols, sums + (i * p_.kernel[2] + j) * W);
          }
        }
      }
    }
  }

  // One kernel element over its pixels but those of the joint ones.
  void add_rest(Tile tile, Range rows, Range cols, Range joint_rows, Range joint_cols, A* sums) {
    const auto over = [&](Range some_rows, Range some_cols) {
      tile.rows = some_rows;
      tile.cols = some_cols;
      run_tile<1, 1>(tile, sums);
    };
    if (joint_rows.empty()) return over(rows, cols);
    over({rows.lo, joint_rows.lo}, cols);
    over(joint_rows, {cols.lo, joint_cols.lo});
    over(joint_rows, {joint_cols.hi, cols.hi});
    over({joint_rows.hi, rows.hi}, cols);
  }

  static Range meet(Range a, Range b) { return {larger(a.lo, b.lo), smaller(a.hi, b.hi)}; }
  Range rows_met(Index top, Index height, Index r) const {
    return outputs_inside(height, p_.in[1], p_.stride[1], top + r * p_.dilation[1]);
  }
  Range cols_met(Index s) const {
    return outputs_inside(p_.out[2], p_.in[2], p_.stride[2], s * p_.dilation[2] - p_.pad_lo[2]);
  }

  Tile tile_of(const T* grad, const T* x, Index r, Index s, int channels) const {
    const Index row = p_.dilation[1] * p_.x.spatial[1], col = p_.dilation[2] * p_.x.spatial[2];
    return {grad, x + r * row + s * col, {0, 0}, {0, 0}, row, col, channels};
  }

  template <int R, int S>
  void run_tile(const Tile& tile, A* sums) const {
    if (tile.rows.empty() || tile.cols.empty()) return;
    if (tile.channels == W) {
      sum_tile<R, S, true>(tile, sums);
    } else {
      sum_tile<R, S, false>(tile, sums);
    }
  }

  template <int R, int S, bool Full>
  [[gnu::noinline]] void sum_tile(const Tile& tile, A* sums) const {
    const auto load = [&](const T* from) {
      return Full ? Vec<T>::load(from) : Vec<T>::load_first(from, tile.channels);
    };
    const Index sums_row = p_.kernel[2] * W;
    typename Va::Reg acc[R][S];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < S; ++j) acc[i][j] = Va::load(sums + i * sums_row + j * W);
    }
    const Index grad_step = p_.y.spatial[2], x_step = p_.stride[2] * p_.x.spatial[2];
    for (Index y = tile.rows.lo; y < tile.rows.hi; ++y) {
      const T* grad = tile.grad + y * p_.y.spatial[1] + tile.cols.lo * grad_step;
      const T* x = tile.x + y * p_.stride[1] * p_.x.spatial[1] + tile.cols.lo * x_step;
      for (Index n = tile.cols.hi - tile.cols.lo; n > 0; --n, grad += grad_step, x += x_step) {
        const typename Va::Reg g = load(grad);
#pragma GCC unroll 4
        for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
          for (int j = 0; j < S; ++j) {
            acc[i][j] = Va::fma(g, load(x + i * tile.x_row + j * tile.x_col), acc[i][j]);
          }
        }
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < S; ++j) Va::store(sums + i * sums_row + j * W, acc[i][j]);
    }
  }

  const WeightJob& job_;
  const ConvProblem& p_;
  const WeightPlan& plan_;
  Index taps_, groups_;
  A* lanes_;
};

template <class T>
static void weights_depthwise_last(const void* context, Index begin, Index end,
                                   std::byte* scratch) {
  const WeightJob& job = *static_cast<const WeightJob*>(context);
  DepthwiseWeights<T> weights(job, Carver{scratch});
  for (Index i = begin; i < end; ++i) weights.run(i);
}
