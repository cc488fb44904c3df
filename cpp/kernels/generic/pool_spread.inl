// The gradient of average pooling.
//
// Planar: a task is a plane; for each input row the gradients of all windows that cover it are
// summed into one row, divided by the window's columns, and spread along the row. Rows that the
// same windows cover are the same row, computed once. Along a row of regular windows, the inputs of
// one residue modulo the stride are a sum of shifted rows, in vectors; residues are then
// interleaved. Channels-last: a task is an input row; each pixel sums the windows that cover it,
// vectors along channels.
//
// A gradient passes from memory once, its neighbours from the first-level cache. Uneven (adaptive)
// windows are spread element by element, and a plane under one window is filled. Channels-last it
// loses where windows overlap so much that summing them takes longer than memory.

template <class T>
class SpreadRows {
 public:
  SpreadRows(const SpreadJob& job, Carver carver)
      : job_(job), p_(*job.problem), cols_(job.cols), outs_(p_.out[2]) {
    const Index taps = cols_.uneven ? 0 : ceil_div(cols_.kernel, cols_.stride);
    length_ = cols_.uneven ? outs_ : ceil_div(p_.in[2] + cols_.pad_lo, cols_.stride);
    share_ = carver.take<A>(outs_);
    gathered_ = carver.take<A>(outs_);
    A* row = carver.take<A>(taps + larger(outs_, length_) + W);
    fill_zero(row, taps + larger(outs_, length_) + W);
    row_ = row + taps;
    parts_ = carver.take<A>(cols_.uneven ? 0 : cols_.stride * length_ + W);
    woven_ = carver.take<A>(cols_.uneven ? p_.in[2] : cols_.stride * length_ + W);
    for (Index o = 0; o < outs_; ++o) share_[o] = static_cast<A>(job.share[2][o]);
    one_value_ = p_.out.product() == 1;
    Index step = 1;
    for (int a = kAxes - 1; a >= 0; --a) {
      one_value_ = one_value_ && (p_.in[a] == 1 || job.result.spatial[a] == step);
      for (Index i = 0; i < p_.in[a]; ++i) one_value_ = one_value_ && !job.covering[a][i].empty();
      step *= p_.in[a];
    }
  }

  void run(Index plane) {
    const Index n = plane / p_.channels, c = plane % p_.channels;
    const T* grad = static_cast<const T*>(job_.grad) + n * p_.y.batch + c * p_.y.channel;
    T* to = static_cast<T*>(job_.to) + n * job_.result.batch + c * job_.result.channel;
    if (one_value_) return fill(grad, to);
    Range depths{-1, -1}, rows{-1, -1};
    const A* line = nullptr;
    for (Index z = 0; z < p_.in[0]; ++z) {
      for (Index y = 0; y < p_.in[1]; ++y) {
        const Range next_depths = job_.covering[0][z], next_rows = job_.covering[1][y];
        if (line == nullptr || !same(depths, next_depths) || !same(rows, next_rows)) {
          depths = next_depths;
          rows = next_rows;
          sum_rows(grad, depths, rows);
          line = spread();
        }
        store(line, to + z * job_.result.spatial[0] + y * job_.result.spatial[1]);
      }
    }
  }

 private:
  using A = Acc<T>;
  using Va = Vec<A>;
  static constexpr int W = Va::width;

  // A plane under a single window, as in global pooling.
  void fill(const T* grad, T* to) const {
    const auto scale = static_cast<A>(job_.share[0][0] * job_.share[1][0]);
    const A value = widen(grad[0]) * scale * share_[0];
    const typename Va::Reg filled = Va::set(value);
    const Index count = p_.in.product();
    Index i = 0;
    for (; i + W <= count; i += W) Vec<T>::store(to + i, filled);
    if (i < count) Vec<T>::store_first(to + i, filled, static_cast<int>(count - i));
  }

  static bool same(Range a, Range b) { return a.lo == b.lo && a.hi == b.hi; }

  // row_[o] = what every input column of window o gets.
  void sum_rows(const T* grad, Range depths, Range rows) {
    fill_zero(row_, outs_);
    for (Index z = depths.lo; z < depths.hi; ++z) {
      for (Index y = rows.lo; y < rows.hi; ++y) {
        const auto scale = static_cast<A>(job_.share[0][z] * job_.share[1][y]);
        const T* from = grad + z * p_.y.spatial[0] + y * p_.y.spatial[1];
        if (p_.y.spatial[2] == 1) {
          add_scaled(from, scale);
        } else {
          copy_strided(gathered_, from, p_.y.spatial[2], outs_);
          add_scaled(gathered_, scale);
        }
      }
    }
    for (Index o = 0; o < outs_; o += W) {
      const int n = static_cast<int>(smaller(W, outs_ - o));
      Va::store_first(row_ + o, Va::mul(Va::load_first(row_ + o, n), Va::load_first(share_ + o, n)),
                      n);
    }
  }

