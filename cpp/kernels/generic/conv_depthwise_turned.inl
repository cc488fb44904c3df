// Depthwise convolution of small maps, NCHW: one input and one output channel per group, 1-D to
// 3-D, any stride, no dilation along the row.
//
// Loop order of a task: turn the planes of one vector of channels, so that a pixel's channels lie
// side by side, with zeros left and right of each row > rows of outputs > tiles of pixels > kernel
// elements (depthwise_tile.inl) > turn the results back. Turned planes and weights stay in the
// first-level cache; a thread turns the weights of each vector of channels that it meets.
//
// Against the row kernels (conv_rows_in_place.inl) vectors are full however short the rows are, and
// edges need no masks; transposing costs four shuffles for a vector each way. It loses where rows
// fill their vectors anyway, and to kernels of few elements at stride 1 there.

template <class T>
class DepthwiseTurned {
 public:
  DepthwiseTurned(const ConvJob& job, Carver carver)
      : job_(job),
        p_(*job.problem),
        taps_(p_.kernel.product()),
        pixels_(p_.in.product()),
        pitch_(turned_columns(p_)) {
    in_at_ = carver.take<Index>(pixels_);
    out_at_ = carver.take<Index>(larger(taps_, p_.out.product()));
    const Index rows = p_.out[0] * p_.out[1];
    rows_end_ = carver.take<Index>(rows);
    x_rows_ = carver.take<const T*>(rows * p_.kernel[0] * p_.kernel[1]);
    w_rows_ = carver.take<const T*>(rows * p_.kernel[0] * p_.kernel[1]);
    bias_ = carver.take<T>(W);
    w_ = carver.take<T>(taps_ * W);
    y_ = carver.take<T>((p_.out.product() + W) * W);
    x_ = carver.take<T>(p_.in[0] * p_.in[1] * pitch_ * W);
    for (Index i = 0; i < pixels_; ++i) {
      in_at_[i] = (i / p_.in[2] * pitch_ + i % p_.in[2] + p_.pad_lo[2]) * W;
    }
    for (Index i = 0; i < larger(taps_, p_.out.product()); ++i) out_at_[i] = i * W;
    fill_zero(x_, p_.in[0] * p_.in[1] * pitch_ * W);
    list_rows();
  }

  void run(Index batch, Index block) {
    const Index first = block * W, channels = smaller(W, p_.groups - first);
    if (block != block_) take_weights(first, channels);
    block_ = block;
    const T* x = static_cast<const T*>(job_.x) + batch * p_.x.batch + first * p_.x.channel;
    turn(x, p_.x.channel, channels, pixels_, in_at_, x_);
    run_rows();
    T* y = static_cast<T*>(job_.y) + batch * p_.y.batch + first * p_.y.channel;
    turn_back(y, p_.y.channel, channels);
  }

 private:
  using V = Vec<T>;
  static constexpr Index W = V::width;

