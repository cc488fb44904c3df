// The last phase of a weight gradient: parts are added in order, rounded once and stored.

template <class T>
static void add_weights(const void* context, Index begin, Index end, std::byte*) {
  using A = Acc<T>;
  using Va = Vec<A>;
  const WeightJob& job = *static_cast<const WeightJob*>(context);
  const ConvProblem& p = *job.problem;
  const WeightPlan& plan = *job.plan;
  const Index part = p.out_channels * plan.k_step;
  bool nan = false;
  for (Index k = begin; k < end; ++k) {
    A* sums = reinterpret_cast<A*>(job.sums) + k * plan.k_step;
    for (Index i = 1; i < plan.parts; ++i) {
      const A* more = sums + i * part;
      Index at = 0;
      for (; at + Va::width <= plan.k_step; at += Va::width) {
        Va::store(sums + at, Va::add(Va::load(sums + at), Va::load(more + at)));
      }
      for (; at < plan.k_step; ++at) sums[at] += more[at];
    }
    for (Index c = 0; c < p.group_in(); ++c) {
      const A* from = sums + c * plan.channel_step;
      T* to = static_cast<T*>(job.w) + k * p.w.batch + c * p.w.channel;
      for (Index z = 0; z < p.kernel[0]; ++z) {
        for (Index r = 0; r < p.kernel[1]; ++r) {
          for (Index s = 0; s < p.kernel[2]; ++s, from += plan.tap_step) {
            nan = nan || *from != *from;
            to[z * p.w.spatial[0] + r * p.w.spatial[1] + s * p.w.spatial[2]] =
                Narrowed<T>::of(*from);
          }
        }
      }
    }
  }
  if (nan) *job.saw_nan = 1;
}
