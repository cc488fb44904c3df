// Transposed convolution with a stride, NCHW: any kernel, dilation, padding, groups, 1-D to 3-D.
//
// Loop order of a task: pack a strip of the input, once for all phases > lots of output channels >
// tiles of input positions > phases > input channels and the phase's kernel elements, with the
// register tile of planar_tile.inl innermost. The finished tiles of all column phases wait in a
// buffer in the first-level cache and are interleaved on their way to the output, which is written
// in whole vectors; the packed weights of a lot stay in the second-level cache while the strip
// passes.
//
// Where the stride divides the kernel, every phase reads the same inputs, and the rows of a
// register tile are phases as well as output channels (`merged`): tiles are full from two output
// channels on, and of a kernel as large as the stride the weights are packed by plain copies.
// Elsewhere a register tile holds one phase of its output channels, and phases differ in their
// kernel elements; no inserted zero is multiplied, except that groups of up to three output
// channels may take a kernel filled up with zeros.
//
// The innermost loop runs along the input channels where they are many, else along the elements of
// a kernel row: of a phase these are few (two of a 4x4 kernel at stride 2), and a loop of two steps
// costs a quarter of the time.
//
// Against one convolution per phase, which the direct kernels do, it packs the input once instead
// of stride^2 times and stores no single elements (4x4 kernel at stride 2, 64 -> 3 channels @32x32:
// 2.3 times faster; the same depthwise: 1.8; 64x64 at stride 32, depthwise: 9). It gains nothing
// where the stride is 1; `choose` then takes the direct kernels.

// Whether the innermost loop, and the packed weights, run along the input channels.
static inline bool along_channels(const ConvProblem& p) {
  constexpr Index kManyChannels = 16;
  return p.group_in() >= kManyChannels;
}

// One phase of rows and columns: its runs of kernel elements and where its weights begin.
struct PhasePair {
  RunTable runs;
  Index weights;  // before the phase, per row of packed weights
  Index taps;     // kernel elements, of all depths
};

// How a kernel packs its weights, and steps through them.
struct PhaseOrder {
  bool merged;        // all phases in one
  bool along;         // a run is all channels of a kernel element, else a kernel row
  Index weight_step;  // from a kernel element to the next, per row of packed weights
};

// The phases of a task, in the order in which weights are packed.
static inline Index list_phases(const ConvProblem& p, const GridTask& task, const PackedStrip& s,
                                Range depth_taps, const PhaseOrder& order, Carver& carver,
                                PhasePair* phases) {
  const AxisPhase& d = task.axis[0];
  const bool merged = order.merged, along = order.along;
  const Index row_phases = merged ? 1 : p.stride[1], col_phases = merged ? 1 : p.stride[2];
  const Index channels = p.group_in();
  const Index rows = task.rows.hi - task.rows.lo;
  Index count = 0, weights = 0;
  for (Index ph = 0; ph < row_phases; ++ph) {
    const AxisPhase h = subpixel_phase(p, 1, ph);
    for (Index pw = 0; pw < col_phases; ++pw, ++count) {
      const AxisPhase w = subpixel_phase(p, 2, pw);
      PhasePair& pair = phases[count];
      pair.weights = weights;
      pair.taps = p.kernel[0] * h.taps * w.taps;
      weights += pair.taps * channels;
      RunTable& runs = pair.runs;
      const Index starts = along ? w.taps : smaller(1, w.taps);
      runs = RunTable::carve(carver, p.kernel[0] * h.taps * starts);
      runs.length = along ? channels : w.taps;
      runs.x_step = along ? s.plane_size : w.offset_step;
      runs.w_step = 1;
      for (Index z = depth_taps.lo; z < depth_taps.hi; ++z) {
        for (Index r = 0; r < h.taps; ++r) {
          const Range reached = outputs_inside(rows, p.in[1], 1, task.rows.lo + h.offset(r));
          if (reached.empty()) continue;
          runs.all_rows = runs.all_rows && reached.lo == 0 && reached.hi == rows;
          for (Index c = 0; c < starts; ++c) {
            const Index tap = ((d.tap0 + z * d.tap_step) * h.taps + r) * w.taps + c;
            runs.w[runs.count] = tap * order.weight_step;
            runs.x[runs.count] = (z - depth_taps.lo) * s.depth_size +
                                 (h.offset(r) - task.axis[1].offset0) * s.pitch + w.offset(c) -
                                 task.axis[2].offset0;
            runs.rows[runs.count++] = reached;
          }
        }
      }
    }
  }
  return count;
}

