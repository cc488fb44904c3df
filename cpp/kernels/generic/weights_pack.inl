// Pixel-major blocks for the gradients of dense weights: to[pixel*row + channel].

// `count` pixels of `channels` channels; elements from `channels` to `row` become 0.
template <class T>
static void pack_pixels(const T* from, Index channel_step, Index pixel_step, Index channels,
                        Index count, Acc<T>* to, Index row) {
  using A = Acc<T>;
  using Va = Vec<A>;
  constexpr int W = Va::width;
  if (channel_step == 1 || pixel_step != 1) {
    for (Index i = 0; i < count; ++i, to += row) {
      copy_strided(to, from + i * pixel_step, channel_step, channels);
      if (channels < row) fill_zero(to + channels, row - channels);
    }
    return;
  }
  // Squares of W channels x W pixels, transposed in registers.
  for (Index c = 0; c < row; c += W) {
    const int rows = static_cast<int>(larger(0, smaller(W, channels - c)));
    const T* channel = from + c * channel_step;
    for (Index i = 0; i < count; i += W) {
      const int cols = static_cast<int>(smaller(W, count - i));
      typename Va::Reg square[W];
      if (rows == W && cols == W) {
#pragma GCC unroll 16
        for (int k = 0; k < W; ++k) square[k] = Vec<T>::load(channel + k * channel_step + i);
      } else {
        for (int k = 0; k < W; ++k) {
          square[k] =
              k < rows ? Vec<T>::load_first(channel + k * channel_step + i, cols) : Va::zero();
        }
      }
      Va::transpose(square);
      A* at = to + i * row + c;
      if (cols == W) {
#pragma GCC unroll 16
        for (int k = 0; k < W; ++k) Va::store(at + k * row, square[k]);
      } else {
        for (int k = 0; k < cols; ++k) Va::store(at + k * row, square[k]);
      }
    }
  }
}

// One plane's part of a block of pixels: rows and columns of outputs at one depth of one image.
struct PixelPart {
  Index batch, depth;
  Range rows, cols;
  Index first;  // pixels of the block before it

  Index width() const { return cols.hi - cols.lo; }
  Index pixels() const { return (rows.hi - rows.lo) * width(); }
};

// Part `index` of a block.
static inline PixelPart pixel_part(const ConvProblem& p, const WeightPlan& plan,
                                   const WeightBlocks& blocks, Index block, Index index) {
  Index plane = block * plan.block_planes + index;
  PixelPart part{};
  part.rows = {0, p.out[1]};
  if (blocks.row_blocks > 1) {
    plane = block / blocks.row_blocks;
    const Index row = block % blocks.row_blocks * plan.block_rows;
    part.rows = {row, smaller(row + plan.block_rows, p.out[1])};
  }
  const Index col = plane % blocks.col_blocks * plan.block_cols;
  part.cols = {col, smaller(col + plan.block_cols, p.out[2])};
  part.depth = plane / blocks.col_blocks % p.out[0];
  part.batch = plane / blocks.col_blocks / p.out[0];
  return part;
}

static inline Index parts_of_block(const WeightPlan& plan, const WeightBlocks& blocks,
                                   Index block) {
  if (blocks.row_blocks > 1) return 1;
  return smaller(plan.block_planes, blocks.planes - block * plan.block_planes);
}

// The gradients of a part, `channels` of them from `first` on.
template <class T>
static void pack_gradients(const WeightJob& job, const PixelPart& part, Index first, Index channels,
                           Acc<T>* to, Index row) {
  const ConvProblem& p = *job.problem;
  const T* from = static_cast<const T*>(job.grad) + part.batch * p.y.batch + first * p.y.channel +
                  part.depth * p.y.spatial[0] + part.rows.lo * p.y.spatial[1] +
                  part.cols.lo * p.y.spatial[2];
  const Index rows = part.rows.hi - part.rows.lo, width = part.width();
  if (rows == 1 || p.y.spatial[1] == width * p.y.spatial[2]) {
    return pack_pixels(from, p.y.channel, p.y.spatial[2], channels, rows * width, to, row);
  }
  for (Index r = 0; r < rows; ++r) {
    pack_pixels(from + r * p.y.spatial[1], p.y.channel, p.y.spatial[2], channels, width,
                to + r * width * row, row);
  }
}
