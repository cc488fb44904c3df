// Direct convolution for few output pixels: classifier heads, squeeze-and-excitation blocks, image
// pooling, deep layers of small images. Any layout of input and output, stride, dilation, padding,
// groups, 1-D to 3-D; each output channel's weights adjoin.
//
// Loop order of a task: unfold the pixels, unless their channels adjoin already > blocks of output
// channels > blocks of the sum > tiles of pixels > elements of the sum. Vectors run along the sum:
// a step of a tile multiplies a vector of each of R channels' weights with a vector of each of P
// pixels into R*P accumulators, whose elements are added up at the very end. A block of the R
// channels' weights stays in the first-level cache while all pixels pass, so weights are read from
// memory once, front to back and where they lie; the pixels come from the second level.
//
// Against the kernels with vectors along pixels or output channels, nothing is packed and a single
// pixel fills whole vectors (2048 -> 1000 channels of one pixel: 275 us on one thread, where
// direct_planar took 970 us on two). It loses from some hundred pixels on, where packed weights
// pay, and where the sum is so short that adding up accumulators shows.

template <class T>
struct DotShape {
  static constexpr int pixels = Vec<T>::registers >= 32 ? 6 : 3;
  static constexpr int rows = 4;         // output channels of a tile
  static constexpr int rows_of_few = 8;  // of a tile of one or two pixels
  static constexpr Index block = 16384 / (rows * static_cast<Index>(sizeof(T)));
};

// Adds `count` products to R x P vectors of partial sums.
template <class T, int R, int P>
[[gnu::noinline]] static void dot_tile(const T* w, Index w_row, const T* const* pixel, Index at,
                                       Index count, T* sums, bool resume) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  typename Vt::Reg acc[R][P];
  const T* x[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) x[p] = pixel[p] + at;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) acc[r][p] = resume ? Vt::load(sums + (r * P + p) * W) : Vt::zero();
  }
  Index i = 0;
  for (; i + W <= count; i += W) {
    typename Vt::Reg in[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) in[p] = Vt::load(x[p] + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const typename Vt::Reg weight = Vt::load(w + r * w_row + i);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) acc[r][p] = Vt::fma(in[p], weight, acc[r][p]);
    }
  }
  if (const int rest = static_cast<int>(count - i); rest > 0) {
    typename Vt::Reg in[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) in[p] = Vt::load_first(x[p] + i, rest);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const typename Vt::Reg weight = Vt::load_first(w + r * w_row + i, rest);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) acc[r][p] = Vt::fma(in[p], weight, acc[r][p]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) Vt::store(sums + (r * P + p) * W, acc[r][p]);
  }
}

template <class T, int R>
static inline void run_dot_tile(int pixels, const T* w, Index w_row, const T* const* pixel,
                                Index at, Index count, T* sums, bool resume) {
  if constexpr (R <= DotShape<T>::rows) {
    if constexpr (DotShape<T>::pixels >= 6) {
      if (pixels == 6) return dot_tile<T, R, 6>(w, w_row, pixel, at, count, sums, resume);
      if (pixels == 5) return dot_tile<T, R, 5>(w, w_row, pixel, at, count, sums, resume);
      if (pixels == 4) return dot_tile<T, R, 4>(w, w_row, pixel, at, count, sums, resume);
    }
    if (pixels == 3) return dot_tile<T, R, 3>(w, w_row, pixel, at, count, sums, resume);
  }
  if (pixels == 2) return dot_tile<T, R, 2>(w, w_row, pixel, at, count, sums, resume);
  return dot_tile<T, R, 1>(w, w_row, pixel, at, count, sums, resume);
}

