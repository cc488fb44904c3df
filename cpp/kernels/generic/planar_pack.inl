// Weights of the planar kernels, packed: the M weights that a register tile broadcasts in one step
// lie next to each other, [output channel block][input channel][kernel element][M].
//
// Read where they lie, M streams of weights are far apart, and short once input channels are
// blocked: the hardware prefetcher loses them (measured on a register tile of 128->128 @28x28: an
// eighth of the time). Packing reads and writes every weight once, so `choose` asks for it only
// where enough pixels share it.

// Phase 0: task = (group, block of output channels).
template <class T>
static void pack_planar(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Index blocks = ceil_div(p.group_out(), PlanarShape<T>::m);
  const Index w_out = weight_out_stride(p), w_in = weight_in_stride(p);
  const Index taps = p.kernel.product(), per_channel = p.group_in() * taps;
  const bool contiguous = kernel_adjoins(p);
  for (Index i = begin; i < end; ++i) {
    const Index group = i / blocks;
    const Index first = i % blocks * PlanarShape<T>::m;
    const Index last = smaller(p.group_out(), first + PlanarShape<T>::m);
    for (Index k = first; k < last;) {
      const int rows = planar_rows<T>(last - k);
      const T* from = static_cast<const T*>(job.w) + weight_origin(p, group) + k * w_out;
      T* to = reinterpret_cast<T*>(job.shared) + (group * p.group_out() + k) * per_channel;
      if (contiguous && w_in == taps) {
        interleave(from, w_out, rows, per_channel, to);
      } else {
        for (Index c = 0; c < p.group_in(); ++c) {
          Index tap = 0;
          for (Index z = 0; z < p.kernel[0]; ++z) {
            for (Index r = 0; r < p.kernel[1]; ++r) {
              for (Index s = 0; s < p.kernel[2]; ++s, ++tap) {
                copy_strided(
                    to + (c * taps + tap) * rows,
                    from + c * w_in + z * p.w.spatial[0] + r * p.w.spatial[1] + s * p.w.spatial[2],
                    w_out, rows);
              }
            }
          }
        }
      }
      k += rows;
    }
  }
}

// Where a planar kernel finds its weights: in the caller's array or packed.
template <class T>
struct PlanarWeights {
  const T* base;  // of the group
  bool packed;
  Index out, in, per_channel;
  Axes spatial;

  static PlanarWeights of(const ConvJob& job, Index group) {
    const ConvProblem& p = *job.problem;
    const Index taps = p.kernel.product(), per_channel = p.group_in() * taps;
    if (job.plan->shared_bytes != 0) {
      return {reinterpret_cast<const T*>(job.shared) + group * p.group_out() * per_channel,
              true,
              1,
              taps,
              per_channel,
              {{p.kernel[1] * p.kernel[2], p.kernel[2], 1}}};
    }
    return {static_cast<const T*>(job.w) + weight_origin(p, group),
            false,
            weight_out_stride(p),
            weight_in_stride(p),
            per_channel,
            p.w.spatial};
  }

  // Points a step at `rows` output channels from k on, input channel c. Offsets of kernel elements
  // and planes, in weights, grow by `scale(rows)` where rows are interleaved.
  const T* at(Index k, int rows, Index c) const {
    return packed ? base + k * per_channel + c * in * rows : base + k * out + c * in;
  }
  Index scale(int rows) const { return packed ? rows : 1; }
};
