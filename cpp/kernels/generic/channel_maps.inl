// What batch normalisation needs of every channel: sums of products, and affine maps.
//
// Arrays are (batch, channels, inner) without gaps; a task is a channel, whose rows of `inner`
// elements pass once, so memory decides the speed. Sums are kept in vectors of the element type for
// up to 64 steps, and then in double: means of millions of elements lose no digits. Against NumPy's
// passes over whole arrays this saves the temporary arrays, and threads share the channels.

// Calls visit(offset) for every row of a channel, in order.
template <class Visit>
static inline void each_inner_row(Index batch, Index channels, Index inner, Index channel,
                                  const Visit& visit) {
  for (Index n = 0; n < batch; ++n) visit((n * channels + channel) * inner);
}

template <class T>
static void channel_products(const void* context, Index begin, Index end, std::byte*) {
  using V = Vec<T>;
  constexpr Index W = V::width, kBlock = 64 * W;
  const ChannelProducts& job = *static_cast<const ChannelProducts*>(context);
  for (Index c = begin; c < end; ++c) {
    const typename V::Reg centre = V::set(static_cast<T>(job.centre[c]));
    double sum = 0.0, product = 0.0;
    each_inner_row(job.batch, job.channels, job.inner, c, [&](Index offset) {
      const T* x = static_cast<const T*>(job.x) + offset;
      const T* grad = job.grad == nullptr ? nullptr : static_cast<const T*>(job.grad) + offset;
      for (Index at = 0; at < job.inner; at += kBlock) {
        const Index stop = smaller(job.inner, at + kBlock);
        typename V::Reg sums[2] = {V::zero(), V::zero()}, products[2] = {V::zero(), V::zero()};
        const auto step = [&](Index i, int n, int slot) {
          // Elements behind the end must count as the centre, whose distance is 0.
          typename V::Reg distance = V::sub(V::load_first(x + i, n), centre);
          if (n < W) {
            T kept[W] = {};
            V::store_first(kept, distance, n);
            distance = V::load(kept);
          }
          const typename V::Reg first = grad == nullptr ? distance : V::load_first(grad + i, n);
          sums[slot] = V::add(sums[slot], first);
          products[slot] = V::fma(first, distance, products[slot]);
        };
        Index i = at;
        for (; i + 2 * W <= stop; i += 2 * W) {
          step(i, W, 0);
          step(i + W, W, 1);
        }
        for (; i < stop; i += W) step(i, static_cast<int>(smaller(W, stop - i)), 0);
        sum += static_cast<double>(V::sum(V::add(sums[0], sums[1])));
        product += static_cast<double>(V::sum(V::add(products[0], products[1])));
      }
    });
    job.sums[c] = sum;
    job.products[c] = product;
  }
}

template <class T>
static void channel_affine(const void* context, Index begin, Index end, std::byte*) {
  using V = Vec<T>;
  constexpr Index W = V::width;
  const ChannelAffine& job = *static_cast<const ChannelAffine*>(context);
  for (Index c = begin; c < end; ++c) {
    const typename V::Reg a = V::set(static_cast<T>(job.a[c])),
                          b = V::set(static_cast<T>(job.b[c]));
    const typename V::Reg shift = V::set(static_cast<T>(job.shift[c]));
    each_inner_row(job.batch, job.channels, job.inner, c, [&](Index offset) {
      const T* x = static_cast<const T*>(job.x) + offset;
      const T* z = job.z == nullptr ? nullptr : static_cast<const T*>(job.z) + offset;
      T* y = static_cast<T*>(job.y) + offset;
      for (Index i = 0; i < job.inner; i += W) {
        const int n = static_cast<int>(smaller(W, job.inner - i));
        typename V::Reg sum = V::fma(V::load_first(x + i, n), a, shift);
        if (z != nullptr) sum = V::fma(V::load_first(z + i, n), b, sum);
        V::store_first(y + i, sum, n);
      }
    });
  }
}

// A step of gradient descent; the arrays lie without gaps.
template <class T>
static void descend(const void* context, Index begin, Index end, std::byte*) {
  using V = Vec<T>;
  const Descent& job = *static_cast<const Descent*>(context);
  T* weight = static_cast<T*>(job.weight);
  T* velocity = static_cast<T*>(job.velocity);
  const T* grad = static_cast<const T*>(job.grad);
  const typename V::Reg rate = V::set(static_cast<T>(-job.rate));
  const typename V::Reg momentum = V::set(static_cast<T>(job.momentum));
  const typename V::Reg share = V::set(static_cast<T>(job.share));
  const typename V::Reg decay = V::set(static_cast<T>(job.decay));
  const Index last = smaller(job.count, end * kActivationBlock);
  for (Index i = begin * kActivationBlock; i < last; i += V::width) {
    const int n = static_cast<int>(smaller(V::width, last - i));
    const typename V::Reg w = V::load_first(weight + i, n);
    typename V::Reg g = V::load_first(grad + i, n);
    if (job.decay != 0.0) g = V::fma(w, decay, g);
    typename V::Reg direction = g;
    if (velocity != nullptr) {
      typename V::Reg v = g;
      if (!job.first) v = V::fma(momentum, V::load_first(velocity + i, n), V::mul(share, g));
      V::store_first(velocity + i, v, n);
      direction = job.nesterov ? V::fma(momentum, v, g) : v;
    }
    V::store_first(weight + i, V::fma(rate, direction, w), n);
  }
}