// Phase 0: task = (group, lot of units).
template <class T>
static void pack_transposed(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const bool merged = subpixel_merged(p), along = along_channels(p);
  const Index row_phases = p.stride[1], col_phases = p.stride[2];
  const Index rows = subpixel_rows(p), row_size = subpixel_row_size(p);
  const Index lot = subpixel_units(p, PlanarShape<T>::m) * (merged ? col_phases : 1);
  const Index lots = ceil_div(rows, lot);
  const Index w_out = weight_out_stride(p), w_in = weight_in_stride(p);
  const Axes& at = p.w.spatial;
  for (Index i = begin; i < end; ++i) {
    const Index group = i / lots, last = smaller(rows, (i % lots + 1) * lot);
    const T* w = static_cast<const T*>(job.w) + weight_origin(p, group);
    for (Index first = i % lots * lot; first < last;) {
      const int m = planar_rows<T>(last - first);
      T* to = reinterpret_cast<T*>(job.shared) + (group * rows + first) * row_size;
      // Output channel, phase of rows and phase of columns of each row of the tile.
      Index k[8], ph[8], pw[8];
      for (int r = 0; r < m; ++r) {
        k[r] = merged ? (first + r) / (row_phases * col_phases) : first + r;
        ph[r] = (first + r) / col_phases % row_phases;
        pw[r] = (first + r) % col_phases;
      }
      for (Index pair = 0; pair < (merged ? 1 : row_phases * col_phases); ++pair) {
        const AxisPhase h = subpixel_phase(p, 1, pair / col_phases);
        const AxisPhase c = subpixel_phase(p, 2, pair % col_phases);
        const Index channels = p.group_in(), taps = p.kernel[0] * h.taps * c.taps;
        // Some channels at a time: those of a kernel element lie whole pages apart.
        constexpr Index kChannels = 8;
        for (Index part = 0; part < ceil_div(channels, kChannels) * taps; ++part) {
          const Index tap = part % taps, in_lo = part / taps * kChannels;
          const Index x = tap % c.taps, y = tap / c.taps % h.taps, z = tap / (c.taps * h.taps);
          const T* element = w + in_lo * w_in + z * at[0] + (h.tap0 + y * h.tap_step) * at[1] +
                             (c.tap0 + x * c.tap_step) * at[2];
          // Whether each row's weight is part of the kernel, not a zero that fills it up, and
          // where.
          bool exists[8], adjoin = true;
          Index from[8];
          for (int r = 0; r < m; ++r) {
            exists[r] = !merged || (y * row_phases + ph[r] < p.kernel[1] &&
                                    x * col_phases + pw[r] < p.kernel[2]);
            from[r] = k[r] * w_out + (merged ? ph[r] * at[1] + pw[r] * at[2] : 0);
            adjoin = adjoin && exists[r] && from[r] == from[0] + r;
          }
          const Index in_hi = smaller(channels, in_lo + kChannels);
          for (Index in = in_lo; in < in_hi; ++in, element += w_in) {
            T* target = to + (along ? tap * channels + in : in * taps + tap) * m;
            if (adjoin) {
              copy_strided(target, element + from[0], 1, m);
              continue;
            }
            for (int r = 0; r < m; ++r) target[r] = exists[r] ? element[from[r]] : T(0);
          }
        }
        to += channels * taps * m;
      }
      first += m;
    }
  }
}

