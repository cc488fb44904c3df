// Complex Fourier transforms of length 2^n, in place, of many vectors at once: real parts here,
// imaginary ones there.
//
// Stages are radix 4, the last radix 2 where the length asks for it: 16 additions and 12
// multiplications for four points, of which the fused multiply-add saves six. Forwards outputs are
// left in the order in which decimation in frequency makes them, backwards they are taken in this
// order; nothing is ever sorted, because spectra are only multiplied by each other. Down a column
// each point is a vector and twiddle factors are broadcast; along a row vectors hold neighbouring
// points and twiddle factors, down to stretches of one vector, which the caller transposes.

template <class T>
struct FftStage {
  Index length;
  int radix;
  const T* twiddles;  // cosines, then sines of each power (1, 2, 3; or 1), length/radix each
};

// The stages of a transform of `points`, down to stretches of `rest`.
template <class T>
struct FftStages {
  static constexpr int kMost = 8;  // 2 * 4^6 is more than kMostPoints
  FftStage<T> stage[kMost];
  int count = 0;
  Index points = 0;

  static FftStages make(Index points, Index rest, const double* roots, Carver& carver) {
    FftStages s;
    s.points = points;
    for (Index length = points; length > rest;) {
      const int radix = length >= 4 * rest ? 4 : 2;
      const Index quarter = length / radix, step = kMostPoints / length;
      T* to = carver.take<T>(2 * (radix - 1) * quarter);
      s.stage[s.count++] = {length, radix, to};
      for (int power = 1; power < radix; ++power, to += 2 * quarter) {
        for (Index j = 0; j < quarter; ++j) {
          to[j] = static_cast<T>(roots[j * step * power]);
          to[quarter + j] = static_cast<T>(roots[kMostPoints + j * step * power]);
        }
      }
      length = quarter;
    }
    return s;
  }
};

template <class T>
struct FftPoint {
  typename Vec<T>::Reg re, im;
};

template <class T>
[[gnu::always_inline]] static inline FftPoint<T> operator+(FftPoint<T> a, FftPoint<T> b) {
  return {Vec<T>::add(a.re, b.re), Vec<T>::add(a.im, b.im)};
}
template <class T>
[[gnu::always_inline]] static inline FftPoint<T> operator-(FftPoint<T> a, FftPoint<T> b) {
  return {Vec<T>::sub(a.re, b.re), Vec<T>::sub(a.im, b.im)};
}
// a + i*b and a - i*b.
template <class T>
[[gnu::always_inline]] static inline FftPoint<T> plus_turned(FftPoint<T> a, FftPoint<T> b) {
  return {Vec<T>::sub(a.re, b.im), Vec<T>::add(a.im, b.re)};
}
template <class T>
[[gnu::always_inline]] static inline FftPoint<T> minus_turned(FftPoint<T> a, FftPoint<T> b) {
  return {Vec<T>::add(a.re, b.im), Vec<T>::sub(a.im, b.re)};
}

// a * conj(w), and a * w, for w = cosine + i*sine. A forward transform turns by conj(w).
template <class T>
[[gnu::always_inline]] static inline FftPoint<T> times_conjugate(FftPoint<T> a, FftPoint<T> w) {
  using V = Vec<T>;
  return {V::fma(a.re, w.re, V::mul(a.im, w.im)), V::fnma(a.re, w.im, V::mul(a.im, w.re))};
}
template <class T>
[[gnu::always_inline]] static inline FftPoint<T> times(FftPoint<T> a, FftPoint<T> w) {
  using V = Vec<T>;
  return {V::fnma(a.im, w.im, V::mul(a.re, w.re)), V::fma(a.re, w.im, V::mul(a.im, w.re))};
}

// One stage of one transform. Down a column (`Along` false) point i is the vector at i*pitch; along
// a row it is element i. `Plain`: all twiddle factors are 1.
template <class T, bool Along, bool Forward, int Radix, bool Plain>
[[gnu::always_inline]] static inline void fft_stage(T* re, T* im, Index pitch, Index points,
                                                    const FftStage<T>& stage) {
  using V = Vec<T>;
  using Point = FftPoint<T>;
  const Index unit = Along ? 1 : pitch, step = Along ? V::width : 1;
  const Index quarter = stage.length / Radix, part = quarter * unit;
  for (Index j = 0; j < quarter; j += step) {
    Point w[Radix] = {};
    for (int k = 1; k < Radix && !Plain; ++k) {
      const T* at = stage.twiddles + 2 * (k - 1) * quarter + j;
      w[k] = Along ? Point{V::load(at), V::load(at + quarter)}
                   : Point{V::set(at[0]), V::set(at[quarter])};
    }
    for (Index i = j; i < points; i += stage.length) {
      T* const r = re + i * unit;
      T* const m = im + i * unit;
      Point a[Radix];
#pragma GCC unroll 4
      for (int k = 0; k < Radix; ++k) {
        a[k] = {V::load(r + k * part), V::load(m + k * part)};
        if (!Forward && !Plain && k > 0) a[k] = times<T>(a[k], w[k]);
      }
      if constexpr (Radix == 2) {
        const Point sum = a[0] + a[1];
        a[1] = a[0] - a[1];
        a[0] = sum;
      } else {
        const Point even = a[0] + a[2], even_less = a[0] - a[2];
        const Point odd = a[1] + a[3], odd_less = a[1] - a[3];
        a[0] = even + odd;
        a[2] = even - odd;
        a[1] = Forward ? minus_turned<T>(even_less, odd_less) : plus_turned<T>(even_less, odd_less);
        a[3] = Forward ? plus_turned<T>(even_less, odd_less) : minus_turned<T>(even_less, odd_less);
      }
#pragma GCC unroll 4
      for (int k = 0; k < Radix; ++k) {
        if (Forward && !Plain && k > 0) a[k] = times_conjugate<T>(a[k], w[k]);
        V::store(r + k * part, a[k].re);
        V::store(m + k * part, a[k].im);
      }
    }
  }
}

