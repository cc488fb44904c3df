// Sums over images and pixels of each channel: the gradient of a bias.
//
// Vectors run along rows, or along channels where these lie side by side; each element of a vector
// sums up to 64 vectors at a time, which then are added up, so errors grow with the root of the
// number of pixels at worst. Memory decides the speed.

template <class T>
class SumInBlocks {
 public:
  using Va = Vec<Acc<T>>;

  void add(typename Va::Reg values) {
    inner_ = Va::add(inner_, values);
    constexpr int kBlock = 64;
    if (++count_ < kBlock) return;
    outer_ = Va::add(outer_, inner_);
    inner_ = Va::zero();
    count_ = 0;
  }
  typename Va::Reg total() const { return Va::add(outer_, inner_); }

 private:
  typename Va::Reg inner_ = Va::zero(), outer_ = Va::zero();
  int count_ = 0;
};

// Calls visit(row) for every row of pixels of a channel, in order.
template <class T, class Visit>
static inline void each_channel_row(const ChannelSums& s, Index channel, const Visit& visit) {
  for (Index n = 0; n < s.batch; ++n) {
    for (Index z = 0; z < s.size[0]; ++z) {
      for (Index y = 0; y < s.size[1]; ++y) {
        visit(static_cast<const T*>(s.from) + n * s.x.batch + channel * s.x.channel +
              z * s.x.spatial[0] + y * s.x.spatial[1]);
      }
    }
  }
}

template <class T>
static void sum_channels(const void* context, Index begin, Index end, std::byte*) {
  using A = Acc<T>;
  using Va = Vec<A>;
  constexpr int W = Va::width;
  const ChannelSums& s = *static_cast<const ChannelSums*>(context);
  T* to = static_cast<T*>(s.to);
  for (Index task = begin; task < end; ++task) {
    SumInBlocks<T> sums;
    if (s.x.channel == 1) {
      const Index first = task * W;
      const int count = static_cast<int>(smaller(W, s.channels - first));
      each_channel_row<T>(s, first, [&](const T* row) {
        for (Index i = 0; i < s.size[2]; ++i) {
          sums.add(Vec<T>::load_first(row + i * s.x.spatial[2], count));
        }
      });
      Vec<T>::store_first(to + first, sums.total(), count);
      continue;
    }
    const Index step = s.x.spatial[2];
    each_channel_row<T>(s, task, [&](const T* row) {
      for (Index i = 0; i < s.size[2]; i += W) {
        const int count = static_cast<int>(smaller(W, s.size[2] - i));
        if (step == 1) {
          sums.add(Vec<T>::load_first(row + i, count));
          continue;
        }
        A values[W] = {};
        for (int j = 0; j < count; ++j) values[j] = widen(row[(i + j) * step]);
        sums.add(Va::load(values));
      }
    });
    to[task] = Narrowed<T>::of(Va::sum(sums.total()));
  }
}
