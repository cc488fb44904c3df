// Sweeps register tiles (row_tile.inl) over a block of outputs of one plane: which tile, which
// columns each covers, which of their inputs exist. Worked out once for all planes of a task's
// block, because for maps of a few pixels it costs as much as their products.
//
// Output rows that are a multiple of the dilation apart (divided by what it shares with the stride)
// read common input rows, so a tile takes those. Where rows are left over, the last tile moves back
// and computes some of them again, to the same bits; the smallest stores fewer where there are
// less.

// How a tile of V vectors loads, and whether of one plane.
struct RowForm {
  RowEdge edge;
  bool single;
};

// The tile of R x V for a kernel of KH x KW, S input rows from one output row to the next, SW
// columns.
template <class T, int KH, int KW, int S, int SW, int R, int V, RowEdge Edge>
static RowTile<T> row_tile_of_planes(bool single) {
  // Tiles of one vector gain nothing by being of a single plane.
  if constexpr (KW > 0 && V > 1) {
    if (single) return row_tile<T, KH, KW, S, SW, R, V, Edge, true>;
  }
  return row_tile<T, KH, KW, S, SW, R, V, Edge, false>;
}

template <class T, int KH, int KW, int S, int SW, int R, int V>
static RowTile<T> row_tile_of_edge(RowForm form) {
  constexpr bool widest = V == (R == 1 ? RowLimits<T>::single_vectors : RowLimits<T>::vectors);
  if constexpr (widest) {
    if (form.edge == RowEdge::none) {
      return row_tile_of_planes<T, KH, KW, S, SW, R, V, RowEdge::none>(form.single);
    }
  }
  if constexpr (V > 2 && KW > 0) {
    if (form.edge == RowEdge::ends) {
      return row_tile_of_planes<T, KH, KW, S, SW, R, V, RowEdge::ends>(form.single);
    }
  }
  return row_tile_of_planes<T, KH, KW, S, SW, R, V, RowEdge::all>(form.single);
}

// Of up to the most vectors that the registers hold.
template <class T, int KH, int KW, int S, int SW, int R>
static RowTile<T> row_tile_of_vectors(int vectors, RowForm form) {
  constexpr int most = R == 1                              ? RowLimits<T>::single_vectors
                       : R > RowLimits<T>::tall_rows && KH ? RowLimits<T>::narrow_vectors
                       : R > RowLimits<T>::tall_rows       ? 3
                                                           : RowLimits<T>::vectors;
  if constexpr (most >= 8) {
    if (vectors == 8) return row_tile_of_edge<T, KH, KW, S, SW, R, 8>(form);
  }
  if constexpr (most >= 4) {
    if (vectors == 4) return row_tile_of_edge<T, KH, KW, S, SW, R, 4>(form);
  }
  if constexpr (most >= 3 && R > 1) {
    if (vectors == 3) return row_tile_of_edge<T, KH, KW, S, SW, R, 3>(form);
  }
  if constexpr (most >= 2) {
    if (vectors == 2) return row_tile_of_edge<T, KH, KW, S, SW, R, 2>(form);
  }
  return row_tile_of_edge<T, KH, KW, S, SW, R, 1>(form);
}

// Rows and vectors of the tiles of a sweep, with what is unrolled for them.
struct RowChoice {
  int rows, most_vectors;
  int fixed_rows;  // 1, 3, 5 or 7 where the kernel's rows are unrolled, else 0
};

// Kernels of one row that have tiles of their own.
static inline bool unrolls_row(Index kernel_cols) {
  return kernel_cols == 3 || kernel_cols == 5;
}

