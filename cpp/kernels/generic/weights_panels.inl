// Gradients of dense weights: matrix products over pixels.
//
// Loop order of a task: blocks of pixels > blocks of input channels > kernel elements > tiles of
// input channels > tiles of output channels (weights_tile.inl). A block's gradients and inputs are
// packed pixel by pixel, once for all kernel elements: inputs with the rows and columns around
// them, so that a kernel element is an offset. Both stay in the second-level cache; a tile's inputs
// stay in the first-level one while all output channels pass. Partial sums of a task are as large
// as its weights and are read and written once per block.
//
// Against unfolding (weights_unfolded.inl) nothing is copied once per kernel element. It loses
// where a group has fewer input channels than a vector: the rest of the vector is wasted.

template <class T>
struct PanelTask {
  using A = Acc<T>;
  static constexpr int W = Vec<A>::width;

  const WeightJob& job;
  const ConvProblem& p;
  const WeightPlan& plan;
  WeightBlocks blocks;
  PackedRows rows;
  PackedCols cols;
  Index group;
  Range outputs;  // output channels within the group
  Index grad_row;
  A* sums;
  A* grads;
  A* inputs;
  PixelStretch* runs;
  Index plane_size;  // packed elements of one depth of one part

  PanelTask(const WeightJob& given, Index index, Carver carver)
      : job(given),
        p(*job.problem),
        plan(*job.plan),
        blocks(weight_blocks(p, plan)),
        rows(packed_rows(p, plan.block_rows)),
        cols(packed_cols(p, plan.block_cols)) {
    outputs = share(p.group_out(), WeightTile<A>::m, index % plan.shares, plan.shares);
    index /= plan.shares;
    group = index % p.groups;
    const Index part = index / p.groups;
    grad_row = ceil_div(larger(1, outputs.hi - outputs.lo), W) * W;
    sums = reinterpret_cast<A*>(job.sums) + part * p.out_channels * plan.k_step +
           (group * p.group_out() + outputs.lo) * plan.k_step;
    const Index most = plan.block_planes * plan.block_rows * plan.block_cols;
    grads = carver.take<A>(most * grad_row);
    runs = carver.take<PixelStretch>(plan.block_planes * plan.block_rows);
    plane_size = rows.count * cols.count * plan.block_channels;
    inputs = carver.take<A>(0);
    fill_zero(sums, (outputs.hi - outputs.lo) * plan.k_step);
    const Range own{blocks.count * part / plan.parts, blocks.count * (part + 1) / plan.parts};
    for (Index block = own.lo; block < own.hi; ++block) run(block);
  }

  void run(Index block) {
    const Index parts = parts_of_block(plan, blocks, block);
    for (Index i = 0, at = 0; i < parts; ++i) {
      const PixelPart part = pixel_part(p, plan, blocks, block, i);
      pack_gradients<T>(job, part, group * p.group_out() + outputs.lo, outputs.hi - outputs.lo,
                        grads + at * grad_row, grad_row);
      at += part.pixels();
    }
    for (Index c = 0; c < p.group_in(); c += plan.block_channels) {
      const Index channels = smaller(plan.block_channels, p.group_in() - c);
      const Index row = ceil_div(channels, W) * W;
      for (Index i = 0; i < parts; ++i) {
        const PixelPart part = pixel_part(p, plan, blocks, block, i);
        for (Index z = 0; z < p.kernel[0]; ++z) {
          const Index depth = part.depth * p.stride[0] + z * p.dilation[0] - p.pad_lo[0];
          if (depth < 0 || depth >= p.in[0]) continue;
          pack_inputs(part, depth, c, channels, row, inputs + (i * p.kernel[0] + z) * plane_size);
        }
      }
      Index tap = 0;
      for (Index z = 0; z < p.kernel[0]; ++z) {
        for (Index r = 0; r < p.kernel[1]; ++r) {
          for (Index s = 0; s < p.kernel[2]; ++s, ++tap) {
            const Index count = list_runs(block, parts, z, r, s, row);
            if (count != 0) multiply(count, row, sums + tap * plan.tap_step + c);
          }
        }
      }
    }
  }

