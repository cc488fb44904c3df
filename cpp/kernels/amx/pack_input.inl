// The input of a task on the matrix unit: a strip of positions, one cache line of 32 channels per
// position and part, [block of 32 channels][part][copy][image][depth][row][column].
//
// Rows are flattened: the zeros right of a row are the zeros left of the next, so that a kernel
// element is one shift for all positions of all images, whatever the stride and dilation (steps of
// the input are split into copies, see PackedAxis). From NCHW sixteen pixels of 32 channels are
// split and transposed in registers; rows that adjoin in memory are taken as one, so that 7-pixel
// rows fill vectors. From NHWC a position is two loads and no transpose.

struct MatrixStrip {
  PackedAxis axis[kAxes];
  Index images;
  Index pitch;       // positions between rows
  Index depth_size;  // between depths, and between images
  Index image_size;
  Index copies, copy_size;
  Index part_bytes, block_bytes;
};

// A strip for images of `count` depths, rows and columns from the task's first ones on.
static inline MatrixStrip matrix_strip(const ConvProblem& p, const AxisPhase* phase,
                                       const Index* first, const Index* count, Index images,
                                       int parts) {
  MatrixStrip s{};
  s.images = images;
  s.copies = 1;
  for (int a = 0; a < kAxes; ++a) {
    s.axis[a] = packed_axis(phase[a], count[a]);
    s.copies *= s.axis[a].copies;
  }
  // Zeros that every row's end shares with the next row's start.
  Index shared = s.axis[2].length - count[2];
  for (Index c = 0; c < s.axis[2].copies; ++c) {
    const Range inside = outputs_inside(s.axis[2].length, p.in[2], s.axis[2].step,
                                        s.axis[2].input_start(first[2], c));
    shared = smaller(shared, inside.empty() ? 0 : smaller(inside.lo, s.axis[2].length - inside.hi));
  }
  s.pitch = s.axis[2].length - shared;
  s.depth_size = s.axis[1].length * s.pitch;
  s.image_size = s.axis[0].length * s.depth_size;
  // A tile may start at the last position.
  s.copy_size = images * s.image_size + shared + kTileRows;
  // An odd number of lines keeps blocks and parts out of each other's cache sets.
  s.part_bytes = (s.copies * s.copy_size | 1) * kTileLine;
  s.block_bytes = parts * s.part_bytes;
  return s;
}

// Shift of a kernel element, in positions.
static inline Index position_shift(const MatrixStrip& s, Index z, Index r, Index c) {
  const Index copy =
      (s.axis[0].copy_of(z) * s.axis[1].copies + s.axis[1].copy_of(r)) * s.axis[2].copies +
      s.axis[2].copy_of(c);
  return copy * s.copy_size + s.axis[0].shift_of(z) * s.depth_size +
         s.axis[1].shift_of(r) * s.pitch + s.axis[2].shift_of(c);
}

template <int Parts>
static inline void zero_positions(char* to, Index count, Index part_bytes) {
  for (int p = 0; p < Parts; ++p) {
    for (Index i = 0; i < count; ++i) {
      _mm512_store_si512(to + p * part_bytes + i * kTileLine, _mm512_setzero_si512());
    }
  }
}

// Where consecutive pixels go: runs of `width` positions, `gap` positions apart.
struct PositionRuns {
  Index width, gap;
};

