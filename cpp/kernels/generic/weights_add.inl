// The last phase of a weight gradient: parts are added in order, rounded once and stored.
//
// Loop order: output channels > vectors of partial sums > parts; then the sums of the channel,
// which are still in the first-level cache, go to their places. Kernels leave them as [kernel
// element][input channel] or the other way round; where the caller's array has it the other way
// round, squares are turned in registers. (Measured on 512->512, 3x3: three times as fast as one by
// one.)

// Adds the parts of an output channel's sums up in the first; whether all are finite.
template <class A>
static inline bool add_parts(A* sums, Index count, Index parts, Index part) {
  using Va = Vec<A>;
  constexpr int W = Va::width;
  // Times zero, infinities are NaN.
  typename Va::Reg watch = Va::zero();
  const auto look = [&](typename Va::Reg sum) { watch = Va::fma(sum, Va::zero(), watch); };
  Index at = 0;
  for (; at + W <= count; at += W) {
    typename Va::Reg sum = Va::load(sums + at);
    for (Index i = 1; i < parts; ++i) sum = Va::add(sum, Va::load(sums + i * part + at));
    Va::store(sums + at, sum);
    look(sum);
  }
  if (const int rest = static_cast<int>(count - at); rest > 0) {
    typename Va::Reg sum = Va::load_first(sums + at, rest);
    for (Index i = 1; i < parts; ++i) {
      sum = Va::add(sum, Va::load_first(sums + i * part + at, rest));
    }
    Va::store_first(sums + at, sum, rest);
    look(sum);
  }
  return !Va::any_nan(watch);
}

// [tap][channel] of `row` channels to [channel][tap], in squares of vectors.
template <class A>
static inline void turn_taps(const A* from, Index row, Index taps, Index channels, A* to) {
  using Va = Vec<A>;
  constexpr int W = Va::width;
  for (Index c = 0; c < channels; c += W) {
    const int rows = static_cast<int>(smaller(W, channels - c));
    for (Index t = 0; t < taps; t += W) {
      const int cols = static_cast<int>(smaller(W, taps - t));
      typename Va::Reg square[W];
#pragma GCC unroll 16
      for (int i = 0; i < W; ++i) {
        square[i] = i < cols ? Va::load_first(from + (t + i) * row + c, rows) : Va::zero();
      }
      Va::transpose(square);
      A* at = to + c * taps + t;
#pragma GCC unroll 16
      for (int i = 0; i < W; ++i) {
        if (i < rows) Va::store_first(at + i * taps, square[i], cols);
      }
    }
  }
}

template <class T>
static void add_weights(const void* context, Index begin, Index end, std::byte*) {
  using A = Acc<T>;
  const WeightJob& job = *static_cast<const WeightJob*>(context);
  const ConvProblem& p = *job.problem;
  const WeightPlan& plan = *job.plan;
  const Index taps = p.kernel.product();
  const bool dense = (p.w.channel == taps || p.group_in() == 1) &&
                     (p.w.spatial[2] == 1 || p.kernel[2] == 1) &&
                     (p.w.spatial[1] == p.kernel[2] || p.kernel[1] == 1) &&
                     (p.w.spatial[0] == p.kernel[1] * p.kernel[2] || p.kernel[0] == 1);
  bool finite = true;
  for (Index k = begin; k < end; ++k) {
    A* sums = reinterpret_cast<A*>(job.sums) + k * plan.k_step;
    finite = add_parts(sums, plan.k_step, plan.parts, p.out_channels * plan.k_step) && finite;
    T* channel = static_cast<T*>(job.w) + k * p.w.batch;
    if (dense && (taps == 1 || plan.channel_step == taps)) {
      copy_strided(channel, sums, 1, p.group_in() * taps);
      continue;
    }
    if constexpr (sizeof(T) == sizeof(A)) {
      if (dense && plan.channel_step == 1) {
        turn_taps(sums, plan.tap_step, taps, p.group_in(), channel);
        continue;
      }
    }
    for (Index c = 0; c < p.group_in(); ++c) {
      const A* from = sums + c * plan.channel_step;
      T* to = channel + c * p.w.channel;
      for (Index z = 0; z < p.kernel[0]; ++z) {
        for (Index r = 0; r < p.kernel[1]; ++r) {
          for (Index s = 0; s < p.kernel[2]; ++s, from += plan.tap_step) {
            to[z * p.w.spatial[0] + r * p.w.spatial[1] + s * p.w.spatial[2]] =
                Narrowed<T>::of(*from);
          }
        }
      }
    }
  }
  if (!finite) *job.not_finite = 1;
}