// The largest tile, among those that compute few rows twice. Of rows a dilation apart there are
// `members.lo` or `members.hi`.
template <class T>
static inline RowChoice choose_rows(Index kernel_rows, Index kernel_cols, Index spacing,
                                    int column_step, Range members_of, Index vectors) {
  using L = RowLimits<T>;
  const bool same = spacing == column_step;
  const Index members = members_of.lo;
  const bool fixed = members >= L::fixed_rows && same &&
                     (spacing == 1   ? kernel_rows == 3 || kernel_rows == 5 || kernel_rows == 7
                      : spacing == 2 ? kernel_rows == 3 || kernel_rows == 5
                                     : false);
  const auto tile_rows = [&](int rows) { return ceil_div(members_of.hi, rows) * rows; };
  const bool narrow = fixed && vectors <= L::narrow_vectors && members >= L::narrow_rows &&
                      tile_rows(L::narrow_rows) <= tile_rows(L::fixed_rows) + members / 8;
  const int rows = narrow ? L::narrow_rows : L::fixed_rows;
  // A tile costs as much again as one and a half of its rows.
  const auto work = [&](int r) { return ceil_div(members_of.hi, r) * (2 * r + 3); };
  if (kernel_rows == 3 && kernel_cols == 3 && spacing == 1 && column_step == 1 &&
      members_of.hi >= L::few_rows && (!fixed || work(L::few_rows) < work(rows))) {
    return {L::few_rows, L::vectors, 3};
  }
  if (fixed) return {rows, L::vectors, static_cast<int>(kernel_rows)};
  const Index reach =
      spacing > 2 || (column_step == 2 && spacing == 1) ? 1 : (kernel_rows - 1) / spacing + 1;
  const Index most = smaller(members, reach);
  if (spacing == 1 && L::many && vectors <= 3 && most >= 7) return {7, 3, 0};
  if (spacing == 1 && most >= L::tall_rows) return {L::tall_rows, L::vectors, 0};
  if (most >= 4) return {4, L::vectors, 0};
  if (most >= 2) return {2, L::vectors, 0};
  // Of one row and few columns, these are unrolled: what a tile begins and ends with is as much as
  // its products.
  const bool short_row = kernel_rows == 1 && column_step == 1 && unrolls_row(kernel_cols);
  return {1, L::single_vectors, short_row ? 1 : 0};
}

// Tiles of one row whose kernel columns are unrolled.
template <class T>
static RowTile<T> short_row_tile(Index kernel_cols, int vectors, RowForm form) {
  if (kernel_cols == 3) return row_tile_of_vectors<T, 1, 3, 1, 1, 1>(vectors, form);
  return row_tile_of_vectors<T, 1, 5, 1, 1, 1>(vectors, form);
}

// Tiles whose kernel rows are unrolled; of 3 x 3, and of 5 x 5 and 7 x 7 where a tile has few
// vectors, the columns too.
template <class T, int SW, int R>
static RowTile<T> fixed_row_tile(int rows, bool square, int vectors, RowForm form) {
  constexpr bool narrow = R > RowLimits<T>::fixed_rows;
  if constexpr (R == RowLimits<T>::few_rows) {
    return row_tile_of_vectors<T, 3, 3, SW, SW, R>(vectors, form);
  }
  if (rows == 3 && square) return row_tile_of_vectors<T, 3, 3, SW, SW, R>(vectors, form);
  if (rows == 3) return row_tile_of_vectors<T, 3, 0, SW, SW, R>(vectors, form);
  if constexpr (narrow && SW == 1) {
    if (rows == 5 && square) return row_tile_of_vectors<T, 5, 5, SW, SW, R>(vectors, form);
    if (rows == 7 && square) return row_tile_of_vectors<T, 7, 7, SW, SW, R>(vectors, form);
  }
  if constexpr (SW == 1) {
    if (rows == 7) return row_tile_of_vectors<T, 7, 0, SW, SW, R>(vectors, form);
  }
  return row_tile_of_vectors<T, 5, 0, SW, SW, R>(vectors, form);
}

