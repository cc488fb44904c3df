// Gradients of weights, one output and one input channel at a time, vectors along rows of pixels:
// for depthwise layers and other groups with few channels, any stride and dilation; and for any
// problem where padding must not be multiplied.
//
// Loop order of a task: blocks of rows > kernel elements in tiles of R rows x S columns > strips of
// a vector's width > rows. A step loads one vector of gradients and R*S of inputs for R*S
// multiply-adds; the sums of a tile stay in registers down a strip. Rows are read where they lie if
// their elements adjoin and the column stride is 1, else packed first, each residue of the stride
// for itself. Strips at the edges load under masks, so nothing outside the input is multiplied.
//
// A vector keeps a sum per element; these are added up every few thousand pixels. With 3 x 3
// elements a tile reads the gradients once, not nine times. It loses against matrix products
// (weights_panels.inl) as soon as a group has several channels on both sides, because inputs are
// read again for every output channel.

template <class A>
struct StripRows {
  const A* grad;
  Index grad_step;
  const A* x;
  Index x_step, x_tap;  // per output row and per kernel row
  Index first, last;    // output rows
};

// The columns of a kernel's elements in a strip.
struct StripCols {
  Index at[4];       // where the inputs of output column 0 of the strip lie
  int lo[4], hi[4];  // columns of the strip whose inputs exist
};

