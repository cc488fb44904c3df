// From a finished register tile to the output: activation, and the cut into rows.
//
// A tile whose positions are all kept and adjoin in memory is computed in the output itself; any
// other goes through a buffer. A tile covers consecutive positions of a flattened grid whose row
// pitch may exceed the row length; positions past a row's end are thrown away here. The cut is
// worked out once per tile of pixels and used for all its output channels.

// Elements lo..hi-1 of vector `vector` of a tile go to y + at + (element)*step.
struct Piece {
  int vector, lo, hi;
  Index at;
};

// A grid of rows x cols positions, flattened with `pitch`; position (r, c) is output offset
// r*y_row + c*y_col.
struct FlatGrid {
  Index rows, cols, pitch;
  Index y_row, y_col;
};

template <class T>
struct PieceList {
  static constexpr int capacity = PlanarShape<T>::n + 8;
  Piece piece[capacity];
  int count = 0;

  // Tile positions lane .. lane+length, of which the first goes to output offset `at`.
  void add(Index lane, Index length, Index at, Index y_col) {
    constexpr Index W = Vec<T>::width;
    for (const Index end = lane + length; lane < end;) {
      const Index vector = lane / W, lo = lane % W;
      const Index hi = smaller(W, lo + end - lane);
      piece[count++] = {static_cast<int>(vector), static_cast<int>(lo), static_cast<int>(hi),
                        at - lo * y_col};
      lane += hi - lo;
      at += (hi - lo) * y_col;
    }
  }

  // Whether the tile's positions lie in the output as they lie in the tile.
  bool straight(int vectors, Index y_col) const {
    if (y_col != 1 || count != vectors) return false;
    for (int i = 0; i < count; ++i) {
      if (piece[i].hi - piece[i].lo != Vec<T>::width) return false;
      if (piece[i].at != piece[0].at + i * Vec<T>::width) return false;
    }
    return true;
  }

  // Positions first .. first + vectors*width of a flattened grid.
  void build(const FlatGrid& grid, Index first, int vectors) {
    count = 0;
    const Index stop = first + vectors * Vec<T>::width;
    for (Index row = first / grid.pitch; row < grid.rows && row * grid.pitch < stop; ++row) {
      const Index start = row * grid.pitch;
      const Index lo = larger(first, start), hi = smaller(stop, start + grid.cols);
      if (lo < hi)
        add(lo - first, hi - lo, row * grid.y_row + (lo - start) * grid.y_col, grid.y_col);
    }
  }
};

// Reads partial sums back into the tile.
template <class T>
static void planar_load(TileRows<T> tile, int rows, int vectors, const PieceList<T>& pieces,
                        const T* y, Index y_channel, Index y_col) {
  constexpr int W = Vec<T>::width;
  for (int m = 0; m < rows; ++m) {
    T* row = tile.at + m * tile.row;
    const T* from = y + m * y_channel;
    fill_zero(row, vectors * W);
    for (int i = 0; i < pieces.count; ++i) {
      const Piece& piece = pieces.piece[i];
      if (y_col == 1 && piece.lo == 0) {
        Vec<T>::store(row + piece.vector * W, Vec<T>::load_first(from + piece.at, piece.hi));
        continue;
      }
      for (int e = piece.lo; e < piece.hi; ++e) {
        row[piece.vector * W + e] = from[piece.at + e * y_col];
      }
    }
  }
}

// Adds the elements of another array that lies as the output.
template <class T>
static void planar_add(TileRows<T> tile, int rows, int vectors, const PieceList<T>& pieces,
                       const T* y, Index y_channel, Index y_col) {
  using Vt = Vec<T>;
  T other[PlanarShape<T>::n];
  for (int m = 0; m < rows; ++m) {
    planar_load(TileRows<T>{other, 0}, 1, vectors, pieces, y + m * y_channel, y_channel, y_col);
    T* row = tile.at + m * tile.row;
    for (int at = 0; at < vectors * Vt::width; at += Vt::width) {
      Vt::store(row + at, Vt::add(Vt::load(row + at), Vt::load(other + at)));
    }
  }
}

// Activations that a tile does not compute in registers, in place.
template <class T>
static void planar_activate(TileRows<T> tile, int rows, int vectors, const PlanarEpilogue<T>& end) {
  using Vt = Vec<T>;
  if (!end.last || end.activation == Activation::none || end.activation == Activation::relu) return;
  for (int m = 0; m < rows; ++m) {
    T* row = tile.at + m * tile.row;
    for (int at = 0; at < vectors * Vt::width; at += Vt::width) {
      Vt::store(row + at, activate<T>(Vt::load(row + at), end.activation));
    }
  }
}

// A finished tile from its buffer to the output, piece by piece.
template <class T>
static void planar_store(TileRows<T> tile, int rows, const PieceList<T>& pieces, T* y,
                         Index y_channel, Index y_col) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  for (int m = 0; m < rows; ++m) {
    const T* row = tile.at + m * tile.row;
    T* to = y + m * y_channel;
    for (int i = 0; i < pieces.count; ++i) {
      const Piece& piece = pieces.piece[i];
      const T* from = row + piece.vector * W;
      if (y_col != 1) {
        for (int e = piece.lo; e < piece.hi; ++e) to[piece.at + e * y_col] = from[e];
      } else if (piece.lo == 0 && piece.hi == W) {
        Vt::store(to + piece.at, Vt::load(from));
      } else {
        Vt::store_range(to + piece.at, Vt::load(from), piece.lo, piece.hi);
      }
    }
  }
}

// The output of one block of output channels, as the pieces of a tile see it.
template <class T>
struct PlanarOutput {
  T* y;
  Index channel, col;  // strides
};

// One tile from sums to output: `resume` adds to what earlier blocks of input channels left there.
template <class T>
static void compute_tile(int rows, int vectors, bool partial, const PlanarStep<T>& step,
                         const PieceList<T>& pieces, bool straight, const PlanarOutput<T>& out,
                         const PlanarEpilogue<T>& end, T* buffer, bool resume) {
  const bool starts = end.adds && !resume;
  if (straight) {
    const TileRows<T> tile{out.y + pieces.piece[0].at, out.channel};
    if (starts) planar_load(tile, rows, vectors, pieces, out.y + end.addend, out.channel, out.col);
    resume = resume || starts;
    run_planar_tile<T>(rows, vectors, partial, step, tile, resume, end);
    planar_activate(tile, rows, vectors, end);
    return;
  }
  const TileRows<T> tile{buffer, static_cast<Index>(vectors) * Vec<T>::width};
  resume = resume || starts;
  if (resume) {
    planar_load(tile, rows, vectors, pieces, out.y + (starts ? end.addend : 0), out.channel,
                out.col);
  }
  run_planar_tile<T>(rows, vectors, partial, step, tile, resume, end);
  planar_activate(tile, rows, vectors, end);
  planar_store(tile, rows, pieces, out.y, out.channel, out.col);
}