  template <class From>
  void add_scaled(const From* from, A scale) {
    const typename Va::Reg factor = Va::set(scale);
    Index o = 0;
    for (; o + W <= outs_; o += W) {
      Va::store(row_ + o, Va::fma(Vec<From>::load(from + o), factor, Va::load(row_ + o)));
    }
    if (o == outs_) return;
    const int n = static_cast<int>(outs_ - o);
    Va::store_first(
        row_ + o, Va::fma(Vec<From>::load_first(from + o, n), factor, Va::load_first(row_ + o, n)),
        n);
  }

  // The row of inputs that row_ gives.
  const A* spread() {
    if (cols_.uneven) {
      for (Index i = 0; i < p_.in[2]; ++i) {
        const Range over = job_.covering[2][i];
        A sum = 0;
        for (Index o = over.lo; o < over.hi; ++o) sum += row_[o];
        woven_[i] = sum;
      }
      return woven_;
    }
    const Index stride = cols_.stride;
    for (Index residue = 0; residue < stride; ++residue) {
      A* to = parts_ + residue * length_;
      const Index taps = residue < cols_.kernel ? ceil_div(cols_.kernel - residue, stride) : 0;
      for (Index j = 0; j < length_; j += W) {
        typename Va::Reg sum = Va::zero();
        for (Index q = 0; q < taps; ++q) sum = Va::add(sum, Va::load(row_ + j - q));
        Va::store_first(to + j, sum, static_cast<int>(smaller(W, length_ - j)));
      }
    }
    if (stride == 1) return parts_ + cols_.pad_lo;
    interleave(parts_, length_, stride, length_, woven_);
    return woven_ + cols_.pad_lo;
  }

  void store(const A* line, T* to) const {
    const Index step = job_.result.spatial[2], count = p_.in[2];
    if (step != 1) {
      for (Index i = 0; i < count; ++i) to[i * step] = Narrowed<T>::of(line[i]);
      return;
    }
    Index i = 0;
    for (; i + W <= count; i += W) Vec<T>::store(to + i, Va::load(line + i));
    if (i < count) {
      const int n = static_cast<int>(count - i);
      Vec<T>::store_first(to + i, Va::load_first(line + i, n), n);
    }
  }

  const SpreadJob& job_;
  const PoolProblem& p_;
  const PoolAxis& cols_;
  Index outs_, length_ = 0;
  bool one_value_ = false;  // one window covers all inputs, and they adjoin
  A* share_;
  A* gathered_;
  A* row_;
  A* parts_;
  A* woven_;
};

template <class T>
static void spread_planar(const void* context, Index begin, Index end, std::byte* scratch) {
  const SpreadJob& job = *static_cast<const SpreadJob*>(context);
  SpreadRows<T> rows(job, Carver{scratch});
  for (Index plane = begin; plane < end; ++plane) rows.run(plane);
}

// One pixel: `channels` of them.
template <class T>
static void spread_pixel(const SpreadJob& job, const T* image, Index z, Index y, Index x, T* to) {
  using A = Acc<T>;
  using Va = Vec<A>;
  const PoolProblem& p = *job.problem;
  const Range over[kAxes] = {job.covering[0][z], job.covering[1][y], job.covering[2][x]};
  for (Index c = 0; c < p.channels; c += Va::width) {
    const int n = static_cast<int>(smaller(Va::width, p.channels - c));
    typename Va::Reg sum = Va::zero();
    for (Index d = over[0].lo; d < over[0].hi; ++d) {
      for (Index r = over[1].lo; r < over[1].hi; ++r) {
        const double share = job.share[0][d] * job.share[1][r];
        const T* from = image + d * p.y.spatial[0] + r * p.y.spatial[1] + c;
        for (Index s = over[2].lo; s < over[2].hi; ++s) {
          const typename Va::Reg factor = Va::set(static_cast<A>(share * job.share[2][s]));
          const T* at = from + s * p.y.spatial[2];
          sum = Va::fma(n == Va::width ? Vec<T>::load(at) : Vec<T>::load_first(at, n), factor, sum);
        }
      }
    }
    if (n == Va::width) {
      Vec<T>::store(to + c, sum);
    } else {
      Vec<T>::store_first(to + c, sum, n);
    }
  }
}

template <class T>
static void spread_channels_last(const void* context, Index begin, Index end, std::byte*) {
  const SpreadJob& job = *static_cast<const SpreadJob*>(context);
  const PoolProblem& p = *job.problem;
  for (Index task = begin; task < end; ++task) {
    const Index y = task % p.in[1], z = task / p.in[1] % p.in[0], n = task / p.in[1] / p.in[0];
    const T* image = static_cast<const T*>(job.grad) + n * p.y.batch;
    T* to = static_cast<T*>(job.to) + n * job.result.batch + z * job.result.spatial[0] +
            y * job.result.spatial[1];
    for (Index x = 0; x < p.in[2]; ++x) {
      spread_pixel(job, image, z, y, x, to + x * job.result.spatial[2]);
    }
  }
}
