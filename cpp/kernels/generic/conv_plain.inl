// Direct convolution in plain loops: takes every problem and every memory layout.
//
// Loop order: outputs, then input channels, then the kernel elements that meet the input. One
// accumulator. Padding is never touched, so an infinite weight over padding gives no NaN: the
// caller comes back to this kernel when one of the fast ones may have multiplied padding with such
// a weight. It loses everywhere else, by one to two orders of magnitude.

template <class T>
static Acc<T> plain_sum(const ConvProblem& p, const GridTask& task, const T* x, const T* w,
                        Index row, Index col) {
  const AxisPhase* a = task.axis;
  const Index at[kAxes] = {task.depth, row, col};
  Range met[kAxes];
  for (int i = 0; i < kAxes; ++i) met[i] = a[i].taps_inside(at[i], p.in[i]);
  Acc<T> sum = 0;
  for (Index c = 0; c < p.group_in(); ++c) {
    const T* xc = x + c * p.x.channel;
    const T* wc = w + c * weight_in_stride(p);
    for (Index z = met[0].lo; z < met[0].hi; ++z) {
      for (Index r = met[1].lo; r < met[1].hi; ++r) {
        for (Index s = met[2].lo; s < met[2].hi; ++s) {
          const Index tap[kAxes] = {z, r, s};
          Index from = 0, weight = 0;
          for (int i = 0; i < kAxes; ++i) {
            from += (at[i] * a[i].in_step + a[i].offset(tap[i])) * p.x.spatial[i];
            weight += (a[i].tap0 + tap[i] * a[i].tap_step) * p.w.spatial[i];
          }
          sum += widen(xc[from]) * widen(wc[weight]);
        }
      }
    }
  }
  return sum;
}

template <class T>
static void plain(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  const ConvProblem& p = *job.problem;
  const Grid grid = grid_of(p, job.plan->block_rows, job.plan->block_cols);
  for (Index i = begin; i < end; ++i) {
    const GridTask task = grid_task(p, *job.plan, grid, 1, i);
    const T* x = static_cast<const T*>(job.x) + input_origin(p, task);
    for (Index k = task.out_channels.lo; k < task.out_channels.hi; ++k) {
      const T* w =
          static_cast<const T*>(job.w) + weight_origin(p, task.group) + k * weight_out_stride(p);
      const Acc<T> bias =
          job.bias == nullptr
              ? 0
              : widen(static_cast<const T*>(job.bias)[task.group * p.group_out() + k]);
      T* y = static_cast<T*>(job.y) + output_origin(p, task) + k * p.y.channel;
      for (Index r = task.rows.lo; r < task.rows.hi; ++r) {
        for (Index c = task.cols.lo; c < task.cols.hi; ++c) {
          T* to = y + r * task.axis[1].out_step * p.y.spatial[1] +
                  c * task.axis[2].out_step * p.y.spatial[2];
          Acc<T> sum = plain_sum(p, task, x, w, r, c) + bias;
          if (p.has_addend) sum += widen(to[job.addend]);
          T out[Vec<T>::width];
          Vec<T>::store(out, activate<Acc<T>>(Vec<T>::set(sum), p.activation));
          *to = out[0];
        }
      }
    }
  }
}
