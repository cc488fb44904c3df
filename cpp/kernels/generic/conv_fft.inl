// Convolution by the Fourier transform, NCHW and image filters: few channels per group, kernels of
// many elements, stride 1, any dilation, every boundary.
//
// Loop order of a task: pack the inputs of two tiles of outputs, one as real, one as imaginary part
// > columns of the tile, forwards > rows, a few at a time: forwards, times the spectra of the
// kernels, backwards > columns backwards > store. Both parts are convolved with the same real
// kernels, so nothing has to be told apart in between. A tile and the spectra lie in the
// second-level cache, a column or a row in the first. A thread transforms the kernels of each group
// that it meets.
//
// Each part is first scaled by a power of two to largest values near 1, as are the kernels: so no
// transform overflows or underflows, and errors are relative to the tile's own values, not to its
// neighbour's. Inputs that are not finite make the kernel decline, because they would spread. Sums
// of whole numbers that are known to err by less than half are rounded to whole numbers.
//
// Against direct sums (conv_rows*.inl) the number of operations hardly depends on the kernel. It
// loses where kernels have few elements, and where a tile's margins outweigh its outputs.

template <class T>
class FftConv {
 public:
  FftConv(const ConvJob& job, Carver carver)
      : job_(job),
        p_(*job.problem),
        grid_(fft_grid(p_, job.plan->tile_m, job.plan->tile_n)),
        fft_(grid_, job.fft_roots, carver),
        plane_(fft_.plane()),
        x_(carver.take<T>(2 * plane_)),
        spectra_(carver.take<T>(p_.group_in() * p_.group_out() * 2 * plane_)),
        sums_(p_.group_in() * p_.group_out() == 1 ? x_
                                                  : carver.take<T>(p_.group_out() * 2 * plane_)) {}

