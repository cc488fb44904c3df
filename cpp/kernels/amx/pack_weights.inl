// Weights of the matrix family, phase 0: [group][panel of 32 output channels][block of 32 input
// channels][kernel element][part][16 output channels][16 pairs of input channels][16] pairs of
// bfloat16, the tiles that matrix_product loads. The last panel of a group has one tile of output
// channels where sixteen are enough. Channels that do not exist are zero.

static constexpr int kPanel = 2 * kTileCols;

static inline Index panels_of(const ConvProblem& p) {
  return ceil_div(p.group_out(), kPanel);
}
// Tiles of output channels of a panel: 2, or 1 for a short last one.
static inline int panel_tiles(const ConvProblem& p, Index panel) {
  return p.group_out() - panel * kPanel > kTileCols ? 2 : 1;
}
static inline Index blocks_of(const ConvProblem& p) {
  return ceil_div(p.group_in(), kTileDepth);
}
// Bytes of one panel's weights for one block of input channels, by its tiles.
static inline Index weight_block_bytes(const ConvProblem& p, int parts, int tiles) {
  return p.kernel.product() * parts * tiles * kTileBytes;
}
static inline Index panel_start(const ConvProblem& p, int parts, Index group, Index panel) {
  const Index tiles = ceil_div(p.group_out(), kTileCols);
  return (group * tiles + 2 * panel) * blocks_of(p) * weight_block_bytes(p, parts, 1);
}

// Kernel elements that are split together.
static constexpr int kSplitTaps = 9;

// Weights of 16 input channels and `taps` elements of one output channel: column[t] holds element t
// of all channels. The elements of a channel adjoin.
template <class T>
static inline void gather_taps(const T* w, Index w_in, int inputs, int taps, __m512i* column) {
  for (int c = 0; c < 16; ++c) {
    column[c] = c < inputs ? _mm512_castps_si512(Vec<T>::load_first(w + c * w_in, taps))
                           : _mm512_setzero_si512();
  }
  transpose_16(column);
}

// Tiles of all parts of `taps` kernel elements: `outputs` output and `inputs` input channels.
template <class T, int Parts>
static __mmask16 pack_weight_tiles(const T* w, Index w_out, Index w_in, int outputs, int inputs,
                                   int taps, char* to, Index tap_bytes, Index part_bytes) {
  __mmask16 bad = 0;
  __m512i pairs[kSplitTaps * Parts][16];
  for (int k = 0; k < kTileCols; ++k) {
    __m512i low[16], high[16];
    for (int t = 0; t < 16; ++t) low[t] = high[t] = _mm512_setzero_si512();
    const T* from = w + k * w_out;
    if (k < outputs && w_in == 1) {
      low[0] = _mm512_castps_si512(Vec<T>::load_first(from, inputs < 16 ? inputs : 16));
      if (inputs > 16) high[0] = _mm512_castps_si512(Vec<T>::load_first(from + 16, inputs - 16));
    } else if (k < outputs) {
      gather_taps(from, w_in, inputs, taps, low);
      if (inputs > 16) gather_taps(from + 16 * w_in, w_in, inputs - 16, taps, high);
    }
    for (int t = 0; t < taps; ++t) {
      const __m512 a = _mm512_castsi512_ps(low[t]), b = _mm512_castsi512_ps(high[t]);
      bad = static_cast<__mmask16>(bad | beyond(a, kMostWeight) | beyond(b, kMostWeight));
      __m512i part[kMostParts];
      split_row<Parts>(scaled(a), scaled(b), part);
      for (int p = 0; p < Parts; ++p) pairs[t * Parts + p][k] = part[p];
    }
  }
  for (int t = 0; t < taps; ++t) {
    for (int p = 0; p < Parts; ++p) {
      transpose_16(pairs[t * Parts + p]);
      for (int i = 0; i < 16; ++i) {
        _mm512_store_si512(to + t * tap_bytes + p * part_bytes + i * kTileLine,
                           pairs[t * Parts + p][i]);
      }
    }
  }
  return bad;
}

// Phase 0: task = (group, panel, block of input channels).
template <class T, int Parts>
static void pack_matrix_parts(const ConvJob& job, Index begin, Index end) {
  const ConvProblem& p = *job.problem;
  const Index panels = panels_of(p), blocks = blocks_of(p), taps = p.kernel.product();
  const Index w_out = weight_out_stride(p), w_in = weight_in_stride(p);
  // Elements that are split together must adjoin in memory.
  const bool adjoining = w_in != 1 && kernel_adjoins(p);
  __mmask16 bad = 0;
  for (Index i = begin; i < end; ++i) {
    const Index block = i % blocks, panel = i / blocks % panels, group = i / blocks / panels;
    const int tiles = panel_tiles(p, panel);
    const Index part_bytes = tiles * kTileBytes;
    const int inputs = static_cast<int>(smaller(kTileDepth, p.group_in() - block * kTileDepth));
    char* to = reinterpret_cast<char*>(job.shared) + panel_start(p, Parts, group, panel) +
               block * weight_block_bytes(p, Parts, tiles);
    const T* base = static_cast<const T*>(job.w) + weight_origin(p, group) +
                    panel * kPanel * w_out + block * kTileDepth * w_in;
    for (Index t = 0; t < taps;) {
      const int some = adjoining ? static_cast<int>(smaller(kSplitTaps, taps - t)) : 1;
      const T* from = base + t / (p.kernel[1] * p.kernel[2]) * p.w.spatial[0] +
                      t / p.kernel[2] % p.kernel[1] * p.w.spatial[1] +
                      t % p.kernel[2] * p.w.spatial[2];
      for (int n = 0; n < tiles; ++n) {
        const Index first = panel * kPanel + n * kTileCols;
        const int outputs = static_cast<int>(smaller(kTileCols, p.group_out() - first));
        bad = static_cast<__mmask16>(
            bad | pack_weight_tiles<T, Parts>(from + n * kTileCols * w_out, w_out, w_in, outputs,
                                              inputs, some, to + n * kTileBytes, Parts * part_bytes,
                                              part_bytes));
      }
      to += some * Parts * part_bytes;
      t += some;
    }
  }
  if (bad != 0) __atomic_store_n(job.declined, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
}