// Where the tiles of a lot go: rows of outputs, cut at the ends of the array.
template <class T>
struct SubpixelOutput {
  const ConvProblem& p;
  const GridTask& task;
  Index pitch;
  T* y;  // of the image, group and depth

  static SubpixelOutput of(const ConvJob& job, const GridTask& task, Index pitch) {
    const ConvProblem& p = *job.problem;
    return {p, task, pitch,
            static_cast<T*>(job.y) + task.batch * p.y.batch +
                task.group * p.group_out() * p.y.channel +
                (task.axis[0].out_start + task.depth * task.axis[0].out_step) * p.y.spatial[0]};
  }

  // Positions first .. first+count of the strip, of the unit (output channel k, phase ph of rows)
  // whose column phases are `tile` rows `row` apart.
  void store(const T* tile, Index row, Index k, Index ph, Index first, Index count) const {
    const Index cols = task.cols.hi - task.cols.lo, stop = first + count;
    const Index rows = task.rows.hi - task.rows.lo;
    for (Index r = first / pitch; r < rows && r * pitch < stop; ++r) {
      const Index lo = larger(first, r * pitch), hi = smaller(stop, r * pitch + cols);
      const Index out_row = task.axis[1].out_start + (task.rows.lo + r) * p.stride[1] + ph;
      if (lo >= hi || out_row < 0 || out_row >= p.out[1]) continue;
      store_row(tile + (lo - first), row, hi - lo,
                task.axis[2].out_start + (task.cols.lo + lo - r * pitch) * p.stride[2],
                y + k * p.y.channel + out_row * p.y.spatial[1]);
    }
  }

  // Outputs col, col + 1, ... of a row; those outside the array do not exist.
  void store_row(const T* tile, Index row, Index count, Index col, T* to) const {
    const Index step = p.stride[2], out = p.out[2], y_col = p.y.spatial[2];
    const auto one_by_one = [&](Index j) {
      for (Index s = larger(0, -(col + j * step)); s < smaller(step, out - col - j * step); ++s) {
        to[(col + j * step + s) * y_col] = tile[s * row + j];
      }
    };
    Index j = 0;
    if (y_col == 1) {
      if (col < 0) one_by_one(j++);
      const Index whole = smaller(count, (out - col) / step) - j;
      if (whole > 0) {
        interleave(tile + j, row, step, whole, to + col + j * step);
        j += whole;
      }
    }
    for (; j < count; ++j) one_by_one(j);
  }
};