// `count` consecutive pixels of planes `step` apart.
template <class T, int Parts>
static __mmask16 pack_pixels(const T* from, Index step, int channels, Index count,
                             PositionRuns runs, char* to, Index part_bytes) {
  __mmask16 bad = 0;
  __m512i pairs[Parts * 16];
  Index left = runs.width;
  for (Index i = 0; i < count; i += 16) {
    const int pixels = static_cast<int>(smaller(16, count - i));
    const __m512 none = _mm512_setzero_ps();
    for (int q = 0; q < 16; ++q) {
      const T* plane = from + 2 * q * step + i;
      __m512 a = none, b = none;
      if (pixels == 16) {
        if (2 * q < channels) a = Vec<T>::load(plane);
        if (2 * q + 1 < channels) b = Vec<T>::load(plane + step);
        _mm_prefetch(plane + 32, _MM_HINT_T0);
        _mm_prefetch(plane + step + 32, _MM_HINT_T0);
      } else {
        if (2 * q < channels) a = Vec<T>::load_first(plane, pixels);
        if (2 * q + 1 < channels) b = Vec<T>::load_first(plane + step, pixels);
      }
      bad = static_cast<__mmask16>(bad | beyond(a, kMostInput) | beyond(b, kMostInput));
      split_pairs<Parts>(scaled(a), scaled(b), pairs + q, 16);
    }
#pragma GCC unroll 3
    for (int p = 0; p < Parts; ++p) transpose_16(pairs + 16 * p);
    if (left >= 16 && pixels == 16) {
#pragma GCC unroll 3
      for (int p = 0; p < Parts; ++p) {
#pragma GCC unroll 16
        for (int j = 0; j < 16; ++j) {
          _mm512_store_si512(to + p * part_bytes + j * kTileLine, pairs[16 * p + j]);
        }
      }
      to += 16 * kTileLine;
      left -= 16;
      if (left == 0) {
        left = runs.width;
        to += runs.gap * kTileLine;
      }
      continue;
    }
    for (int j = 0; j < pixels; ++j) {
      for (int p = 0; p < Parts; ++p) _mm512_store_si512(to + p * part_bytes, pairs[16 * p + j]);
      to += kTileLine;
      if (--left == 0) {
        left = runs.width;
        to += runs.gap * kTileLine;
      }
    }
  }
  return bad;
}

// `count` positions `step` apart, whose channels adjoin.
template <class T, int Parts>
static __mmask16 pack_positions(const T* from, Index step, int channels, Index count, char* to,
                                Index part_bytes) {
  __mmask16 bad = 0;
  for (Index i = 0; i < count; ++i, from += step, to += kTileLine) {
    __m512 low, high = _mm512_setzero_ps();
    if (channels == kTileDepth) {
      low = Vec<T>::load(from);
      high = Vec<T>::load(from + 16);
    } else {
      low = Vec<T>::load_first(from, channels < 16 ? channels : 16);
      if (channels > 16) high = Vec<T>::load_first(from + 16, channels - 16);
    }
    bad = static_cast<__mmask16>(bad | beyond(low, kMostInput) | beyond(high, kMostInput));
    __m512i part[kMostParts];
    split_row<Parts>(scaled(low), scaled(high), part);
#pragma GCC unroll 3
    for (int p = 0; p < Parts; ++p) _mm512_store_si512(to + p * part_bytes, part[p]);
  }
  return bad;
}

// Columns that are copied at once where the input is read at a step.
static constexpr Index kGathered = 256;

// One row of a copy, `pitch` positions of which those outside the input are zero. `lines` holds
// 32 x kGathered elements.
template <class T, int Parts>
static __mmask16 pack_strip_row(const ConvProblem& p, const T* row, int channels, Index first_col,
                                Index step, Index pitch, char* to, Index part_bytes, T* lines) {
  const Range inside = outputs_inside(pitch, p.in[2], step, first_col);
  if (inside.empty()) {
    zero_positions<Parts>(to, pitch, part_bytes);
    return 0;
  }
  zero_positions<Parts>(to, inside.lo, part_bytes);
  zero_positions<Parts>(to + inside.hi * kTileLine, pitch - inside.hi, part_bytes);
  const Index count = inside.hi - inside.lo;
  const T* from = row + (first_col + inside.lo * step) * p.x.spatial[2];
  const Index stride = step * p.x.spatial[2];
  to += inside.lo * kTileLine;
  if (p.x.channel == 1 && channels > 1) {
    return pack_positions<T, Parts>(from, stride, channels, count, to, part_bytes);
  }
  if (stride == 1) {
    return pack_pixels<T, Parts>(from, p.x.channel, channels, count, {count, 0}, to, part_bytes);
  }
  __mmask16 bad = 0;
  for (Index at = 0; at < count; at += kGathered) {
    const Index some = smaller(kGathered, count - at);
    for (int c = 0; c < channels; ++c) {
      copy_strided(lines + c * kGathered, from + c * p.x.channel + at * stride, stride, some);
    }
    bad = static_cast<__mmask16>(bad | pack_pixels<T, Parts>(lines, kGathered, channels, some,
                                                             {some, 0}, to + at * kTileLine,
                                                             part_bytes));
  }
  return bad;
}