template <class T, int SW>
static RowTile<T> row_tile_for(const RowChoice& c, Index spacing, Index kernel_cols, int vectors,
                               RowForm form) {
  using L = RowLimits<T>;
  const bool square = kernel_cols == c.fixed_rows;
  if constexpr (SW == 1) {
    if (c.fixed_rows == 1) return short_row_tile<T>(kernel_cols, vectors, form);
  }
  if (c.fixed_rows != 0) {
    if constexpr (L::narrow_rows > L::fixed_rows) {
      if (c.rows > L::fixed_rows)
        return fixed_row_tile<T, SW, L::narrow_rows>(c.fixed_rows, square, vectors, form);
    }
    if constexpr (SW == 1) {
      if (c.rows == L::few_rows)
        return fixed_row_tile<T, SW, L::few_rows>(c.fixed_rows, square, vectors, form);
    }
    return fixed_row_tile<T, SW, L::fixed_rows>(c.fixed_rows, square, vectors, form);
  }
  if constexpr (SW == 1) {
    if constexpr (L::many) {
      if (c.rows == 7) return row_tile_of_vectors<T, 0, 0, 1, 1, 7>(vectors, form);
      if (c.rows == 6) return row_tile_of_vectors<T, 0, 0, 1, 1, 6>(vectors, form);
    }
    if (c.rows == 4 && spacing == 1) return row_tile_of_vectors<T, 0, 0, 1, 1, 4>(vectors, form);
    if (c.rows == 2 && spacing == 1) return row_tile_of_vectors<T, 0, 0, 1, 1, 2>(vectors, form);
  }
  if (c.rows == 4) return row_tile_of_vectors<T, 0, 0, 2, SW, 4>(vectors, form);
  if (c.rows == 2) return row_tile_of_vectors<T, 0, 0, 2, SW, 2>(vectors, form);
  return row_tile_of_vectors<T, 0, 0, 1, SW, 1>(vectors, form);
}

// Vectors of the next tile of several rows when `left` remain.
static inline int next_vectors(Index left, int most) {
  if (left >= most) return left == 5 && most == 4 ? 3 : most;
  return static_cast<int>(left);
}

// Vectors of the tiles of one row. The last moves back and computes some outputs again, because a
// tile of few vectors takes as long as one of many: it waits for its sums.
template <class T>
static inline int single_row_vectors(Index vectors) {
  return vectors >= 8 ? RowLimits<T>::single_vectors : vectors >= 4 ? 4 : vectors >= 2 ? 2 : 1;
}

// How input rows and columns lie in memory.
struct RowAxes {
  Index height, width;      // outputs of the block
  Index in_step, dilation;  // rows
  Index row;                // from one input row to the next
  int column_step;          // 1, or 2 where every other element is read
  // Of input columns: where output column 0 and kernel column 0 meet, how many there are; with
  // `packed`, every column that is read exists.
  Index first_col, cols;
  bool packed;
};

template <class T>
class RowSweep {
 public:
  RowSweep(const RowAxes& axes, const RowProblem<T>& problem, Carver& carver)
      : axes_(axes), problem_(problem) {
    const Index common = greatest_common_divisor(axes.in_step, axes.dilation);
    apart_ = axes.dilation / common;
    const Index spacing = axes.in_step / common;
    const Index vectors = ceil_div(axes.width, Vec<T>::width);
    choice_ =
        choose_rows<T>(problem.kernel_rows, problem.kernel_cols, spacing, axes.column_step,
                       {larger(1, axes.height / apart_), ceil_div(axes.height, apart_)}, vectors);
    problem_.x_row = axes.dilation * axes.row;
    problem_.y_row *= apart_;
    // With more kernel rows, the height of a block would decide between orders of the sums.
    problem_.long_rows = Vec<T>::width > 1 && problem.kernel_rows == 1 &&
                         2 * problem.kernel_cols >= 3 * Vec<T>::width;
    for (Index s = 0; s < problem.kernel_cols; ++s) {
      if (problem.col_at[s] != s) problem_.long_rows = false;
    }
    blocks_ = carver.take<ColumnBlock<T>>(vectors);
    RowMask<T>* masks = carver.take<RowMask<T>>(0);
    constexpr Index W = Vec<T>::width;
    for (Index at = 0; at < axes.width;) {
      const int count = choice_.rows == 1 ? single_row_vectors<T>(vectors)
                                          : next_vectors(vectors - at / W, choice_.most_vectors);
      const Index from = smaller(at, larger(0, axes.width - count * W));
      masks = add_block(choice_.rows == 1 ? from : at, count, spacing, masks);
      at += count * W;
    }
  }