template <class T>
static void transposed_planar_task(const ConvJob& job, const GridTask& task, Carver carver) {
  using Vt = Vec<T>;
  constexpr int M = PlanarShape<T>::m;
  constexpr Index N = PlanarShape<T>::n;
  const ConvProblem& p = *job.problem;
  const Index rows = task.rows.hi - task.rows.lo, cols = task.cols.hi - task.cols.lo;
  if (rows <= 0 || cols <= 0) return;

  const bool merged = subpixel_merged(p);
  const Index col_phases = p.stride[2], in_channels = p.group_in();
  const Range depth_taps = task.axis[0].taps_inside(task.depth, p.in[0]);
  const PackedStrip strip = packed_strip<T>(p, task, depth_taps.hi - depth_taps.lo);
  const Index lot = subpixel_units(p, M);
  const Index row_size = subpixel_row_size(p);
  const Index pairs = merged ? 1 : p.stride[1] * col_phases;
  const Index buffer_rows = lot * col_phases;
  PhasePair* phases = carver.take<PhasePair>(pairs);
  Index* tile_w = carver.take<Index>(p.kernel.product());
  Index* tile_x = carver.take<Index>(p.kernel.product());
  T* bias_rows = carver.take<T>(buffer_rows);
  T* buffer = carver.take<T>(buffer_rows * N);
  const bool along = along_channels(p);
  list_phases(p, task, strip, depth_taps, {merged, along, along ? in_channels : 1}, carver, phases);
  T* packed = carver.take<T>(0);
  const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
  for (Index c = 0; c < in_channels; ++c) {
    pack_plane(p, task, strip, x + c * p.x.channel, depth_taps, packed + c * strip.plane_size);
  }

  const Index positions = (rows - 1) * strip.pitch + cols;
  const Index vectors = ceil_div(positions, Vt::width);
  const SubpixelOutput<T> output = SubpixelOutput<T>::of(job, task, strip.pitch);
  const T* weights =
      reinterpret_cast<const T*>(job.shared) + task.group * subpixel_rows(p) * row_size;
  const T* bias =
      job.bias == nullptr ? nullptr : static_cast<const T*>(job.bias) + task.group * p.group_out();
  PlanarStep<T> step{};
  step.w_out = 1;
  step.planes = along ? 1 : in_channels;
  step.x_plane = strip.plane_size;
  step.last = Vt::width;

  // Units are channels, or a channel's phases of rows when merged.
  const Index units_each = merged ? p.stride[1] : 1;
  const Index last_unit = task.out_channels.hi * units_each;
  for (Index unit = task.out_channels.lo * units_each; unit < last_unit; unit += lot) {
    const Index units = smaller(lot, last_unit - unit);
    const Index tile_rows = merged ? units * col_phases : units;
    const Index first_row = merged ? unit * col_phases : unit;
    if (bias != nullptr) {
      const Index rows_each = merged ? units_each * col_phases : 1;
      for (Index r = 0; r < tile_rows; ++r) bias_rows[r] = bias[(first_row + r) / rows_each];
    }
    for (Index v = 0; v < vectors;) {
      const int n = planar_vectors(vectors - v);
      const Index at = v * Vt::width, row = n * Vt::width;
      const Index stop = smaller(positions, at + row);
      step.x = packed + at;
      for (Index i = 0; i < pairs; ++i) {
        const PhasePair& pair = phases[i];
        step.length = pair.runs.length;
        step.x_step = pair.runs.x_step;
        step.w_step = pair.runs.w_step;
        step.w_plane = pair.taps;
        step.run_w = pair.runs.w;
        step.run_x = pair.runs.x;
        step.runs = pair.runs.count;
        if (!pair.runs.all_rows) {
          step.runs = runs_reaching(pair.runs, at / strip.pitch, (stop - 1) / strip.pitch + 1,
                                    tile_w, tile_x);
          step.run_w = tile_w;
          step.run_x = tile_x;
        }
        const Index column = merged ? 0 : i % col_phases;
        T* into = buffer + column * tile_rows * row;
        for (Index r = 0; r < tile_rows;) {
          const int m = planar_rows<T>(tile_rows - r);
          step.w = weights + (first_row + r) * row_size + pair.weights * m;
          step.w_scale = m;
          const TileRows<T> tile{into + r * row, row};
          const PlanarEpilogue<T> end{bias == nullptr ? nullptr : bias_rows + r, p.activation, true,
                                      job.saw_nan};
          run_planar_tile<T>(m, n, false, step, tile, false, end);
          planar_activate(tile, m, n, end);
          r += m;
        }
        if (merged) {
          for (Index u = 0; u < units; ++u) {
            output.store(buffer + u * col_phases * row, row, (unit + u) / units_each,
                         (unit + u) % units_each, at, stop - at);
          }
        } else if (column == col_phases - 1) {
          for (Index u = 0; u < units; ++u) {
            output.store(buffer + u * row, tile_rows * row, unit + u, i / col_phases, at,
                         stop - at);
          }
        }
      }
      v += n;
    }
  }
}

template <class T>
static void transposed_planar(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Grid grid = subpixel_grid(p, job.plan->block_rows, job.plan->block_cols);
  const Index unit = subpixel_channels(p, PlanarShape<T>::m);
  for (Index i = begin; i < end; ++i) {
    transposed_planar_task<T>(job, subpixel_task(p, *job.plan, grid, unit, i), Carver{scratch});
  }
}