template <class A, int R, int S, bool Edge>
[[gnu::noinline]] static void strip_sums(const StripRows<A>& rows, const StripCols& cols, A* sums,
                                         Index sums_row) {
  using Va = Vec<A>;
  constexpr int W = Va::width;
  typename Va::Reg acc[R][S];
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < S; ++j) acc[i][j] = Va::load(sums + i * sums_row + j * W);
  }
  const A* grad = rows.grad + rows.first * rows.grad_step;
  const A* x = rows.x + rows.first * rows.x_step;
  for (Index y = rows.first; y < rows.last; ++y, grad += rows.grad_step, x += rows.x_step) {
    if constexpr (Edge) {
#pragma GCC unroll 4
      for (int j = 0; j < S; ++j) {
        const typename Va::Mask mask = Va::range(cols.lo[j], cols.hi[j]);
        const typename Va::Reg g = Va::load_masked(grad, mask);
#pragma GCC unroll 4
        for (int i = 0; i < R; ++i) {
          acc[i][j] = Va::fma(g, Va::load_masked(x + i * rows.x_tap + cols.at[j], mask), acc[i][j]);
        }
      }
    } else {
      const typename Va::Reg g = Va::load(grad);
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < S; ++j) {
          acc[i][j] = Va::fma(g, Va::load(x + i * rows.x_tap + cols.at[j]), acc[i][j]);
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

template <class A, int R, bool Edge>
static void strip_of(Index s, const StripRows<A>& rows, const StripCols& cols, A* sums,
                     Index sums_row) {
  switch (s) {
    case 1:
      return strip_sums<A, R, 1, Edge>(rows, cols, sums, sums_row);
    case 2:
      return strip_sums<A, R, 2, Edge>(rows, cols, sums, sums_row);
    case 3:
      return strip_sums<A, R, 3, Edge>(rows, cols, sums, sums_row);
    default:
      return strip_sums<A, R, 4, Edge>(rows, cols, sums, sums_row);
  }
}

template <class T>
class WeightRows {
 public:
  WeightRows(const WeightJob& job, Carver carver)
      : job_(job),
        p_(*job.problem),
        plan_(*job.plan),
        blocks_(weight_blocks(p_, plan_)),
        rows_(packed_rows(p_, plan_.block_rows)),
        cols_(packed_axis(
            conv_axis(p_.out[2], p_.kernel[2], p_.stride[2], p_.dilation[2], p_.pad_lo[2]),
            p_.out[2])) {
    lanes_ = carver.take<A>(p_.kernel.product() * W);
    if (!in_place()) {
      grads_ = carver.take<A>(plan_.block_rows * p_.out[2]);
      inputs_ = carver.take<A>(rows_.count * cols_.copies * cols_.length);
    }
  }

  void run(Index task) {
    const Index pairs = p_.out_channels * p_.group_in();
    const Index pair = task % pairs, part = task / pairs;
    output_ = pair / p_.group_in();
    input_ = output_ / p_.group_out() * p_.group_in() + pair % p_.group_in();
    const Index taps = p_.kernel.product();
    A* sums = reinterpret_cast<A*>(job_.sums) + (part * pairs + pair) * taps;
    fill_zero(sums, taps);
    fill_zero(lanes_, taps * W);
    const Index last = blocks_.count * (part + 1) / plan_.parts;
    Index pixels = 0;
    for (Index block = blocks_.count * part / plan_.parts; block < last; ++block) {
      const PixelPart at = pixel_part(p_, plan_, blocks_, block, 0);
      add(at);
      pixels += at.pixels();
      constexpr Index kMost = 4096;
      if (pixels >= kMost || block + 1 == last) {
        for (Index t = 0; t < taps; ++t) sums[t] += Vec<A>::sum(Vec<A>::load(lanes_ + t * W));
        fill_zero(lanes_, taps * W);
        pixels = 0;
      }
    }
  }

 private:
  using A = Acc<T>;
  static constexpr int W = Vec<A>::width;

  bool in_place() const {
    return sizeof(T) == sizeof(A) && p_.stride[2] == 1 && p_.x.spatial[2] == 1 &&
           p_.y.spatial[2] == 1;
  }

  void add(const PixelPart& part) {
    const T* grad = static_cast<const T*>(job_.grad) + part.batch * p_.y.batch +
                    output_ * p_.y.channel + part.depth * p_.y.spatial[0] +
                    part.rows.lo * p_.y.spatial[1];
    const Index height = part.rows.hi - part.rows.lo;
    StripRows<A> rows{};
    if constexpr (sizeof(T) == sizeof(A)) {
      rows.grad = grad;
      rows.grad_step = p_.y.spatial[1];
    }
    if (!in_place()) {
      for (Index y = 0; y < height; ++y) {
        copy_strided(grads_ + y * p_.out[2], grad + y * p_.y.spatial[1], p_.y.spatial[2],
                     p_.out[2]);
      }
      rows.grad = grads_;
      rows.grad_step = p_.out[2];
    }
    for (Index z = 0; z < p_.kernel[0]; ++z) {
      const Index depth = part.depth * p_.stride[0] + z * p_.dilation[0] - p_.pad_lo[0];
      if (depth < 0 || depth >= p_.in[0]) continue;
      const T* plane = static_cast<const T*>(job_.x) + part.batch * p_.x.batch +
                       input_ * p_.x.channel + depth * p_.x.spatial[0];
      const Index top = part.rows.lo * p_.stride[1] - p_.pad_lo[1];
      if (in_place()) {
        if constexpr (sizeof(T) == sizeof(A)) {
          rows.x = plane + top * p_.x.spatial[1];
          rows.x_step = p_.stride[1] * p_.x.spatial[1];
          rows.x_tap = p_.dilation[1] * p_.x.spatial[1];
        }
      } else {
        pack(plane, top, height);
        rows.x = inputs_;
        rows.x_step = rows_.step_out * cols_.copies * cols_.length;
        rows.x_tap = rows_.step_tap * cols_.copies * cols_.length;
      }
      add_depth(rows, top, height, lanes_ + z * p_.kernel[1] * p_.kernel[2] * W);
    }
  }

  void pack(const T* plane, Index top, Index height) {
    if (!rows_.sparse) {
      const Index span = (height - 1) * p_.stride[1] + dilated_extent(p_.kernel[1], p_.dilation[1]);
      for (Index slot = 0; slot < span; ++slot) pack_slot(plane, top + slot, slot);
      return;
    }
    for (Index y = 0; y < height; ++y) {
      for (Index r = 0; r < p_.kernel[1]; ++r) {
        pack_slot(plane, top + y * p_.stride[1] + r * p_.dilation[1], rows_.slot(y, r));
      }
    }
  }

  void pack_slot(const T* plane, Index row, Index slot) {
    if (row < 0 || row >= p_.in[1]) return;
    A* to = inputs_ + slot * cols_.copies * cols_.length;
    for (Index c = 0; c < cols_.copies; ++c, to += cols_.length) {
      const Index start = cols_.input_start(0, c);
      pack_row(to, cols_.length, plane + row * p_.x.spatial[1], p_.x.spatial[2],
               outputs_inside(cols_.length, p_.in[2], cols_.step, start), start, cols_.step);
    }
  }

  // Output rows of a block for which a kernel row meets the input.
  Range met(Index top, Index height, Index r) const {
    return outputs_inside(height, p_.in[1], p_.stride[1], top + r * p_.dilation[1]);
  }

  void add_depth(const StripRows<A>& all, Index top, Index height, A* lanes) {
    constexpr Index kRows = 3;
    for (Index r = 0; r < p_.kernel[1];) {
      if (r + kRows > p_.kernel[1]) {
        add_rows<1>(all, met(top, height, r), r, lanes);
        ++r;
        continue;
      }
      Range joint{0, height};
      for (Index i = 0; i < kRows; ++i) {
        const Range one = met(top, height, r + i);
        joint = {larger(joint.lo, one.lo), smaller(joint.hi, one.hi)};
      }
      if (joint.empty()) joint = {0, 0};
      add_rows<kRows>(all, joint, r, lanes);
      for (Index i = 0; i < kRows; ++i) {
        const Range one = met(top, height, r + i);
        if (joint.empty()) {
          add_rows<1>(all, one, r + i, lanes);
          continue;
        }
        add_rows<1>(all, {one.lo, joint.lo}, r + i, lanes);
        add_rows<1>(all, {joint.hi, one.hi}, r + i, lanes);
      }
      r += kRows;
    }
  }

  template <int R>
  void add_rows(const StripRows<A>& all, Range height, Index r, A* lanes) {
    if (height.empty()) return;
    constexpr Index kCols = 4;
    const Index taps = p_.kernel[2], tiles = ceil_div(taps, kCols);
    for (Index i = 0; i < tiles; ++i) {
      const Index s = taps * i / tiles;
      add_tile<R>(all, height, r, s, taps * (i + 1) / tiles - s, lanes + (r * taps + s) * W);
    }
  }

  // Kernel columns s .. s+count of R kernel rows.
  template <int R>
  void add_tile(const StripRows<A>& all, Range height, Index r, Index s, Index count, A* lanes) {
    StripRows<A> rows = all;
    rows.first = height.lo;
    rows.last = height.hi;
    Range inside[4];
    Index at[4];
    for (Index j = 0; j < count; ++j) {
      const Index offset = (s + j) * p_.dilation[2] - p_.pad_lo[2];
      inside[j] = outputs_inside(p_.out[2], p_.in[2], p_.stride[2], offset);
      at[j] = r * all.x_tap +
              (in_place() ? offset : cols_.copy_of(s + j) * cols_.length + cols_.shift_of(s + j));
    }
    for (Index v = 0; v < p_.out[2]; v += W) {
      StripCols cols{};
      bool edge = false, some = false;
      for (Index j = 0; j < count; ++j) {
        cols.at[j] = at[j] + v;
        cols.lo[j] = static_cast<int>(larger(0, smaller(W, inside[j].lo - v)));
        cols.hi[j] = static_cast<int>(larger(cols.lo[j], smaller(W, inside[j].hi - v)));
        edge = edge || cols.lo[j] > 0 || cols.hi[j] < W;
        some = some || cols.lo[j] < cols.hi[j];
      }
      if (!some) continue;
      rows.grad = all.grad + v;
      if (edge) {
        strip_of<A, R, true>(count, rows, cols, lanes, p_.kernel[2] * W);
      } else {
        strip_of<A, R, false>(count, rows, cols, lanes, p_.kernel[2] * W);
      }
    }
  }

  const WeightJob& job_;
  const ConvProblem& p_;
  const WeightPlan& plan_;
  WeightBlocks blocks_;
  PackedRows rows_;
  PackedAxis cols_;
  Index output_ = 0, input_ = 0;
  A* lanes_ = nullptr;
  A* grads_ = nullptr;
  A* inputs_ = nullptr;
};

template <class T>
static void weights_rows(const void* context, Index begin, Index end, std::byte* scratch) {
  const WeightJob& job = *static_cast<const WeightJob*>(context);
  WeightRows<T> rows(job, Carver{scratch});
  for (Index i = begin; i < end; ++i) rows.run(i);
}
