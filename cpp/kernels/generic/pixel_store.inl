// Sums of pixels, [pixel][output channel], to NCHW: bias, activation and NaN watch on vectors of
// output channels, then squares turned in registers. Channels-last they are stored as they are.

// NaN watch and activation of whole vectors, in place; `bias` is added where there is an
// activation.
template <class T>
static void finish_pixels(T* sums, int vectors, Index channels, Index count,
                          const PlanarEpilogue<T>& end) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  bool nan = false;
  for (int v = 0; v < vectors; ++v) {
    const int filled = static_cast<int>(smaller(W, channels - v * W));
    const typename Vt::Reg bias =
        end.bias != nullptr ? Vt::load_first(end.bias + v * W, filled) : Vt::zero();
    for (Index i = 0; i < count; ++i) {
      T* at = sums + (i * vectors + v) * W;
      const typename Vt::Reg sum = Vt::load(at);
      nan = nan || (end.saw_nan != nullptr && Vt::any_nan(sum));
      if (end.activation == Activation::none) continue;
      Vt::store(at, activate<T>(end.bias != nullptr ? Vt::add(sum, bias) : sum, end.activation));
    }
  }
  if (nan) __atomic_store_n(end.saw_nan, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
}

// A square of pixels and output channels.
template <class T, bool Biased>
static inline void store_square(const T* from, Index width, typename Vec<T>::Reg bias, T* to,
                                Index y_channel) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  typename Vt::Reg r[W];
#pragma GCC unroll 16
  for (int e = 0; e < W; ++e) {
    r[e] = Vt::load(from + e * width);
    if constexpr (Biased) r[e] = Vt::add(r[e], bias);
  }
  Vt::transpose(r);
#pragma GCC unroll 16
  for (int c = 0; c < W; ++c) Vt::store(to + c * y_channel, r[c]);
}

// Fewer pixels or channels, or pixels that do not adjoin.
template <class T, bool Biased>
static void store_part(const T* from, Index width, typename Vec<T>::Reg bias, int pixels,
                       int channels, T* to, Index y_channel, Index y_col) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  typename Vt::Reg r[W];
#pragma GCC unroll 16
  for (int e = 0; e < W; ++e) {
    r[e] = e < pixels ? Vt::load(from + e * width) : Vt::zero();
    if constexpr (Biased) r[e] = Vt::add(r[e], bias);
  }
  Vt::transpose(r);
  for (int c = 0; c < channels; ++c) {
    T* row = to + c * y_channel;
    if (y_col == 1) {
      Vt::store_first(row, r[c], pixels);
      continue;
    }
    T some[W];
    Vt::store(some, r[c]);
    for (int e = 0; e < pixels; ++e) row[e * y_col] = some[e];
  }
}

template <class T, bool Biased>
static void store_turned(const T* sums, int vectors, Index channels, Index count, const T* bias,
                         T* y, Index y_channel, Index y_col) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  const Index width = vectors * W;
  for (int v = 0; v < vectors; ++v) {
    const int filled = static_cast<int>(smaller(W, channels - v * W));
    const typename Vt::Reg b = Biased ? Vt::load_first(bias + v * W, filled) : Vt::zero();
    T* to = y + v * W * y_channel;
    for (Index next = 0; next < count; next += W) {
      // A last square that is not full begins earlier, where there is something before it.
      const Index i = next + W > count && count >= W ? count - W : next;
      const int pixels = static_cast<int>(smaller(W, count - i));
      const T* from = sums + i * width + v * W;
      if (y_col == 1 && pixels == W && filled == W) {
        store_square<T, Biased>(from, width, b, to + i, y_channel);
      } else {
        store_part<T, Biased>(from, width, b, pixels, filled, to + i * y_col, y_channel, y_col);
      }
    }
  }
}

// The same where the channels of a pixel adjoin.
template <class T, bool Biased>
static void store_straight(const T* sums, int vectors, Index channels, Index count, const T* bias,
                           T* y, Index y_col) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  for (int v = 0; v < vectors; ++v, y += W, sums += W) {
    const int filled = static_cast<int>(smaller(W, channels - v * W));
    const typename Vt::Reg b = Biased ? Vt::load_first(bias + v * W, filled) : Vt::zero();
    for (Index i = 0; i < count; ++i) {
      typename Vt::Reg sum = Vt::load(sums + i * vectors * W);
      if constexpr (Biased) sum = Vt::add(sum, b);
      if (filled == W) {
        Vt::store(y + i * y_col, sum);
      } else {
        Vt::store_first(y + i * y_col, sum, filled);
      }
    }
  }
}

// `channels` output channels of `count` pixels that lie `y_col` apart.
template <class T>
static void store_pixels(T* sums, int vectors, Index channels, Index count, T* y, Index y_channel,
                         Index y_col, const PlanarEpilogue<T>& end) {
  const bool activates = end.activation != Activation::none;
  if (activates || end.saw_nan != nullptr) finish_pixels(sums, vectors, channels, count, end);
  const bool biased = end.bias != nullptr && !activates;
  if (y_channel == 1 && channels > 1) {
    if (biased) return store_straight<T, true>(sums, vectors, channels, count, end.bias, y, y_col);
    return store_straight<T, false>(sums, vectors, channels, count, nullptr, y, y_col);
  }
  if (biased) {
    store_turned<T, true>(sums, vectors, channels, count, end.bias, y, y_channel, y_col);
  } else {
    store_turned<T, false>(sums, vectors, channels, count, nullptr, y, y_channel, y_col);
  }
}