// Blocks [first_block, first_block + blocks) of channels of a task's images.
template <class T, int Parts>
static __mmask16 pack_strip(const ConvProblem& p, const MatrixStrip& s, const T* x,
                            const Index* first, Index first_block, Index blocks, char* to,
                            T* lines) {
  __mmask16 bad = 0;
  // Rows of a whole image that adjoin in memory and in the strip but for the zeros between them.
  const bool adjoining = p.x.spatial[2] == 1 && p.x.spatial[1] == p.in[2] && s.copies == 1 &&
                         s.axis[1].step == 1 && s.axis[2].step == 1;
  for (Index b = 0; b < blocks; ++b, to += s.block_bytes) {
    const Index c0 = (first_block + b) * kTileDepth;
    const int channels = static_cast<int>(smaller(kTileDepth, p.group_in() - c0));
    char* at = to;
    for (Index copy = 0; copy < s.copies; ++copy) {
      const Index cc = copy % s.axis[2].copies, rc = copy / s.axis[2].copies % s.axis[1].copies,
                  dc = copy / s.axis[2].copies / s.axis[1].copies;
      const Index first_col = s.axis[2].input_start(first[2], cc);
      const Index first_row = s.axis[1].input_start(first[1], rc);
      const Index first_depth = s.axis[0].input_start(first[0], dc);
      const Range cols = outputs_inside(s.pitch, p.in[2], s.axis[2].step, first_col);
      const Range rows = outputs_inside(s.axis[1].length, p.in[1], s.axis[1].step, first_row);
      const bool as_one = adjoining && cols.hi - cols.lo == p.in[2] && !rows.empty();
      for (Index n = 0; n < s.images; ++n) {
        for (Index z = 0; z < s.axis[0].length; ++z, at += s.depth_size * kTileLine) {
          const Index depth = first_depth + z * s.axis[0].step;
          if (depth < 0 || depth >= p.in[0]) {
            zero_positions<Parts>(at, s.depth_size, s.part_bytes);
            continue;
          }
          const T* slice = x + n * p.x.batch + c0 * p.x.channel + depth * p.x.spatial[0];
          if (as_one) {
            const Index count = rows.hi - rows.lo;
            zero_positions<Parts>(at, rows.lo * s.pitch + cols.lo, s.part_bytes);
            const Index gap = s.pitch - p.in[2];
            char* end = at + (rows.hi * s.pitch - (s.pitch - cols.hi)) * kTileLine;
            for (Index r = 1; r < count; ++r) {
              zero_positions<Parts>(
                  at + ((rows.lo + r) * s.pitch - (s.pitch - cols.hi)) * kTileLine, gap,
                  s.part_bytes);
            }
            zero_positions<Parts>(end, (s.axis[1].length - rows.hi) * s.pitch + s.pitch - cols.hi,
                                  s.part_bytes);
            bad = static_cast<__mmask16>(
                bad | pack_pixels<T, Parts>(slice + (first_row + rows.lo) * p.x.spatial[1],
                                            p.x.channel, channels, count * p.in[2], {p.in[2], gap},
                                            at + (rows.lo * s.pitch + cols.lo) * kTileLine,
                                            s.part_bytes));
            continue;
          }
          for (Index r = 0; r < s.axis[1].length; ++r) {
            const Index row = first_row + r * s.axis[1].step;
            char* line = at + r * s.pitch * kTileLine;
            if (row < 0 || row >= p.in[1]) {
              zero_positions<Parts>(line, s.pitch, s.part_bytes);
              continue;
            }
            bad = static_cast<__mmask16>(
                bad | pack_strip_row<T, Parts>(p, slice + row * p.x.spatial[1], channels, first_col,
                                               s.axis[2].step, s.pitch, line, s.part_bytes, lines));
          }
        }
      }
      const Index slack = s.copy_size - s.images * s.image_size;
      zero_positions<Parts>(at, slack, s.part_bytes);
      at += slack * kTileLine;
    }
  }
  return bad;
}