  // All outputs of one plane. `first` is the input row under output row 0 and kernel row 0, of
  // which those in `inside` exist; x points at input row 0, y at the block's first output.
  void run(const T* x, Index first, Range inside, const T* w, T* y, Index y_row, T bias) const {
    // Sums that start at +0 never become -0, so products with padding do not change a bit.
    RowPlace<T> place{nullptr, w, nullptr, bias + T(0), 0, 0, 0};
    for (Index start = 0; start < smaller(apart_, axes_.height); ++start) {
      const Index members = ceil_div(axes_.height - start, apart_);
      place.rows = static_cast<int>(smaller(members, choice_.rows));
      for (Index i = 0; i < members; i += choice_.rows) {
        const Index row = start + larger(0, smaller(i, members - choice_.rows)) * apart_;
        const Index base = first + row * axes_.in_step;
        place.lo = steps_to(inside.lo - base);
        place.hi = steps_to(inside.hi - base);
        const T* x_row = x + base * axes_.row;
        T* y_at = y + row * y_row;
        for (Index b = 0; b < block_count_; ++b) {
          const ColumnBlock<T>& block = blocks_[b];
          place.x = x_row + block.at * axes_.column_step;
          place.y = y_at + block.at * problem_.y_col;
          block.run(problem_, block, place);
        }
      }
    }
  }

 private:
  // Steps of the dilation before an input row `rows` below the tile's first.
  Index steps_to(Index rows) const {
    if (rows <= 0) return 0;
    return axes_.dilation == 1 ? rows : (rows + axes_.dilation - 1) / axes_.dilation;
  }

  RowMask<T>* add_block(Index at, int vectors, Index spacing, RowMask<T>* masks) {
    constexpr int W = Vec<T>::width;
    const int step = axes_.column_step;
    ColumnBlock<T>& block = blocks_[block_count_++];
    const Index taps = problem_.kernel_cols;
    block.at = at;
    block.vectors = vectors;
    block.last = static_cast<int>(smaller(W, axes_.width - at - (vectors - 1) * W));
    block.masks = nullptr;
    block.tap_lo = axes_.packed ? 0 : taps;
    block.tap_hi = axes_.packed ? taps : 0;
    bool all = true;
    for (Index s = 0; s < taps && !axes_.packed; ++s) {
      const Index lo = axes_.first_col + at * step + problem_.col_at[s];
      const Index span = vectors * W * step - (step - 1);
      if (lo < 0 || lo + span > axes_.cols) all = false;
      if (lo + span <= 0 || lo >= axes_.cols) continue;
      block.tap_lo = smaller(block.tap_lo, s);
      block.tap_hi = s + 1;
    }
    const RowForm form{all && vectors == widest() ? RowEdge::none
                       : only_ends(at, vectors)   ? RowEdge::ends
                                                  : RowEdge::all,
                       problem_.planes == 1};
    block.run = step == 1 ? row_tile_for<T, 1>(choice_, spacing, taps, vectors, form)
                          : row_tile_for<T, 2>(choice_, spacing, taps, vectors, form);
    if (form.edge == RowEdge::none) return masks;
    block.masks = masks;
    for (Index s = 0; s < taps; ++s) {
      for (Index part = 0; part < vectors * step; ++part) {
        const Index lo = axes_.first_col + at * step + problem_.col_at[s] + part * W;
        const Index from = axes_.packed ? 0 : smaller(W, larger(0, -lo));
        const Index to = axes_.packed ? W : larger(from, smaller(W, axes_.cols - lo));
        (masks++)->part = Vec<T>::range(static_cast<int>(from), static_cast<int>(to));
      }
    }
    return masks;
  }