// The sums of four vectors' elements, `step` vectors apart.
template <class T>
static inline void sum_four(const T* from, Index step, T* to, Index to_step) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  if constexpr (W < 4) {
    for (int i = 0; i < 4; ++i) to[i * to_step] = Vt::sum(Vt::load(from + i * step * W));
  } else {
    typename Vt::Reg low, high;
    interleave_pair<T>(Vt::load(from), Vt::load(from + 2 * step * W), low, high);
    const typename Vt::Reg even = Vt::add(low, high);
    interleave_pair<T>(Vt::load(from + step * W), Vt::load(from + 3 * step * W), low, high);
    const typename Vt::Reg odd = Vt::add(low, high);
    interleave_pair<T>(even, odd, low, high);
    T four[W];
    Vt::store(four, Vt::add(low, high));
    Quad<T> sum, part;
    __builtin_memcpy(&sum, four, sizeof(sum));
    for (int i = 4; i < W; i += 4) {
      __builtin_memcpy(&part, four + i, sizeof(part));
      sum += part;
    }
    for (int i = 0; i < 4; ++i) to[i * to_step] = sum[i];
  }
}

// Where a pixel's inputs begin and where its output lies, in the arrays of a group.
struct DotPixel {
  Index x, y;
  PixelAt at;
};

// The sum of one pixel in the order of the weights: [input channel][kernel element].
template <class T>
static void unfold_pixel(const ConvProblem& p, const AxisPhase* axis, const DotPixel& pixel,
                         const T* x, T* to) {
  const Index taps = p.kernel.product(), channels = p.group_in();
  Index tap = 0;
  for (Index z = 0; z < p.kernel[0]; ++z) {
    for (Index r = 0; r < p.kernel[1]; ++r) {
      for (Index s = 0; s < p.kernel[2]; ++s, ++tap) {
        const InputAt from = input_at(p, axis, pixel.at, z, r, s);
        const T* channel = x + pixel.x + from.offset;
        for (Index c = 0; c < channels; ++c, channel += p.x.channel) {
          to[c * taps + tap] = from.inside ? *channel : T(0);
        }
      }
    }
  }
}

