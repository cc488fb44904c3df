// The register tile of the depthwise channels-last kernel: P output pixels of a row x one vector of
// channels.
//
// Loop order: vectors of channels > rows of the kernel > up to seven kernel columns at a time >
// input pixels. The P sums and the weights of those columns stay in registers; an input vector is
// loaded once for all outputs it reaches, P + 6 loads for 7 P multiply-adds. Loading both operands
// of every multiply-add instead would be bound by the loads. Which outputs an input pixel reaches
// is known when compiling. Input pixels on padding are skipped. The order in which an output's
// products are added does not depend on P.

template <class T>
struct DepthwiseLimits {
  static constexpr int pixels = Vec<T>::registers >= 32 ? 14 : 7;
};

// One row of output pixels. Pixel m of a tile and kernel column s meet input pixel spacing*m + s.
template <class T>
struct DepthwiseRow {
  Index kernel_rows;       // those that meet the input
  const T* const* x;       // input row of each, at the input pixel of output pixel 0, column 0
  const Acc<T>* const* w;  // weights of each
  Index x_step, w_step;    // between input pixels, between kernel columns
  Index kernel_cols, spacing;
  Index y_step;  // between output pixels of a tile
  const T* bias;
  Activation activation;
};

template <class T>
[[gnu::noinline]] static void store_depthwise(T* y, Index y_step, const Acc<T>* sums, int pixels,
                                              int channels, Activation activation) {
  using Vt = Vec<T>;
  for (int m = 0; m < pixels; ++m) {
    const typename Vt::Reg sum = Vec<Acc<T>>::load(sums + m * Vt::width);
    Vt::store_first(y + m * y_step, activate<Acc<T>>(sum, activation), channels);
  }
}

// KC kernel columns of one kernel row.
template <class T, int KC, int S, int P, bool Edge, bool Full>
[[gnu::always_inline]] static inline void depthwise_columns(const DepthwiseRow<T>& row, const T* x,
                                                            const Acc<T>* w, Range inside,
                                                            typename Vec<T>::Mask mask,
                                                            typename Vec<T>::Reg (&acc)[P]) {
  using Vt = Vec<T>;
  typename Vt::Reg weight[KC];
#pragma GCC unroll 8
  for (int s = 0; s < KC; ++s) {
    const Acc<T>* at = w + s * row.w_step;
    weight[s] = Full ? Vec<Acc<T>>::load(at) : Vec<Acc<T>>::load_masked(at, mask);
    hold<Acc<T>>(weight[s]);
  }
#pragma GCC unroll 64
  for (int q = 0; q < S * (P - 1) + KC; ++q) {
    if (Edge && (q < inside.lo || q >= inside.hi)) continue;
    const T* from = x + q * row.x_step;
    typename Vt::Reg in = Full ? Vt::load(from) : Vt::load_masked(from, mask);
    if (KC > S) hold<T>(in);  // else it is multiplied once
#pragma GCC unroll 8
    for (int s = 0; s < KC; ++s) {
      if (q < s || (q - s) % S != 0 || (q - s) / S >= P) continue;
      acc[(q - s) / S] = Vt::fma(in, weight[s], acc[(q - s) / S]);
    }
  }
}

// One kernel column where outputs share no input that is known when compiling.
template <class T, int P, bool Full>
[[gnu::always_inline]] static inline void depthwise_column(const DepthwiseRow<T>& row, const T* x,
                                                           const Acc<T>* w, Range inside,
                                                           typename Vec<T>::Mask mask,
                                                           typename Vec<T>::Reg (&acc)[P]) {
  using Vt = Vec<T>;
  typename Vt::Reg weight = Full ? Vec<Acc<T>>::load(w) : Vec<Acc<T>>::load_masked(w, mask);
  hold<Acc<T>>(weight);
#pragma GCC unroll 16
  for (int m = 0; m < P; ++m) {
    const Index q = m * row.spacing;
    if (q < inside.lo || q >= inside.hi) continue;
    const T* from = x + q * row.x_step;
    acc[m] = Vt::fma(Full ? Vt::load(from) : Vt::load_masked(from, mask), weight, acc[m]);
  }
}