template <class T, bool Along, bool Forward>
static void fft_stages(T* re, T* im, Index pitch, const FftStages<T>& s) {
  for (int i = 0; i < s.count; ++i) {
    const FftStage<T>& stage = s.stage[Forward ? i : s.count - 1 - i];
    const bool plain = stage.length == stage.radix;
    if (stage.radix == 4) {
      if (plain) {
        fft_stage<T, Along, Forward, 4, true>(re, im, pitch, s.points, stage);
      } else {
        fft_stage<T, Along, Forward, 4, false>(re, im, pitch, s.points, stage);
      }
    } else if (plain) {
      fft_stage<T, Along, Forward, 2, true>(re, im, pitch, s.points, stage);
    } else {
      fft_stage<T, Along, Forward, 2, false>(re, im, pitch, s.points, stage);
    }
  }
}

// Transforms of 2-D tiles, columns (one vector wide) and rows (a few at a time) apart: so each
// stays in the first-level cache through all its stages.
template <class T>
class Fft {
 public:
  Fft(const FftGrid& grid, const double* roots, Carver& carver)
      : rows_(grid.points[0]),
        cols_(grid.points[1]),
        pitch_(fft_pitch(grid, sizeof(T))),
        along_(FftStages<T>::make(cols_, W, roots, carver)),
        turned_(FftStages<T>::make(W, 1, roots, carver)),
        down_(FftStages<T>::make(rows_, 1, roots, carver)),
        square_(carver.take<T>(2 * W * W)) {}

  Index pitch() const { return pitch_; }
  Index plane() const { return rows_ * pitch_; }
  // Rows that a row transform takes together.
  Index rows_together() const { return larger(1, W * W / cols_); }

  void rows_forward(T* re, T* im, Index row) const {
    for (Index r = row; r < row + rows_together(); ++r) {
      fft_stages<T, true, true>(re + r * pitch_, im + r * pitch_, 0, along_);
    }
    turn<true>(re, im, row);
  }

  void rows_backward(T* re, T* im, Index row) const {
    turn<false>(re, im, row);
    for (Index r = row; r < row + rows_together(); ++r) {
      fft_stages<T, true, false>(re + r * pitch_, im + r * pitch_, 0, along_);
    }
  }

  void column_forward(T* re, T* im) const { fft_stages<T, false, true>(re, im, pitch_, down_); }
  void column_backward(T* re, T* im) const { fft_stages<T, false, false>(re, im, pitch_, down_); }

 private:
  static constexpr Index W = Vec<T>::width;

  // The last stages along rows, whose points share vectors: W vectors at a time, transposed so that
  // each point is a vector. Spectra stay transposed.
  template <bool Forward>
  void turn(T* re, T* im, Index row) const {
    if constexpr (W > 1) {
      const Index per_row = cols_ / W;
      for (Index first = 0; first < rows_together() * per_row; first += W) {
        T* at[W];
        for (Index i = 0; i < W; ++i) {
          at[i] = re + (row + (first + i) / per_row) * pitch_ + (first + i) % per_row * W;
        }
        if (!Forward) {
          copy_square(square_, at, 0, false);
          copy_square(square_ + W * W, at, im - re, false);
        } else {
          turn_square(square_, at, 0);
          turn_square(square_ + W * W, at, im - re);
        }
        fft_stages<T, false, Forward>(square_, square_ + W * W, W, turned_);
        if (Forward) {
          copy_square(square_, at, 0, true);
          copy_square(square_ + W * W, at, im - re, true);
        } else {
          turn_back(square_, at, 0);
          turn_back(square_ + W * W, at, im - re);
        }
      }
    }
  }

  static void copy_square(T* square, T* const* at, Index offset, bool back) {
    using V = Vec<T>;
    for (Index i = 0; i < W; ++i) {
      if (back) {
        V::store(at[i] + offset, V::load(square + i * W));
      } else {
        V::store(square + i * W, V::load(at[i] + offset));
      }
    }
  }

  static void turn_square(T* square, T* const* at, Index offset) {
    using V = Vec<T>;
    typename V::Reg r[W];
    for (Index i = 0; i < W; ++i) r[i] = V::load(at[i] + offset);
    V::transpose(r);
    for (Index i = 0; i < W; ++i) V::store(square + i * W, r[i]);
  }

  static void turn_back(const T* square, T* const* at, Index offset) {
    using V = Vec<T>;
    typename V::Reg r[W];
    for (Index i = 0; i < W; ++i) r[i] = V::load(square + i * W);
    V::transpose(r);
    for (Index i = 0; i < W; ++i) V::store(at[i] + offset, r[i]);
  }

  Index rows_, cols_, pitch_;
  FftStages<T> along_, turned_, down_;
  T* square_;
};