  // Tiles of fewer vectors have no form without masks.
  int widest() const {
    return choice_.rows == 1 ? RowLimits<T>::single_vectors : RowLimits<T>::vectors;
  }

  // Whether all inputs exist that the vectors between the first and the last read.
  bool only_ends(Index at, int vectors) const {
    if (axes_.packed) return true;
    const int stretch = Vec<T>::width * axes_.column_step;
    const Index first = axes_.first_col + at * axes_.column_step + stretch;
    return first >= 0 &&
           first + (vectors - 2) * stretch + problem_.col_at[problem_.kernel_cols - 1] <=
               axes_.cols;
  }

  RowAxes axes_;
  RowProblem<T> problem_;
  RowChoice choice_;
  Index apart_;
  ColumnBlock<T>* blocks_ = nullptr;
  Index block_count_ = 0;
};

// The weights of one output channel, each plane's in one piece.
template <class T>
class RowWeights {
 public:
  RowWeights(const ConvProblem& p, Range depth_taps, Carver& carver)
      : p_(p),
        depths_(depth_taps.hi - depth_taps.lo),
        first_(depth_taps.lo),
        in_place_(p.w.spatial[2] == 1 && p.w.spatial[1] == p.kernel[2]) {
    const Index planes = p.group_in() * depths_;
    plane_at_ = carver.take<Index>(planes);
    for (Index i = 0; i < planes; ++i) plane_at_[i] = in_place_ ? source(i) : i * size();
    copy_ = carver.take<T>(in_place_ ? 0 : planes * size());
  }

  const Index* plane_at() const { return plane_at_; }

  // Those at w; notes whether one is infinite or NaN, since on padding it would make a NaN.
  const T* of(const T* w, unsigned char* saw_nan) const {
    const Index planes = p_.group_in() * depths_;
    if (!in_place_) {
      T* to = copy_;
      for (Index i = 0; i < planes; ++i) {
        for (Index r = 0; r < p_.kernel[1]; ++r, to += p_.kernel[2]) {
          copy_strided(to, w + source(i) + r * p_.w.spatial[1], p_.w.spatial[2], p_.kernel[2]);
        }
      }
      w = copy_;
    }
    for (Index i = 0; saw_nan != nullptr && i < planes; ++i) {
      if (!finite(w + plane_at_[i]))
        __atomic_store_n(saw_nan, static_cast<unsigned char>(1), __ATOMIC_RELAXED);
    }
    return w;
  }

 private:
  Index size() const { return p_.kernel[1] * p_.kernel[2]; }
  Index source(Index plane) const {
    return plane / depths_ * p_.w.channel + (first_ + plane % depths_) * p_.w.spatial[0];
  }

  bool finite(const T* w) const {
    using Vt = Vec<T>;
    for (Index i = 0; i < size(); i += Vt::width) {
      const typename Vt::Reg r =
          Vt::load_first(w + i, static_cast<int>(smaller(Vt::width, size() - i)));
      if (Vt::any_nan(Vt::sub(r, r))) return false;
    }
    return true;
  }

  const ConvProblem& p_;
  Index depths_, first_;
  bool in_place_;
  Index* plane_at_;
  T* copy_;
};

// A thread's tasks. Those of one plane differ in image and group only, so they share a Block.
template <class T, class Block>
static void run_row_tasks(const ConvJob& job, Index begin, Index end, std::byte* scratch) {
  const ConvProblem& p = *job.problem;
  const Grid grid = grid_of(p, job.plan->block_rows, job.plan->block_cols);
  const Index blocks = grid.count[0] * grid.row_blocks * grid.col_blocks;
  for (Index i = begin; i < end;) {
    const GridTask task = grid_task(p, *job.plan, grid, 1, i);
    Block block(job, task, Carver{scratch});
    const Index last = blocks == 1 ? end : i + 1;
    for (Index batch = task.batch, group = task.group; i < last; ++i) {
      block.run(batch, group);
      if (++group == p.groups) {
        group = 0;
        ++batch;
      }
    }
  }
}
