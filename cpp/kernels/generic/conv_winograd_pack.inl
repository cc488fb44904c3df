// Phase 0 of Winograd's algorithm: transforms and packs the weights, in the order of
// `WinogradWeights` (core/winograd.h).
//
// Loop order of a task, one block of input channels for two vectors of output channels: vectors >
// phases > input channels > depth taps. The weights of a vector of output channels, each contiguous
// from the first input channel on (transposed, within each), are turned by square transpositions so
// that output channels lie along the vector; then both transforms run in registers and each point's
// vector goes to its place. A kernel element is read once (for each phase) and written 16/9, 24/9,
// 36/9, 36/25 or 16/4 times. Weights that do not lie contiguously are gathered one by one.

// Weights of `count` output channels and all kernel elements of `channels` input channels, from w
// on, as [input channel][depth][row][column] vectors of output channels, zero beyond `count`.
template <class T>
static void load_winograd_weights(const ConvProblem& p, const T* w, int count, Index channels,
                                  T* to) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  const Index taps = p.kernel.product();
  const Index out_step = weight_out_stride(p), in_step = weight_in_stride(p);
  const Index row = p.kernel[2], plane = p.kernel[1] * row;
  const bool adjoins = p.w.spatial[2] == 1 && (p.kernel[1] == 1 || p.w.spatial[1] == row) &&
                       (p.kernel[0] == 1 || p.w.spatial[0] == plane);
  if (adjoins) {
    // In one piece, or channel by channel, each of which may write beyond its place.
    const bool whole = channels == 1 || in_step == taps;
    const Index length = whole ? channels * taps : taps;
    for (Index c = 0; c < channels; c += whole ? channels : 1) {
      T* place = to + c * taps * W;
      for (Index at = 0; at < length; at += W, place += W * W) {
        const T* const from = w + c * in_step + at;
        const int elements = static_cast<int>(smaller(W, length - at));
        typename Vt::Reg r[W];
        for (int k = 0; k < W; ++k) {
          r[k] = k >= count      ? Vt::zero()
                 : elements == W ? Vt::load(from + k * out_step)
                                 : Vt::load_first(from + k * out_step, elements);
        }
        Vt::transpose(r);
        for (int e = 0; e < W; ++e) Vt::store(place + e * W, r[e]);
      }
    }
    return;
  }
  for (Index c = 0; c < channels; ++c) {
    for (Index z = 0; z < p.kernel[0]; ++z) {
      for (Index r = 0; r < p.kernel[1]; ++r) {
        for (Index s = 0; s < p.kernel[2]; ++s, to += W) {
          const T* from =
              w + c * in_step + z * p.w.spatial[0] + r * p.w.spatial[1] + s * p.w.spatial[2];
          for (int k = 0; k < W; ++k) to[k] = k < count ? from[k * out_step] : T(0);
        }
      }
    }
  }
}

// The kernel elements of one phase in a slice: rows[r], cols[s] of the slice, or -1 beyond it.
template <int KH, int KW>
struct WinogradElements {
  Index rows[KH], cols[KW];

  WinogradElements(const ConvProblem& p, WinogradPhase phase) {
    for (int r = 0; r < KH; ++r) rows[r] = element(p, 1, KH, r, phase.row);
    for (int s = 0; s < KW; ++s) cols[s] = element(p, 2, KW, s, phase.col);
  }

 private:
  // Transposed convolutions read a phase backwards.
  static Index element(const ConvProblem& p, int axis, Index taps, Index tap, Index phase) {
    const Index of_phase = p.transposed ? taps - 1 - tap : tap;
    const Index at = of_phase * winograd_phases(p, axis) + phase;
    return at < p.kernel[axis] ? at : -1;
  }
};