  // Input row of a slot of packed rows.
  Index input_row(const PixelPart& part, Index slot) const {
    if (rows.sparse) {
      return (part.rows.lo + slot / p.kernel[1]) * p.stride[1] +
             slot % p.kernel[1] * p.dilation[1] - p.pad_lo[1];
    }
    return part.rows.lo * p.stride[1] - p.pad_lo[1] + slot;
  }

  void pack_inputs(const PixelPart& part, Index depth, Index c, Index channels, Index row,
                   A* to) const {
    const T* plane = static_cast<const T*>(job.x) + part.batch * p.x.batch +
                     (group * p.group_in() + c) * p.x.channel + depth * p.x.spatial[0];
    const Index start = part.cols.lo * p.stride[2] - p.pad_lo[2];
    const Index wanted = packed_cols(p, part.width()).count;
    const Range inside = outputs_inside(wanted, p.in[2], cols.step, start);
    if (inside.empty()) return;
    const Index height = part.rows.hi - part.rows.lo;
    const Index slots = rows.sparse ? height * p.kernel[1] : packed_rows_of(height);
    for (Index slot = 0; slot < slots; ++slot) {
      const Index y = input_row(part, slot);
      if (y < 0 || y >= p.in[1]) continue;
      const T* from = plane + y * p.x.spatial[1] + (start + inside.lo * cols.step) * p.x.spatial[2];
      pack_pixels(from, p.x.channel, cols.step * p.x.spatial[2], channels, inside.hi - inside.lo,
                  to + (slot * cols.count + inside.lo) * row, row);
    }
  }

  Index packed_rows_of(Index height) const {
    return (height - 1) * p.stride[1] + dilated_extent(p.kernel[1], p.dilation[1]);
  }

  // The stretches of pixels of a block whose inputs a kernel element meets.
  Index list_runs(Index block, Index parts, Index z, Index r, Index s, Index row) const {
    Index count = 0, before = 0;
    const Index step = p.stride[2] / cols.step;
    for (Index i = 0; i < parts; ++i) {
      const PixelPart part = pixel_part(p, plan, blocks, block, i);
      const Index depth = part.depth * p.stride[0] + z * p.dilation[0] - p.pad_lo[0];
      const Index offset = s * p.dilation[2] - p.pad_lo[2] + part.cols.lo * p.stride[2];
      const Range inside = outputs_inside(part.width(), p.in[2], p.stride[2], offset);
      const Range met =
          outputs_inside(part.rows.hi - part.rows.lo, p.in[1], p.stride[1],
                         part.rows.lo * p.stride[1] + r * p.dilation[1] - p.pad_lo[1]);
      if (depth >= 0 && depth < p.in[0] && !inside.empty()) {
        for (Index y = met.lo; y < met.hi; ++y) {
          const Index col = inside.lo * step + (cols.step == 1 ? s * p.dilation[2] : 0);
          const Index x =
              (i * p.kernel[0] + z) * plane_size + (rows.slot(y, r) * cols.count + col) * row;
          const Index grad = before + y * part.width() + inside.lo;
          PixelStretch* last = count > 0 ? &runs[count - 1] : nullptr;
          if (last != nullptr && last->grad + last->count == grad &&
              last->x + last->count * step * row == x) {
            last->count += inside.hi - inside.lo;
          } else {
            runs[count++] = {grad, x, inside.hi - inside.lo};
          }
        }
      }
      before += part.pixels();
    }
    return count;
  }

  void multiply(Index count, Index row, A* to) const {
    const Index height = outputs.hi - outputs.lo, vectors = row / W;
    const Index tiles = ceil_div(vectors, WeightTile<A>::v);
    for (Index i = 0; i < tiles; ++i) {
      const Index first = vectors * i / tiles, last = vectors * (i + 1) / tiles;
      for (Index k = 0; k < height; k += WeightTile<A>::m) {
        WeightTileCall<A>{grads + k,
                          grad_row,
                          inputs + first * W,
                          p.stride[2] / cols.step * row,
                          runs,
                          count,
                          to + k * plan.k_step + first * W,
                          plan.k_step}
            .of(smaller(WeightTile<A>::m, height - k), last - first);
      }
    }
  }
};

template <class T>
static void weights_panels(const void* context, Index begin, Index end, std::byte* scratch) {
  const WeightJob& job = *static_cast<const WeightJob*>(context);
  for (Index i = begin; i < end; ++i) PanelTask<T>(job, i, Carver{scratch});
}
