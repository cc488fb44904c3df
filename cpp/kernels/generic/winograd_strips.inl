// What the tiles of one tile row meet of an array, for Winograd's algorithm: a strip of its rows,
// turned so that channels lie along the vector, then transformed tile by tile.
//
// Loop order: the strip's rows, turned in squares; then tiles, transformed in registers, or, where
// these do not suffice, first the strip's columns, whose transforms neighbouring tiles share, then
// the rows of tiles. Rows that the tile row before has met as well stay where they are. Strip and
// columns stay in the first-level cache. (Measured on gradients of 64->64 of 56x56, AVX-512, 2x2
// tiles: keeping rows and tiles in registers took a quarter of the transforms' time away; half of
// what is left are stores of transformed tiles, which miss that cache.)

// A stretch of tiles in one tile row.
struct WinogradRun {
  WinogradPlane plane;
  Index row, col, count;  // tile row; first tile and number of tiles
};

// Calls visit(run, tiles before it) for the stretches of a range of tiles.
template <class Visit>
static inline void each_winograd_run(const ConvProblem& p, const WinogradGrid& grid, Range tiles,
                                     Visit visit) {
  for (Index at = tiles.lo; at < tiles.hi;) {
    const Index line = at / grid.tiles[1], col = at % grid.tiles[1];
    // Whole bands, or a part of one.
    const Index whole = grid.residues, part = col % whole;
    Index count = smaller(grid.tiles[1] - col, tiles.hi - at);
    count = part > 0 || count < whole ? smaller(count, whole - part) : count / whole * whole;
    visit(WinogradRun{winograd_plane(p, grid, line / grid.tiles[0]), line % grid.tiles[0], col,
                      count},
          at - tiles.lo);
    at += count;
  }
}

// Calls visit(place, column, length) for the stretches of a run's strip: its bands, and `beyond`
// times a band's residues more. Several bands are read as a whole; of a single one, which may be
// wide, the pieces that the run's tiles meet. With `stride` columns for one output.
template <class Visit>
static inline void each_winograd_stretch(const WinogradGrid& grid, const WinogradStrip& strip,
                                         Index beyond, Index stride, Visit visit) {
  const Index m = grid.m[1];
  if (!strip.pieces) {
    return visit(0, strip.band * m * grid.step[1] * stride, strip.columns(grid, beyond) * stride);
  }
  for (Index c = 0; c < m + beyond; ++c) {
    visit(c * grid.residues + strip.first, (strip.band * m + c) * grid.step[1] + strip.first,
          strip.stop - strip.first);
  }
}

// The array: its strides and sizes, and where a tile's first element lies from its first output.
struct WinogradArray {
  Strides step;
  Axes size;
  Index lowest[2];
};

// Rows and Cols: WinogradInputs or WinogradGradients of the two axes.
template <class T, class Rows, class Cols>
struct WinogradStrips {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  static constexpr int W = Vt::width;
  static constexpr bool in_registers =
      Cols::from * Rows::to + Cols::to + Rows::from <= Vt::registers;

  const WinogradGrid& grid;
  WinogradArray array;
  Index pitch;         // columns that a strip has place for
  Index point_pitch;   // of the transformed tiles
  T *strip, *columns;  // places for a strip, [row][column][W], and its columns, [column][point][W]
  WinogradRun loaded{};  // what the strip holds, of
  const T* source = nullptr;
  Index source_depth = 0, source_phase = 0;

  // Tiles overlap by so many elements.
  Index beyond() const { return Cols::from - grid.m[1]; }

  // Transforms the tiles of a run, of one phase of the rows and all of the columns, for a vector of
  // channels: `channels` of them from `from` on. place(tile, phase of the columns) is where the
  // first point of a tile goes.
  template <class Place>
  void transform(const WinogradRun& run, Index depth, Index phase, const T* from, int channels,
                 Place place) {
    const WinogradStrip cut = winograd_strip(grid, run.col, run.count);
    load(run, cut, depth, phase, from, channels);
    const T* row[Rows::from];
    for (int r = 0; r < Rows::from; ++r) row[r] = row_at(run, r);
    if constexpr (!in_registers) {
      each_winograd_stretch(
          grid, cut, beyond(), grid.stride[1],
          [&](Index at, Index, Index length) { transform_columns(row, at, length); });
    }
    const T* const ahead = next_rows(run, depth, phase, from);
    for (Index phase_col = 0; phase_col < grid.stride[1]; ++phase_col) {
      Index column = cut.first, residue = cut.first;
      for (Index i = 0; i < run.count; ++i) {
        if (phase_col == 0) fetch(ahead, i, channels);
        const Index at = column * grid.stride[1] + phase_col;
        if constexpr (in_registers) {
          transform_tile(row, at, place(i, phase_col));
        } else {
          transform_rows(columns + at * Rows::to * W, place(i, phase_col));
        }
        ++column;
        if (++residue == grid.residues) {
          residue = 0;
          column += (grid.m[1] - 1) * grid.residues;
        }
      }
    }
  }

