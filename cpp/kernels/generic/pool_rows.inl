// Output rows in order, and the fetching of their input rows.
#pragma once

// Walks over output rows in order: image, channel, depth, height.
struct PoolRow {
  Index batch, channel, depth, height;

  static PoolRow at(const PoolProblem& p, Index row) {
    PoolRow r{};
    r.height = row % p.out[1];
    row /= p.out[1];
    r.depth = row % p.out[0];
    row /= p.out[0];
    r.channel = row % p.channels;
    r.batch = row / p.channels;
    return r;
  }
  // Output row of a channels-last task, which counts no channels.
  static PoolRow pixel_row(const PoolProblem& p, Index row) {
    PoolRow r{};
    r.height = row % p.out[1];
    row /= p.out[1];
    r.depth = row % p.out[0];
    r.batch = row / p.out[0];
    return r;
  }
  // Goes `rows` further, at most to the first row of the next depth or channel.
  void skip(const PoolProblem& p, Index rows) {
    height += rows;
    if (height < p.out[1]) return;
    height = 0;
    if (++depth < p.out[0]) return;
    depth = 0;
    if (++channel < p.channels) return;
    channel = 0;
    ++batch;
  }
};

template <class T>
static void pool_fill(T* p, Index count, T value) {
  using V = Vec<T>;
  const typename V::Reg all = V::set(value);
  Index i = 0;
  for (; i + V::width <= count; i += V::width) V::store(p + i, all);
  if (i < count) V::store_first(p + i, all, static_cast<int>(count - i));
}

static inline Index pool_offset(const Strides& s, const PoolRow& r, Index column) {
  return r.batch * s.batch + r.channel * s.channel + r.depth * s.spatial[0] +
         r.height * s.spatial[1] + column * s.spatial[2];
}

// to[i*step] = from[i], rounded to the element type of an output.
template <class S, class T>
static void scatter_strided(S* to, Index step, const T* from, Index count) {
  using V = Vec<T>;
  Index i = 0;
  if (step == 1) {
    for (; i + V::width <= count; i += V::width) Vec<S>::store(to + i, V::load(from + i));
  }
  for (; i < count; ++i) Vec<S>::store_first(to + i * step, V::load_first(from + i, 1), 1);
}