  void run(Index index) {
    group_ = index / grid_.pairs();
    const T* w = static_cast<const T*>(job_.w) + weight_origin(p_, group_);
    if (w != transformed_) {
      for (Index k = 0; k < p_.group_out(); ++k) transform_kernels(w, k);
      transformed_ = w;
    }
    const Index first = index % grid_.pairs() * 2;
    tile_[0] = fft_tile(p_, grid_, first);
    tile_[1] = fft_tile(p_, grid_, smaller(first + 1, grid_.tiles - 1));
    if (first + 1 == grid_.tiles) tile_[1].count[0] = 0;
    for (int i = 0; i < 2; ++i) {
      count_[i] = larger(tile_[0].count[i], tile_[1].count[i]);
      used_[i] = count_[i] + p_.kernel[i + 1] - 1;
    }
    const Index channels = p_.group_in();
    Survey survey[2];
    for (Index c = 0; c < channels; ++c) pack(c, survey);
    for (int i = 0; i < 2; ++i) values_[i] = facts_of(survey[i]);
    for (Index c = 0; c < channels; ++c) {
      if (channels > 1) pack(c, survey);
      convolve(c);
    }
    for (Index k = 0; k < p_.group_out(); ++k) store(k);
    if (!finite_) __atomic_store_n(job_.declined, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
  }

 private:
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr Index W = V::width;
  // Sums below 1/(64 eps) err by less than half: see docs/numerics.md.
  static constexpr T kMostWhole = sizeof(T) == 4 ? T(Index{1} << 17) : T(Index{1} << 46);

  // What rows of numbers have in common: `doubt` is NaN if one is not finite, `parts` is the
  // largest distance from a whole number.
  struct Survey {
    Reg largest = V::zero(), sum = V::zero(), parts = V::zero(), doubt = V::zero();

    void see(const T* row, Index count) {
      for (Index i = 0; i < count; i += W) {
        const Reg r = V::load(row + i), size = V::abs(r);
        largest = V::max(size, largest);
        sum = V::add(sum, size);
        parts = V::max(V::abs(V::sub(r, V::round(r))), parts);
        doubt = V::add(doubt, V::sub(r, r));
      }
    }
  };

  struct Facts {
    int scale = 0;  // 2^scale is near 1/largest
    T largest = 0, sum = 0;
    bool whole = false;
  };

  static T largest_of(Reg r) {
    T values[W], most = 0;
    V::store(values, r);
    for (T value : values) most = value > most ? value : most;
    return most;
  }

  Facts facts_of(const Survey& survey) {
    // Leaves room for a factor of 2^20 both ways.
    constexpr int kMost = sizeof(T) == 4 ? 100 : 1000;
    Facts facts;
    if (V::any_nan(survey.doubt)) finite_ = false;
    facts.largest = largest_of(survey.largest);
    facts.sum = V::sum(survey.sum);
    facts.whole = largest_of(survey.parts) == 0;
    if (!finite_ || facts.largest == 0) return facts;
    const int scale = -__builtin_ilogb(static_cast<double>(facts.largest));
    facts.scale = scale > kMost ? kMost : scale < -kMost ? -kMost : scale;
    return facts;
  }

  static Reg power(int exponent) { return V::set(static_cast<T>(__builtin_ldexp(1.0, exponent))); }

  static void scale_column(T* column, Index pitch, Index rows, Reg by) {
    for (Index r = 0; r < rows; ++r) {
      V::store(column + r * pitch, V::mul(V::load(column + r * pitch), by));
    }
  }

  T* spectrum(Index k, Index c) const { return spectra_ + (k * p_.group_in() + c) * 2 * plane_; }

  // The spectra of output channel k, all of one scale.
  void transform_kernels(const T* w, Index k) {
    const Index rows = p_.kernel[1], cols = p_.kernel[2], pitch = fft_.pitch();
    Survey survey;
    for (Index c = 0; c < p_.group_in(); ++c) {
      T* re = spectrum(k, c);
      const T* from = w + k * p_.w.batch + c * p_.w.channel;
      fill_zero(re, 2 * plane_);
      for (Index r = 0; r < rows; ++r) {
        copy_strided(re + r * pitch, from + r * p_.w.spatial[1], p_.w.spatial[2], cols);
        survey.see(re + r * pitch, ceil_div(cols, W) * W);
      }
    }
    const Facts facts = kernels_[k] = facts_of(survey);
    // A transform there and back multiplies by the number of points.
    const Reg by = power(facts.scale - __builtin_ilogb(static_cast<double>(grid_.size())));
    for (Index c = 0; c < p_.group_in(); ++c) {
      T* re = spectrum(k, c);
      for (Index col = 0; col < cols; col += W) {
        scale_column(re + col, pitch, rows, by);
        fft_.column_forward(re + col, re + plane_ + col);
      }
      for (Index r = 0; r < grid_.points[0]; r += fft_.rows_together()) {
        fft_.rows_forward(re, re + plane_, r);
      }
    }
  }

  // The inputs of both tiles, zeros around them.
  void pack(Index c, Survey (&survey)[2]) {
    for (int i = 0; i < 2; ++i) {
      const FftTile& t = tile_[i];
      T* const to = x_ + i * plane_;
      const Index depth =
          boundary_index(t.depth * p_.stride[0] - p_.pad_lo[0], p_.in[0], p_.boundary);
      const T* x = static_cast<const T*>(job_.x) + t.batch * p_.x.batch +
                   (group_ * p_.group_in() + c) * p_.x.channel + larger(0, depth) * p_.x.spatial[0];
      const Index rows = t.count[0] == 0 || t.count[1] == 0 ? 0 : t.count[0] + p_.kernel[1] - 1;
      for (Index r = 0; r < grid_.points[0]; ++r) {
        T* row = to + r * fft_.pitch();
        const Index at = r < rows && depth >= 0
                             ? boundary_index(t.from[0] + r * t.step[0], p_.in[1], p_.boundary)
                             : -1;
        if (at >= 0) {
          pack_columns(t, x + at * p_.x.spatial[1], row);
        } else {
          const T value = r < rows ? static_cast<T>(p_.fill_value) : T(0);
          const Index cols = t.count[1] + p_.kernel[2] - 1;
          for (Index j = 0; j < cols; ++j) row[j] = value;
          fill_zero(row + cols, grid_.points[1] - cols);
        }
        if (r < rows) survey[i].see(row, grid_.points[1]);
      }
    }
  }

  void pack_columns(const FftTile& t, const T* row, T* to) const {
    const Index cols = t.count[1] + p_.kernel[2] - 1, step = t.step[1];
    const Range inside = outputs_inside(cols, p_.in[2], step, t.from[1]);
    copy_strided(to + inside.lo, row + (t.from[1] + inside.lo * step) * p_.x.spatial[2],
                 step * p_.x.spatial[2], inside.hi - inside.lo);
    const Index samples = p_.samples_per_pixel;
    for (Index j = 0; j < cols; ++j) {
      if (j == inside.lo && !inside.empty()) j = inside.hi;
      if (j >= cols) break;
      // The image goes on by whole pixels.
      const Index at = t.from[1] + j * step, pixel = floor_div(at, samples);
      const Index from = boundary_index(pixel, p_.in[2] / samples, p_.boundary);
      to[j] = from < 0 ? static_cast<T>(p_.fill_value)
                       : row[(from * samples + at - pixel * samples) * p_.x.spatial[2]];
    }
    fill_zero(to + cols, grid_.points[1] - cols);
  }

  // Adds what input channel c, packed, contributes to the sums of all output channels.
  void convolve(Index c) {
    const Index pitch = fft_.pitch();
    const Reg by[2] = {power(values_[0].scale), power(values_[1].scale)};
    for (Index col = 0; col < used_[1]; col += W) {
      for (int i = 0; i < 2; ++i) scale_column(x_ + i * plane_ + col, pitch, used_[0], by[i]);
      fft_.column_forward(x_ + col, x_ + plane_ + col);
    }
    const bool last = c == p_.group_in() - 1;
    for (Index r = 0; r < grid_.points[0]; r += fft_.rows_together()) {
      fft_.rows_forward(x_, x_ + plane_, r);
      for (Index k = 0; k < p_.group_out(); ++k) {
        T* sum = sums_ + k * 2 * plane_;
        for (Index i = r; i < r + fft_.rows_together(); ++i) {
          multiply(spectrum(k, c) + i * pitch, x_ + i * pitch, sum + i * pitch, c == 0);
        }
        if (last) fft_.rows_backward(sum, sum + plane_, r);
      }
    }
    for (Index k = 0; last && k < p_.group_out(); ++k) {
      T* sum = sums_ + k * 2 * plane_;
      for (Index col = 0; col < count_[1]; col += W) {
        fft_.column_backward(sum + col, sum + plane_ + col);
      }
    }
  }

  // One row of spectra: a kernel's conjugate makes the product a correlation.
  void multiply(const T* w, const T* x, T* sum, bool first) const {
    for (Index i = 0; i < grid_.points[1]; i += W) {
      FftPoint<T> product = times_conjugate<T>({V::load(x + i), V::load(x + plane_ + i)},
                                               {V::load(w + i), V::load(w + plane_ + i)});
      if (!first) product = product + FftPoint<T>{V::load(sum + i), V::load(sum + plane_ + i)};
      V::store(sum + i, product.re);
      V::store(sum + plane_ + i, product.im);
    }
  }

  void store(Index k) {
    const T* bias = static_cast<const T*>(job_.bias);
    const Index channel = group_ * p_.group_out() + k;
    const Reg start = bias == nullptr ? V::zero() : V::set(bias[channel]);
    for (int i = 0; i < 2; ++i) {
      const FftTile& t = tile_[i];
      const T* from = sums_ + (2 * k + i) * plane_;
      T* y = static_cast<T*>(job_.y) + t.batch * p_.y.batch + channel * p_.y.channel +
             t.depth * p_.y.spatial[0] + t.first[0] * p_.y.spatial[1] +
             t.first[1] * p_.y.spatial[2];
      // In two steps, since a scale may lie outside the range of T that its result lies in.
      const int scale = -(values_[i].scale + kernels_[k].scale);
      const Reg half = power(scale / 2), rest = power(scale - scale / 2);
      const Index step = t.step[1] * p_.y.spatial[2];
      const bool whole = values_[i].whole && kernels_[k].whole &&
                         values_[i].largest * kernels_[k].sum < kMostWhole;
      for (Index r = 0; r < t.count[0]; ++r) {
        store_row(from + r * fft_.pitch(), t.count[1], half, rest, whole, start,
                  y + r * t.step[0] * p_.y.spatial[1], step);
      }
    }
  }

  void store_row(const T* from, Index count, Reg half, Reg rest, bool whole, Reg start, T* y,
                 Index step) {
    for (Index i = 0; i < count; i += W) {
      const int n = static_cast<int>(smaller(W, count - i));
      Reg sum = V::mul(V::mul(V::load_first(from + i, n), half), rest);
      if (whole) sum = V::round(sum);
      sum = V::add(sum, start);
      if (V::any_nan(V::sub(sum, sum))) finite_ = false;
      if (p_.activation != Activation::none) sum = activate<T>(sum, p_.activation);
      if (step == 1) {
        V::store_first(y + i, sum, n);
        continue;
      }
      T out[W];
      V::store(out, sum);
      for (int e = 0; e < n; ++e) y[(i + e) * step] = out[e];
    }
  }

  const ConvJob& job_;
  const ConvProblem& p_;
  FftGrid grid_;
  Fft<T> fft_;
  Index plane_;
  T *x_, *spectra_, *sums_;
  const T* transformed_ = nullptr;
  Index group_ = 0;
  FftTile tile_[2]{};
  Index count_[2]{}, used_[2]{};  // outputs and inputs of the larger tile, rows and columns
  Facts values_[2]{}, kernels_[kMostFftOutputs]{};
  bool finite_ = true;
};

template <class T>
static void conv_fft(const void* context, Index begin, Index end, std::byte* scratch) {
  FftConv<T> conv(*static_cast<const ConvJob*>(context), Carver{scratch});
  for (Index i = begin; i < end; ++i) conv.run(i);
}