// G w G^T of a phase of one kernel slice, rows x columns of vectors. Point i goes to `to +
// i*pitch`.
template <class T, class Rows, class Cols>
static inline void transform_winograd_weight(
    const T* from, const WinogradElements<Rows::taps, Cols::taps>& elements, Index row, T* to,
    Index pitch) {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  constexpr int W = Vt::width, KH = Rows::taps, KW = Cols::taps;
  Reg half[Rows::points][KW];
#pragma GCC unroll 5
  for (int s = 0; s < KW; ++s) {
    Reg w[KH], u[Rows::points];
#pragma GCC unroll 5
    for (int r = 0; r < KH; ++r) {
      w[r] = elements.rows[r] < 0 || elements.cols[s] < 0
                 ? Vt::zero()
                 : Vt::load(from + (elements.rows[r] * row + elements.cols[s]) * W);
    }
    Rows::weight(w, u);
#pragma GCC unroll 6
    for (int i = 0; i < Rows::points; ++i) half[i][s] = u[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < Rows::points; ++i) {
    Reg u[Cols::points];
    Cols::weight(half[i], u);
#pragma GCC unroll 6
    for (int j = 0; j < Cols::points; ++j) Vt::store(to + (i * Cols::points + j) * pitch, u[j]);
  }
}

// Weights of one block of output channels, input channels `first` to `first + channels` (at most a
// vector), to the block's place `to`.
template <class T, class Rows, class Cols>
static void pack_winograd_block(const ConvProblem& p, const WinogradGrid& grid,
                                const WinogradWeights& packed, const T* w, Index block, Index first,
                                Index channels, T* turned, T* to) {
  constexpr int W = Vec<T>::width;
  const Index vectors = packed.block_vectors(block), pitch = packed.point_size(block);
  const Index slice = p.kernel[1] * p.kernel[2];
  for (Index v = 0; v < vectors; ++v) {
    const Index vector = block * 2 + v, k = vector / grid.channel_vectors() * W;
    const int count = static_cast<int>(smaller(W, p.group_out() - k));
    load_winograd_weights(p, w + k * weight_out_stride(p) + first * weight_in_stride(p), count,
                          channels, turned);
    for (Index i = 0; i < grid.phases(); ++i) {
      const WinogradElements<Rows::taps, Cols::taps> elements(
          p, p.transposed ? grid.output_phase(vector) : grid.phase(i));
      for (Index c = 0; c < channels; ++c) {
        for (Index z = 0; z < grid.depth.taps; ++z) {
          const Index tap = grid.depth.tap0 + z * grid.depth.tap_step;
          const Index place = (i * grid.depth.taps + z) * p.group_in() + first + c;
          transform_winograd_weight<T, Rows, Cols>(turned + (c * p.kernel[0] + tap) * slice * W,
                                                   elements, p.kernel[2],
                                                   to + (place * vectors + v) * W, pitch);
        }
      }
    }
  }
}

template <class T, class Rows, class Cols>
static void pack_winograd_task(const ConvJob& job, const WinogradGrid& grid,
                               const WinogradWeights& packed, Index index, T* turned) {
  constexpr int W = Vec<T>::width;
  const ConvProblem& p = *job.problem;
  const Index channel_blocks = ceil_div(p.group_in(), W);
  const Index first = index % channel_blocks * W;
  index /= channel_blocks;
  const Index block = index % packed.blocks(), group = index / packed.blocks();
  pack_winograd_block<T, Rows, Cols>(
      p, grid, packed, static_cast<const T*>(job.w) + weight_origin(p, group), block, first,
      smaller(W, p.group_in() - first), turned,
      reinterpret_cast<T*>(job.shared) + group * packed.size() + packed.block_offset(block));
}

// Phase 0: task = (group, block of output channels, vector of input channels).
template <class T, int MH, int MW>
static void pack_winograd(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const WinogradGrid grid = winograd_grid(p, {MH, MW});
  const WinogradWeights packed = winograd_weights(p, grid, Vec<T>::width);
  T* turned = reinterpret_cast<T*>(scratch);
  with_winograd<T, MH, MW>(grid, [&](auto rows, auto cols) {
    for (Index i = begin; i < end; ++i) {
      pack_winograd_task<T, decltype(rows), decltype(cols)>(job, grid, packed, i, turned);
    }
  });
}