template <class T>
static void few_pixels_task(const ConvJob& job, Index group, Range channels, Carver carver) {
  using Vt = Vec<T>;
  using Shape = DotShape<T>;
  constexpr int W = Vt::width;
  const ConvProblem& p = *job.problem;
  const AxisPhase axis[kAxes] = {axis_phase(p, 0, 0), axis_phase(p, 1, 0), axis_phase(p, 2, 0)};
  const Index per_image = p.out.product(), pixels = p.batch * per_image;
  const Index length = p.group_in() * p.kernel.product();
  const Index tiles = ceil_div(pixels, Shape::pixels);
  DotPixel* list = carver.take<DotPixel>(pixels);
  const T** from = carver.take<const T*>(pixels);
  T* sums = carver.take<T>(tiles * Shape::rows_of_few * Shape::pixels * W);
  const Index padded = ceil_div(pixels, W) * W;
  T* results = carver.take<T>(Shape::rows_of_few * padded);  // of the rows of a tile
  T* unfolded = carver.take<T>(job.plan->reads_in_place ? 0 : pixels * length);

  const T* x = static_cast<const T*>(job.x) + group * p.group_in() * p.x.channel;
  T* y = static_cast<T*>(job.y) + group * p.group_out() * p.y.channel;
  bool adjoin = true;
  for (Index i = 0; i < pixels; ++i) {
    const Index image = i / per_image;
    const PixelAt at = pixel_at(axis, i % per_image);
    list[i] = {image * p.x.batch,
               image * p.y.batch + at.depth * p.y.spatial[0] + at.row * p.y.spatial[1] +
                   at.col * p.y.spatial[2],
               at};
    adjoin = adjoin && list[i].y == list[0].y + i;
    if (job.plan->reads_in_place) {
      from[i] = x + list[i].x + input_at(p, axis, at, 0, 0, 0).offset;
    } else {
      from[i] = unfolded + i * length;
    }
  }
  // Neighbours along a row are turned together.
  const bool turns = p.kernel.product() == 1 && p.x.spatial[2] * p.stride[2] == 1;
  for (Index i = 0; !job.plan->reads_in_place && i < pixels;) {
    const PixelAt& at = list[i].at;
    const InputAt start = input_at(p, axis, at, 0, 0, 0);
    if (turns && p.pad_lo[2] == 0 && p.pad_hi[2] == 0 && start.inside) {
      transpose(x + list[i].x + start.offset, p.x.channel, length, p.out[2], unfolded + i * length,
                length);
      i += p.out[2];
    } else {
      unfold_pixel(p, axis, list[i], x, unfolded + i * length);
      ++i;
    }
  }

  const T* w = static_cast<const T*>(job.w) + weight_origin(p, group);
  const T* bias =
      job.bias == nullptr ? nullptr : static_cast<const T*>(job.bias) + group * p.group_out();
  bool nan = false;
  for (Index k = channels.lo; k < channels.hi;) {
    const Index left = channels.hi - k;
    const bool eight = pixels <= 2 && left >= Shape::rows_of_few;
    const int rows = eight ? Shape::rows_of_few : left >= Shape::rows ? Shape::rows : 1;
    const T* row = w + k * p.w.batch;
    for (Index at = 0; at == 0 || at < length; at += Shape::block) {
      const Index count = smaller(Shape::block, length - at);
      for (Index t = 0; t < tiles; ++t) {
        const Index first = t * Shape::pixels;
        const int n = static_cast<int>(smaller(Shape::pixels, pixels - first));
        T* into = sums + t * Shape::rows_of_few * Shape::pixels * W;
        if (eight) {
          run_dot_tile<T, Shape::rows_of_few>(n, row + at, p.w.batch, from + first, at, count, into,
                                              at > 0);
        } else if (rows > 1) {
          run_dot_tile<T, Shape::rows>(n, row + at, p.w.batch, from + first, at, count, into,
                                       at > 0);
        } else {
          run_dot_tile<T, 1>(n, row + at, p.w.batch, from + first, at, count, into, at > 0);
        }
      }
    }
    for (Index i = 0; i < pixels; ++i) {
      const Index t = i / Shape::pixels, n = smaller(Shape::pixels, pixels - t * Shape::pixels);
      const T* into = sums + (t * Shape::rows_of_few * Shape::pixels + i % Shape::pixels) * W;
      if (rows == 1) results[i] = Vt::sum(Vt::load(into));
      for (int r = 0; r + 4 <= rows; r += 4) {
        sum_four(into + r * n * W, n, results + r * padded + i, padded);
      }
    }
    for (int r = 0; r < rows; ++r, ++k) {
      T* const row_results = results + r * padded;
      const typename Vt::Reg b = Vt::set(bias == nullptr ? T(0) : bias[k]);
      T* to = y + k * p.y.channel;
      if (p.has_addend) {
        for (Index i = 0; i < pixels; ++i) row_results[i] += to[list[i].y + job.addend];
      }
      for (Index i = 0; i < pixels; i += W) {
        const int count = static_cast<int>(smaller(W, pixels - i));
        const typename Vt::Reg sum = Vt::load_first(row_results + i, count);
        nan = nan || (job.saw_nan != nullptr && Vt::any_nan(sum));
        const typename Vt::Reg biased = bias == nullptr ? sum : Vt::add(sum, b);
        Vt::store(row_results + i,
                  p.activation == Activation::none ? biased : activate<T>(biased, p.activation));
      }
      if (adjoin) {
        copy_strided(to + list[0].y, row_results, 1, pixels);
      } else {
        for (Index i = 0; i < pixels; ++i) to[list[i].y] = row_results[i];
      }
    }
  }
  if (nan) __atomic_store_n(job.saw_nan, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
}

template <class T>
static void few_pixels(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const Index parts = job.plan->channel_parts;
  for (Index i = begin; i < end; ++i) {
    const Range channels =
        share(job.problem->group_out(), DotShape<T>::rows_of_few, i % parts, parts);
    few_pixels_task<T>(job, i / parts, channels, Carver{scratch});
  }
}