  void take_weights(Index first, Index channels) {
    turn(static_cast<const T*>(job_.w) + first * p_.w.batch, p_.w.batch, channels, taps_, out_at_,
         w_);
    const T* bias = static_cast<const T*>(job_.bias);
    for (Index c = 0; c < W; ++c)
      bias_[c] = bias != nullptr && c < channels ? bias[first + c] : T(0);
    if (job_.saw_nan == nullptr) return;
    typename V::Reg doubt = V::zero();
    for (Index i = 0; i < taps_ * W; i += W) {
      const typename V::Reg r = V::load(w_ + i);
      doubt = V::add(doubt, V::sub(r, r));
    }
    if (V::any_nan(doubt)) {
      __atomic_store_n(job_.saw_nan, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
    }
  }

  // to[at[i] + c] = from[c*apart + i] for `n` of W positions. A whole square stays in registers.
  template <bool Whole>
  [[gnu::always_inline]] static inline void turn_square(const T* from, Index apart, Index channels,
                                                        int n, const Index* at, T* to) {
    typename V::Reg r[W];
    const typename V::Mask mask = V::range(0, n);
#pragma GCC unroll 16
    for (Index c = 0; c < W; ++c) {
      if constexpr (Whole) {
        r[c] = V::load_masked(from + c * apart, mask);
      } else {
        r[c] = c < channels ? V::load_masked(from + c * apart, mask) : V::zero();
      }
    }
    V::transpose(r);
#pragma GCC unroll 16
    for (Index j = 0; j < W; ++j) {
      if (j < n) V::store(to + at[j], r[j]);
    }
  }

  static void turn(const T* from, Index apart, Index channels, Index count, const Index* at,
                   T* to) {
    for (Index i = 0; i < count; i += W) {
      const int n = static_cast<int>(smaller(W, count - i));
      if (channels == W) {
        turn_square<true>(from + i, apart, W, n, at + i, to);
      } else {
        turn_square<false>(from + i, apart, channels, n, at + i, to);
      }
    }
  }

  void turn_back(T* to, Index apart, Index channels) const {
    const Index count = p_.out.product();
    for (Index i = 0; i < count; i += W) {
      const int n = static_cast<int>(smaller(W, count - i));
      typename V::Reg r[W];
      // Past the last result there is room for a square.
#pragma GCC unroll 16
      for (Index j = 0; j < W; ++j) r[j] = V::load(y_ + (i + j) * W);
      V::transpose(r);
#pragma GCC unroll 16
      for (Index c = 0; c < W; ++c) {
        if (c < channels) V::store_first(to + i + c * apart, r[c], n);
      }
    }
  }

  // Of each row of outputs, the kernel rows that meet the input, and where: the same for all
  // planes.
  void list_rows() {
    const AxisPhase d = axis_phase(p_, 0, 0), h = axis_phase(p_, 1, 0);
    Index listed = 0;
    for (Index i = 0; i < p_.out[0] * p_.out[1]; ++i) {
      const Index depth = i / p_.out[1], row = i % p_.out[1];
      const Range depths = d.taps_inside(depth, p_.in[0]), rows = h.taps_inside(row, p_.in[1]);
      for (Index z = depths.lo; z < depths.hi; ++z) {
        const Index slice = (depth * d.in_step + d.offset(z)) * p_.in[1];
        for (Index r = rows.lo; r < rows.hi; ++r) {
          x_rows_[listed] = x_ + (slice + row * h.in_step + h.offset(r)) * pitch_ * W;
          w_rows_[listed++] = w_ + (z * p_.kernel[1] + r) * p_.kernel[2] * W;
        }
      }
      rows_end_[i] = listed;
    }
  }

  void run_rows() const {
    const Index cols = p_.out[2], rows = p_.out[0] * p_.out[1];
    const int pixels = depthwise_pixels<T>(cols);
    T* y = y_;
    for (Index row = 0, first = 0; row < rows; first = rows_end_[row++], y += cols * W) {
      const DepthwiseRow<T> tile{rows_end_[row] - first,
                                 x_rows_ + first,
                                 w_rows_ + first,
                                 W,
                                 W,
                                 p_.kernel[2],
                                 p_.stride[2],
                                 W,
                                 bias_,
                                 p_.activation};
      for (Index i = 0; i < cols; i += pixels) {
        const Index at = larger(0, smaller(i, cols - pixels));
        run_depthwise_tile<T>(pixels, tile, at * p_.stride[2], {0, pitch_}, W, y + at * W);
      }
    }
  }

  const ConvJob& job_;
  const ConvProblem& p_;
  Index taps_, pixels_, pitch_;
  Index *in_at_, *out_at_;  // where pixels, and kernel elements, are turned to
  Index* rows_end_;
  const T **x_rows_, **w_rows_;
  T *bias_, *w_, *y_, *x_;
  Index block_ = -1;
};

template <class T>
static void depthwise_turned(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  DepthwiseTurned<T> turned(job, Carver{scratch});
  for (Index i = begin; i < end; ++i) turned.run(i % job.problem->batch, i / job.problem->batch);
}