// Channels [lo, hi): whole vectors if Full, else fewer than one. `at` is the input pixel of the
// tile's first output, `inside` the range of those that exist. S = 0: any spacing.
template <class T, int S, int P, bool Edge, bool Full>
[[gnu::noinline]] static void depthwise_tile(const DepthwiseRow<T>& row, Index at, Range inside,
                                             Index lo, Index hi, T* y) {
  using Vt = Vec<T>;
  for (Index c = lo; c < hi; c += Vt::width) {
    const int channels = Full ? Vt::width : static_cast<int>(hi - c);
    const typename Vt::Mask mask = Vt::range(0, channels);
    typename Vt::Reg acc[P];
    const typename Vt::Reg start =
        row.bias == nullptr ? Vt::zero() : Vt::load_first(row.bias + c, channels);
#pragma GCC unroll 16
    for (int m = 0; m < P; ++m) acc[m] = start;
    for (Index r = 0; r < row.kernel_rows; ++r) {
      const T* x = row.x[r] + at * row.x_step + c;
      const Acc<T>* w = row.w[r] + c;
      Range reach{inside.lo - at, inside.hi - at};
      for (Index left = row.kernel_cols; left > 0;) {
        Index columns = 1;
        if constexpr (S == 0) {
          depthwise_column<T, P, Full>(row, x, w, reach, mask, acc);
        } else if (left >= 7) {
          depthwise_columns<T, 7, S, P, Edge, Full>(row, x, w, reach, mask, acc);
          columns = 7;
        } else if (left >= 5) {
          depthwise_columns<T, 5, S, P, Edge, Full>(row, x, w, reach, mask, acc);
          columns = 5;
        } else if (left >= 3) {
          depthwise_columns<T, 3, S, P, Edge, Full>(row, x, w, reach, mask, acc);
          columns = 3;
        } else {
          depthwise_columns<T, 1, S, P, Edge, Full>(row, x, w, reach, mask, acc);
        }
        x += columns * row.x_step;
        w += columns * row.w_step;
        reach = {reach.lo - columns, reach.hi - columns};
        left -= columns;
      }
    }
    if (row.activation != Activation::none) {
      alignas(64) Acc<T> sums[P * Vt::width];
#pragma GCC unroll 16
      for (int m = 0; m < P; ++m) Vec<Acc<T>>::store(sums + m * Vt::width, acc[m]);
      store_depthwise<T>(y + c, row.y_step, sums, P, channels, row.activation);
      continue;
    }
#pragma GCC unroll 16
    for (int m = 0; m < P; ++m) {
      T* to = y + c + m * row.y_step;
      if constexpr (Full) {
        Vt::store(to, acc[m]);
      } else {
        Vt::store_first(to, acc[m], channels);
      }
    }
  }
}

template <class T, int S, int P>
static inline void depthwise_pixels_of(const DepthwiseRow<T>& row, Index at, Range inside,
                                       Index channels, T* y) {
  const Index whole = channels / Vec<T>::width * Vec<T>::width;
  const Index reach = row.spacing * (P - 1) + row.kernel_cols;
  if (whole > 0 && at >= inside.lo && at + reach <= inside.hi) {
    depthwise_tile<T, S, P, false, true>(row, at, inside, 0, whole, y);
  } else if (whole > 0) {
    depthwise_tile<T, S, P, true, true>(row, at, inside, 0, whole, y);
  }
  if (whole < channels) depthwise_tile<T, S, P, true, false>(row, at, inside, whole, channels, y);
}

// The largest tile that `members` pixels fill.
template <class T>
static inline int depthwise_pixels(Index members) {
  if (members >= DepthwiseLimits<T>::pixels) return DepthwiseLimits<T>::pixels;
  return members >= 7 ? 7 : members >= 3 ? 3 : 1;
}

template <class T, int S>
static inline void depthwise_pixels_for(int pixels, const DepthwiseRow<T>& row, Index at,
                                        Range inside, Index channels, T* y) {
  if constexpr (DepthwiseLimits<T>::pixels > 7) {
    if (pixels > 7)
      return depthwise_pixels_of<T, S, DepthwiseLimits<T>::pixels>(row, at, inside, channels, y);
  }
  if (pixels == 7) return depthwise_pixels_of<T, S, 7>(row, at, inside, channels, y);
  if (pixels == 3) return depthwise_pixels_of<T, S, 3>(row, at, inside, channels, y);
  return depthwise_pixels_of<T, S, 1>(row, at, inside, channels, y);
}

// All channels of one tile of pixels.
template <class T>
static inline void run_depthwise_tile(int pixels, const DepthwiseRow<T>& row, Index at,
                                      Range inside, Index channels, T* y) {
  if (row.spacing == 1) return depthwise_pixels_for<T, 1>(pixels, row, at, inside, channels, y);
  if (row.spacing == 2) return depthwise_pixels_for<T, 2>(pixels, row, at, inside, channels, y);
  return depthwise_pixels_for<T, 0>(pixels, row, at, inside, channels, y);
}