 private:
  // `length` pixels of `channels` channels, from `from` on and `step` apart, as vectors.
  void turn(const T* from, Index step, Index length, int channels, T* to) const {
    const Index next = array.step.channel;
    if (next == 1) {
      for (Index i = 0; i < length; ++i) {
        const T* pixel = from + i * step;
        Vt::store(to + i * W, channels == W ? Vt::load(pixel) : Vt::load_first(pixel, channels));
      }
      return;
    }
    Index i = 0;
    if (step == 1) {
      // Unrolled with constant indices, so that a square stays in registers.
      for (; i < length; i += W) {
        const int pixels = static_cast<int>(smaller(W, length - i));
        Reg r[W];
        if (channels == W && pixels == W) {
#pragma GCC unroll 16
          for (int c = 0; c < W; ++c) r[c] = Vt::load(from + c * next + i);
        } else {
#pragma GCC unroll 16
          for (int c = 0; c < W; ++c) {
            r[c] = c < channels ? Vt::load_first(from + c * next + i, pixels) : Vt::zero();
          }
        }
        Vt::transpose(r);
        T* at = to + i * W;
        if (pixels == W) {
#pragma GCC unroll 16
          for (int e = 0; e < W; ++e) Vt::store(at + e * W, r[e]);
        } else {
#pragma GCC unroll 16
          for (int e = 0; e < W; ++e) {
            if (e < pixels) Vt::store(at + e * W, r[e]);
          }
        }
      }
      return;
    }
    for (; i < length; ++i) {
      for (int c = 0; c < W; ++c) {
        to[i * W + c] = c < channels ? from[i * step + c * next] : T(0);
      }
    }
  }

  // The first of the rows that the next tile row meets and this one does not, from the run's first
  // column on.
  const T* next_rows(const WinogradRun& run, Index depth, Index phase, const T* from) const {
    const Index row = run.plane.first + array.lowest[0] + phase +
                      (run.row * grid.m[0] + Rows::from) * row_distance();
    return from + run.plane.batch * array.step.batch + depth * array.step.spatial[0] +
           row * array.step.spatial[1] +
           (run.col * grid.m[1] * grid.stride[1] + array.lowest[1]) * array.step.spatial[2];
  }

  // Of neighbouring rows of a tile, and of its columns in a strip. A stride excludes dilation.
  Index row_distance() const { return grid.step[0] * grid.stride[0]; }
  Index col_distance() const { return grid.residues * grid.stride[1]; }

  // Asks for the share of these rows of tile i of the run: planes' rows are too short for the
  // hardware to fetch them ahead, and all at once would be more than there are buffers for lines.
  void fetch(const T* rows, Index i, int channels) const {
    if (grid.residues > 1) return;
    const Index m = grid.m[1] * grid.stride[1], row_step = row_distance() * array.step.spatial[1];
    if (array.step.channel == 1) {
      for (Index r = 0; r < grid.m[0]; ++r) {
        for (Index c = 0; c < m; ++c) {
          __builtin_prefetch(rows + r * row_step + (i * m + c) * array.step.spatial[2]);
        }
      }
      return;
    }
    // The pixels of some tiles lie in one line: each asks for some channels'.
    const Index tiles = larger(1, W / m), share = W / tiles;
    const Index first = i % tiles * share, last = smaller(first + share, channels);
    for (Index r = 0; r < grid.m[0]; ++r) {
      for (Index c = first; c < last; ++c) {
        __builtin_prefetch(rows + r * row_step + i / tiles * W * array.step.spatial[2] +
                           c * array.step.channel);
      }
    }
  }

  // Row r of a run's strip. Rows that the next tile row meets as well keep their places.
  T* row_at(const WinogradRun& run, Index r) const {
    return strip + (run.row * grid.m[0] + r) % Rows::from * pitch * W;
  }

