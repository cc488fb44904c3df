// Direct convolution along rows that are read where they lie, NCHW: for groups with few input and
// output channels (depthwise layers, image filters, signals), 1-D to 3-D, column stride 1 or 2, any
// row stride, any dilation, zero padding; elements of a row adjoin.
//
// Loop order of a task: planes of outputs > rows of tiles > tiles along the row (row_tile.inl),
// each of which keeps its sums in registers over all input channels and the whole kernel. Nothing
// is copied: at the edges vectors are loaded under masks. A plane of a few rows passes through the
// first-level cache once.
//
// Against packing padded rows first (conv_rows.inl) it saves a store and a load of every input and
// the set-up of a plane. It loses where the column stride is 3 or more: there vectors would be
// gathered element by element.

template <class T>
class RowsInPlace {
 public:
  RowsInPlace(const ConvJob& job, const GridTask& task, Carver carver)
      : job_(job),
        p_(*job.problem),
        task_(task),
        depth_taps_(task.axis[0].taps_inside(task.depth, p_.in[0])),
        weights_(p_, depth_taps_, carver),
        problem_(shared(carver)),
        sweep_(axes(), problem_, carver) {}

  // Another image and group, the same block.
  void run(Index batch, Index group) {
    task_.batch = batch;
    task_.group = group;
    const T* bias = static_cast<const T*>(job_.bias);
    const T* x = static_cast<const T*>(job_.x) + input_origin(p_, task_) +
                 task_.cols.lo * p_.stride[2] - p_.pad_lo[2];
    T* y = static_cast<T*>(job_.y) + output_origin(p_, task_) + task_.rows.lo * p_.y.spatial[1] +
           task_.cols.lo * p_.y.spatial[2];
    const T* w = static_cast<const T*>(job_.w) + weight_origin(p_, group);
    const Index first = task_.rows.lo * p_.stride[1] - p_.pad_lo[1];
    for (Index k = 0; k < p_.group_out(); ++k, w += p_.w.batch, y += p_.y.channel) {
      sweep_.run(x, first, {0, p_.in[1]}, weights_.of(w, job_.saw_nan), y, p_.y.spatial[1],
                 bias == nullptr ? T(0) : bias[group * p_.group_out() + k]);
    }
  }

 private:
  RowProblem<T> shared(Carver& carver) const {
    const AxisPhase& depth = task_.axis[0];
    const Index depths = depth_taps_.hi - depth_taps_.lo, planes = p_.group_in() * depths;
    Index* plane_x = carver.take<Index>(planes);
    Index* col_at = carver.take<Index>(p_.kernel[2]);
    for (Index i = 0; i < planes; ++i) {
      plane_x[i] = i / depths * p_.x.channel +
                   (task_.depth * depth.in_step + depth.offset(depth_taps_.lo + i % depths)) *
                       p_.x.spatial[0];
    }
    for (Index s = 0; s < p_.kernel[2]; ++s) col_at[s] = s * p_.dilation[2];
    return {planes,          plane_x,      weights_.plane_at(), 0,
            col_at,          p_.kernel[1], p_.kernel[2],        p_.y.spatial[1],
            p_.y.spatial[2], p_.activation};
  }

  RowAxes axes() const {
    return {task_.rows.hi - task_.rows.lo,
            task_.cols.hi - task_.cols.lo,
            p_.stride[1],
            p_.dilation[1],
            p_.x.spatial[1],
            static_cast<int>(p_.stride[2]),
            task_.cols.lo * p_.stride[2] - p_.pad_lo[2],
            p_.in[2],
            false};
  }

  const ConvJob& job_;
  const ConvProblem& p_;
  GridTask task_;
  Range depth_taps_;
  RowWeights<T> weights_;
  RowProblem<T> problem_;
  RowSweep<T> sweep_;
};

template <class T>
static void rows_in_place(const void* context, Index begin, Index end, std::byte* scratch) {
  run_row_tasks<T, RowsInPlace<T>>(*static_cast<const ConvJob*>(context), begin, end, scratch);
}
