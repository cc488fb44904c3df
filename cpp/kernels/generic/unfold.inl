// Unfolding: which inputs a kernel element meets from some consecutive pixels of the output.

// One run of consecutive pixels of a tile that lie in one output row.
struct PixelRun {
  int lane, length;
  Index depth, row, col;
};

// The runs of pixels first .. first+count of a phase's grid, flattened over depth, rows, columns;
// at most N pixels.
template <int N>
struct PixelRuns {
  PixelRun run[N];
  int count = 0;

  void build(const AxisPhase* axis, Index first, Index pixels) {
    const Index rows = axis[1].count, cols = axis[2].count;
    count = 0;
    for (Index at = first; at < first + pixels;) {
      const Index col = at % cols, line = at / cols;
      const Index length = smaller(cols - col, first + pixels - at);
      run[count++] = {static_cast<int>(at - first), static_cast<int>(length), line / rows,
                      line % rows, col};
      at += length;
    }
  }
};

// What one kernel element of any channel contributes to a panel: runs of pixels whose inputs are a
// fixed step apart in memory. Pixels without a run lie on padding. Worked out once for all
// channels.
template <class T, int N>
struct UnfoldedRow {
  struct Run {
    int lane, length;
    Index from;
  };
  Run run[N];
  int count = 0, covered = 0;
  Index step = 1;

  void build(const ConvProblem& p, const AxisPhase* axis, const Index* tap,
             const PixelRuns<N>& pixels) {
    count = covered = 0;
    step = axis[2].in_step * p.x.spatial[2];
    for (int i = 0; i < pixels.count; ++i) {
      const PixelRun& px = pixels.run[i];
      const Index z = px.depth * axis[0].in_step + axis[0].offset(tap[0]);
      const Index r = px.row * axis[1].in_step + axis[1].offset(tap[1]);
      if (z < 0 || z >= p.in[0] || r < 0 || r >= p.in[1]) continue;
      const Index start = px.col * axis[2].in_step + axis[2].offset(tap[2]);
      const Range inside = outputs_inside(px.length, p.in[2], axis[2].in_step, start);
      if (inside.empty()) continue;
      add(px.lane + static_cast<int>(inside.lo), static_cast<int>(inside.hi - inside.lo),
          z * p.x.spatial[0] + r * p.x.spatial[1] +
              (start + inside.lo * axis[2].in_step) * p.x.spatial[2]);
    }
  }

  void add(int lane, int length, Index from) {
    covered += length;
    if (count > 0) {
      Run& last = run[count - 1];
      if (last.lane + last.length == lane && last.from + last.length * step == from) {
        last.length += length;
        return;
      }
    }
    run[count++] = {lane, length, from};
  }

  void copy(const T* channel, T* to) const {
    if (covered < N) fill_zero(to, N);
    for (int i = 0; i < count; ++i) {
      copy_strided(to + run[i].lane, channel + run[i].from, step, run[i].length);
    }
  }
};
