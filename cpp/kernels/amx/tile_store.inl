// From tiles of sums to the output: scaling back, bias, activation, and the cut into rows.

// Sixteen consecutive positions of a strip, of which those on outputs are kept.
struct PixelTile {
  Index position;
  int row, col;    // of the first position; rows are counted over depths and images
  bool all_steps;  // every kernel element meets the input from some position
};

// A run of outputs within a tile: lanes [lo, hi) go to y + at + lane*step.
struct TileRun {
  int lo, hi;
  Index at;
};

// What a row of a strip is to the output: where its first output lies, or kNoOutputs.
static constexpr Index kNoOutputs = -(Index{1} << 62);
struct StripRow {
  Index at;
  Index depth, row;  // of the task's phase
};

struct MatrixRows {
  const StripRow* row;
  Index rows, cols, pitch;  // rows of all depths and images; outputs of each
  Index y_col;
};

// At most one run per position.
static inline int tile_runs(const MatrixRows& rows, const PixelTile& tile, TileRun* run) {
  int count = 0;
  Index r = tile.row, c = tile.col;
  for (Index lane = 0; lane < kTileRows && r < rows.rows; ++r, c = 0) {
    const Index kept = rows.cols - c, length = rows.pitch - c;
    if (kept > 0 && rows.row[r].at != kNoOutputs) {
      const Index hi = smaller(kTileRows, lane + kept);
      run[count++] = {static_cast<int>(lane), static_cast<int>(hi),
                      rows.row[r].at + (c - lane) * rows.y_col};
    }
    lane += length;
  }
  return count;
}

// One tile of 16 pixels x `channels` output channels; y and bias are of the first channel.
template <class T>
static void store_tile(const ConvProblem& p, const MatrixRows& rows, const float* sums,
                       const TileRun* run, int runs, int channels, T* y, const T* bias) {
  const __m512 back = _mm512_set1_ps(kUnscale);
  const bool active = p.activation != Activation::none;
  if (p.y.channel == 1) {
    const __m512 shift = bias != nullptr ? Vec<T>::load_first(bias, channels) : _mm512_setzero_ps();
    for (int i = 0; i < runs; ++i) {
      for (int lane = run[i].lo; lane < run[i].hi; ++lane) {
        __m512 sum = _mm512_mul_ps(_mm512_load_ps(sums + lane * kTileCols), back);
        if (bias != nullptr) sum = _mm512_add_ps(sum, shift);
        if (active) sum = activate<float>(sum, p.activation);
        Vec<T>::store_first(y + run[i].at + lane * rows.y_col, sum, channels);
      }
    }
    return;
  }
  __m512i line[16];
  for (int j = 0; j < kTileRows; ++j) line[j] = _mm512_load_si512(sums + j * kTileCols);
  transpose_16(line);
  alignas(64) T loose[kTileRows];
  for (int k = 0; k < channels; ++k, y += p.y.channel) {
    __m512 sum = _mm512_mul_ps(_mm512_castsi512_ps(line[k]), back);
    if (bias != nullptr) sum = _mm512_add_ps(sum, Vec<T>::set(widen(bias[k])));
    if (active) sum = activate<float>(sum, p.activation);
    if (rows.y_col == 1) {
      for (int i = 0; i < runs; ++i) {
        Vec<T>::store_range(y + run[i].at, sum, run[i].lo, run[i].hi);
      }
    } else {
      Vec<T>::store(loose, sum);
      for (int i = 0; i < runs; ++i) {
        T* to = y + run[i].at;
        for (int lane = run[i].lo; lane < run[i].hi; ++lane) to[lane * rows.y_col] = loose[lane];
      }
    }
  }
}