  // Whether the strip holds the rows that a run shares with the tile row before.
  bool continues(const WinogradRun& run, Index depth, Index phase, const T* from) const {
    return from == source && depth == source_depth && phase == source_phase &&
           run.row == loaded.row + 1 && run.col == loaded.col && run.count == loaded.count &&
           run.plane.batch == loaded.plane.batch && run.plane.depth == loaded.plane.depth &&
           run.plane.first == loaded.plane.first;
  }

  // The strip of a run, zero where there is padding.
  void load(const WinogradRun& run, const WinogradStrip& cut, Index depth, Index phase,
            const T* from, int channels) {
    const int kept =
        continues(run, depth, phase, from) ? Rows::from - static_cast<int>(grid.m[0]) : 0;
    loaded = run;
    source = from;
    source_depth = depth;
    source_phase = phase;
    const Index row =
        run.plane.first + run.row * grid.m[0] * row_distance() + array.lowest[0] + phase;
    const bool inside = depth >= 0 && depth < array.size[0];
    const Range rows =
        inside ? outputs_inside(Rows::from, array.size[1], row_distance(), row) : Range{0, 0};
    const T* plane = from + run.plane.batch * array.step.batch + depth * array.step.spatial[0];
    const Index row_step = row_distance() * array.step.spatial[1];
    each_winograd_stretch(
        grid, cut, beyond(), grid.stride[1], [&](Index place, Index first, Index length) {
          const Index col = first + array.lowest[1];
          const Range cols = outputs_inside(length, array.size[2], 1, col);
          for (int r = kept; r < Rows::from; ++r) {
            T* to = row_at(run, r) + place * W;
            if (r < rows.lo || r >= rows.hi || cols.empty()) {
              fill_zero(to, length * W);
              continue;
            }
            fill_zero(to, cols.lo * W);
            turn(plane + row * array.step.spatial[1] + r * row_step +
                     (col + cols.lo) * array.step.spatial[2],
                 array.step.spatial[2], cols.hi - cols.lo, channels, to + cols.lo * W);
            fill_zero(to + cols.hi * W, (length - cols.hi) * W);
          }
        });
  }

  // Columns of a strip: [row][column] to [column][point].
  void transform_columns(const T* const* row, Index first, Index length) const {
    for (Index col = first; col < first + length; ++col) {
      Reg in[Rows::from], out[Rows::to];
#pragma GCC unroll 6
      for (int r = 0; r < Rows::from; ++r) in[r] = Vt::load(row[r] + col * W);
      Rows::map(in, out);
#pragma GCC unroll 6
      for (int r = 0; r < Rows::to; ++r) Vt::store(columns + (col * Rows::to + r) * W, out[r]);
    }
  }

  // A tile whose first column is `column`, whose others follow at their distance.
  void transform_tile(const T* const* row, Index column, T* to) const {
    Reg half[Cols::from][Rows::to];
#pragma GCC unroll 6
    for (int c = 0; c < Cols::from; ++c) {
      Reg in[Rows::from];
#pragma GCC unroll 6
      for (int r = 0; r < Rows::from; ++r) {
        in[r] = Vt::load(row[r] + (column + c * col_distance()) * W);
      }
      Rows::map(in, half[c]);
    }
#pragma GCC unroll 6
    for (int r = 0; r < Rows::to; ++r) {
      Reg in[Cols::from], out[Cols::to];
#pragma GCC unroll 6
      for (int c = 0; c < Cols::from; ++c) in[c] = half[c][r];
      Cols::map(in, out);
#pragma GCC unroll 6
      for (int c = 0; c < Cols::to; ++c) Vt::store(to + (r * Cols::to + c) * point_pitch, out[c]);
    }
  }

  // Rows of one tile, whose first column is `from`.
  void transform_rows(const T* from, T* to) const {
#pragma GCC unroll 6
    for (int r = 0; r < Rows::to; ++r) {
      Reg in[Cols::from], out[Cols::to];
#pragma GCC unroll 6
      for (int c = 0; c < Cols::from; ++c) {
        in[c] = Vt::load(from + (c * col_distance() * Rows::to + r) * W);
      }
      Cols::map(in, out);
#pragma GCC unroll 6
      for (int c = 0; c < Cols::to; ++c) Vt::store(to + (r * Cols::to + c) * point_pitch, out[c]);
    }
  }
};
