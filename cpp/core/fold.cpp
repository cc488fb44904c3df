// unfold and fold.
//
// unfold: a task is one row of the columns (one tap of one channel), written front to back: per row
// of positions the part that lies inside the image is copied, the rest zeroed. The image is re-read
// once per tap from cache, the columns, which are taps times larger, stream out once. fold: a task
// is one row of the image, which stays in the first-level cache while every tap that meets it is
// added in a fixed order; so the columns are read once and rows are independent. Scattering tap by
// tap over the whole image would read and write it once per tap.
#include "core/fold.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/config.h"
#include "core/parallel.h"
#include "core/unit.h"

namespace fastconv {
namespace {

constexpr Index kElementsPerThread = 32768;
constexpr Index kLargest = Index{1} << 60;

template <class T>
struct FoldJob {
  const FoldProblem& p;
  const T* from;
  T* to;
};

// to[o] = row[o*stride + offset] where that lies inside the row, else 0.
template <class T>
void unfold_row(const FoldProblem& p, const T* row, T* to, Index offset) {
  const Index step = p.image[3], out_step = p.columns[2], stride = p.stride[1];
  const Range inside = outputs_inside(p.out[1], p.in[1], stride, offset);
  if (out_step == 1) {
    std::fill(to, to + inside.lo, T(0));
    std::fill(to + inside.hi, to + p.out[1], T(0));
    const T* from = row + (inside.lo * stride + offset) * step;
    if (stride * step == 1) {
      std::copy(from, from + (inside.hi - inside.lo), to + inside.lo);
      return;
    }
  }
  for (Index o = 0; o < p.out[1]; ++o) {
    const bool in = o >= inside.lo && o < inside.hi;
    to[o * out_step] = in ? row[(o * stride + offset) * step] : T(0);
  }
}

template <class T>
void unfold_rows(const void* context, Index begin, Index end, std::byte*) {
  const FoldJob<T>& job = *static_cast<const FoldJob<T>*>(context);
  const FoldProblem& p = job.p;
  const Index taps = p.taps();
  for (Index task = begin; task < end; ++task) {
    const Index tap = task % taps, channel = task / taps % p.channels;
    const Index batch = task / taps / p.channels;
    const T* plane = job.from + batch * p.image[0] + channel * p.image[1];
    T* row = job.to + batch * p.columns[0] + (channel * taps + tap) * p.columns[1];
    const Index offset = tap % p.kernel[1] * p.dilation[1] - p.pad_lo[1];
    for (Index o = 0; o < p.out[0]; ++o) {
      const Index h = o * p.stride[0] + tap / p.kernel[1] * p.dilation[0] - p.pad_lo[0];
      T* to = row + o * p.out[1] * p.columns[2];
      if (h >= 0 && h < p.in[0]) {
        unfold_row(p, plane + h * p.image[2], to, offset);
      } else {
        for (Index i = 0; i < p.out[1]; ++i) to[i * p.columns[2]] = T(0);
      }
    }
  }
}

// Calls visit(tap, row of positions, positions, image column of the first) for every tap whose
// windows meet image row h.
template <class Visit>
void each_tap_of_row(const FoldProblem& p, Index h, const Visit& visit) {
  for (Index i = 0; i < p.kernel[0]; ++i) {
    const Index above = h + p.pad_lo[0] - i * p.dilation[0];
    if (above < 0 || above % p.stride[0] != 0 || above / p.stride[0] >= p.out[0]) continue;
    for (Index j = 0; j < p.kernel[1]; ++j) {
      const Index offset = j * p.dilation[1] - p.pad_lo[1];
      const Range inside = outputs_inside(p.out[1], p.in[1], p.stride[1], offset);
      visit(i * p.kernel[1] + j, above / p.stride[0], inside, inside.lo * p.stride[1] + offset);
    }
  }
}

template <class T>
void fold_rows(const void* context, Index begin, Index end, std::byte*) {
  const FoldJob<T>& job = *static_cast<const FoldJob<T>*>(context);
  const FoldProblem& p = job.p;
  for (Index task = begin; task < end; ++task) {
    const Index h = task % p.in[0], channel = task / p.in[0] % p.channels;
    const Index batch = task / p.in[0] / p.channels;
    T* image = job.to + batch * p.image[0] + channel * p.image[1] + h * p.image[2];
    for (Index w = 0; w < p.in[1]; ++w) image[w * p.image[3]] = T(0);
    each_tap_of_row(p, h, [&](Index tap, Index row, Range inside, Index first) {
      const T* column = job.from + batch * p.columns[0] +
                        (channel * p.taps() + tap) * p.columns[1] +
                        (row * p.out[1] + inside.lo) * p.columns[2];
      const Index count = inside.hi - inside.lo, step = p.stride[1] * p.image[3];
      T* to = image + first * p.image[3];
      if (step == 1 && p.columns[2] == 1) {
        for (Index o = 0; o < count; ++o) to[o] += column[o];
      } else {
        for (Index o = 0; o < count; ++o) to[o * step] += column[o * p.columns[2]];
      }
    });
  }
}

// As fold_rows, for 16-bit elements: columns are widened and summed in float32, and each sum is
// rounded once.
void fold_rows_narrow(const void* context, Index begin, Index end, std::byte* scratch) {
  const FoldJob<std::uint16_t>& job = *static_cast<const FoldJob<std::uint16_t>*>(context);
  const FoldProblem& p = job.p;
  const DTypeTable& table = find_unit(active_isa())->table[static_cast<int>(p.dtype)];
  auto* sums = reinterpret_cast<float*>(scratch);
  auto* column = sums + p.in[1];
  for (Index task = begin; task < end; ++task) {
    const Index h = task % p.in[0], channel = task / p.in[0] % p.channels;
    const Index batch = task / p.in[0] / p.channels;
    std::fill(sums, sums + p.in[1], 0.0f);
    each_tap_of_row(p, h, [&](Index tap, Index row, Range inside, Index first) {
      const Index at = batch * p.columns[0] + (channel * p.taps() + tap) * p.columns[1] +
                       (row * p.out[1] + inside.lo) * p.columns[2];
      const Index count = inside.hi - inside.lo, step = p.stride[1];
      table.widen(column, job.from + at, p.columns[2], count);
      for (Index o = 0; o < count; ++o) sums[first + o * step] += column[o];
    });
    table.narrow(job.to + batch * p.image[0] + channel * p.image[1] + h * p.image[2], p.image[3],
                 sums, p.in[1]);
  }
}

int useful_threads(Index tasks, Index elements) {
  return static_cast<int>(
      larger(1, smaller(smaller(tasks, max_threads()), elements / kElementsPerThread)));
}

template <class T>
bool run(const FoldProblem& p, Index tasks, const void* from, void* to,
         void (*kernel)(const void*, Index, Index, std::byte*), std::size_t scratch_bytes = 0) {
  const FoldJob<T> job{p, static_cast<const T*>(from), static_cast<T*>(to)};
  const Phase phase{tasks, kernel};
  const Index elements = p.batch * p.channels * p.taps() * p.positions();
  // Without scratch memory nothing can fail.
  return run_phases(useful_threads(tasks, elements), &phase, 1, &job, scratch_bytes);
}

template <class T>
struct UnpoolJob {
  const UnpoolProblem& p;
  const T* x;
  const Index* indices;
  T* y;
};

// Calls visit(element offset in x, offset in indices) for every element of a plane, in order.
template <class Visit>
void each_element(const UnpoolProblem& p, Index plane, Visit visit) {
  const Index batch = plane / p.channels, channel = plane % p.channels;
  const Index x0 = batch * p.x.batch + channel * p.x.channel;
  const Index i0 = batch * p.indices.batch + channel * p.indices.channel;
  for (Index d = 0; d < p.in[0]; ++d) {
    for (Index h = 0; h < p.in[1]; ++h) {
      const Index x = x0 + d * p.x.spatial[0] + h * p.x.spatial[1];
      const Index i = i0 + d * p.indices.spatial[0] + h * p.indices.spatial[1];
      for (Index w = 0; w < p.in[2]; ++w) {
        visit(x + w * p.x.spatial[2], i + w * p.indices.spatial[2]);
      }
    }
  }
}

template <class T>
void unpool_planes(const void* context, Index begin, Index end, std::byte*) {
  const UnpoolJob<T>& job = *static_cast<const UnpoolJob<T>*>(context);
  const Index size = job.p.out.product();
  for (Index plane = begin; plane < end; ++plane) {
    T* y = job.y + plane * size;
    std::fill(y, y + size, T(0));
    each_element(job.p, plane, [&](Index x, Index i) {
      // run_unpool has checked it, but another thread of the caller's may have written it since.
      const Index at = job.indices[i];
      if (at >= 0 && at < size) y[at] = job.x[x];
    });
  }
}

template <class T>
void run_unpool_as(const UnpoolProblem& p, const void* x, const Index* indices, void* y) {
  const UnpoolJob<T> job{p, static_cast<const T*>(x), indices, static_cast<T*>(y)};
  const Index planes = p.batch * p.channels;
  const Phase phase{planes, unpool_planes<T>};
  (void)run_phases(useful_threads(planes, planes * p.out.product()), &phase, 1, &job, 0);
}

Status at_least(const char* name, int axis, Index value, Index least) {
  if (value >= least && value <= kLargest) return {};
  return Status::error(StatusCode::value, std::string(name) + " must be at least " +
                                              std::to_string(least) + " and fit into memory, got " +
                                              std::to_string(value) + " on spatial axis " +
                                              std::to_string(axis) +
                                              "; pass a number in that range");
}

}  // namespace

Status infer_positions(FoldProblem& p) {
  for (int a = 0; a < 2; ++a) {
    const struct {
      const char* name;
      Index value, least;
    } sizes[] = {{"kernel_size", p.kernel[a], 1}, {"stride", p.stride[a], 1},
                 {"dilation", p.dilation[a], 1},  {"padding", p.pad_lo[a], 0},
                 {"padding", p.pad_hi[a], 0},     {"output_size", p.in[a], 1}};
    for (const auto& size : sizes) {
      if (Status s = at_least(size.name, a, size.value, size.least); !s.ok()) return s;
    }
    if (p.kernel[a] > 1 && p.dilation[a] > kLargest / (p.kernel[a] - 1)) {
      return Status::error(StatusCode::value,
                           "kernel_size " + std::to_string(p.kernel[a]) + " with dilation " +
                               std::to_string(p.dilation[a]) +
                               " covers more than memory; use a smaller kernel_size or dilation");
    }
    p.out[a] = conv_output_size(p.in[a], p.kernel[a], p.stride[a], p.dilation[a], p.pad_lo[a],
                                p.pad_hi[a]);
    if (p.out[a] < 1) {
      return Status::error(StatusCode::shape,
                           "the window does not fit the image: size " + std::to_string(p.in[a]) +
                               " with padding (" + std::to_string(p.pad_lo[a]) + ", " +
                               std::to_string(p.pad_hi[a]) + ") on spatial axis " +
                               std::to_string(a) + ", the kernel covers " +
                               std::to_string(dilated_extent(p.kernel[a], p.dilation[a])) +
                               "; use a smaller kernel_size or dilation, or add padding");
    }
  }
  Index total = 1;
  for (const Index size : {p.batch, p.channels, p.kernel[0], p.kernel[1], p.out[0], p.out[1]}) {
    if (size != 0 && total > kLargest / 8 / size) {
      return Status::error(
          StatusCode::memory,
          "the columns have more elements than memory can hold; use a larger stride "
          "or unfold parts of the image");
    }
    total *= size;
  }
  return {};
}

Status run_unfold(const FoldProblem& p, const void* image, void* columns) {
  const Index tasks = p.batch * p.channels * p.taps();
  switch (element_size(p.dtype)) {  // elements are moved, whatever their bits mean
    case 2:
      run<std::uint16_t>(p, tasks, image, columns, unfold_rows<std::uint16_t>);
      break;
    case 4:
      run<std::uint32_t>(p, tasks, image, columns, unfold_rows<std::uint32_t>);
      break;
    default:
      run<std::uint64_t>(p, tasks, image, columns, unfold_rows<std::uint64_t>);
  }
  return {};
}

Status run_fold(const FoldProblem& p, const void* columns, void* image) {
  const Index tasks = p.batch * p.channels * p.in[0];
  if (p.dtype == DType::float32) {
    run<float>(p, tasks, columns, image, fold_rows<float>);
  } else if (p.dtype == DType::float64) {
    run<double>(p, tasks, columns, image, fold_rows<double>);
  } else {
    const auto bytes = static_cast<std::size_t>(p.in[1] + p.out[1]) * sizeof(float);
    if (!run<std::uint16_t>(p, tasks, columns, image, fold_rows_narrow, bytes)) {
      return Status::error(StatusCode::memory,
                           "no memory for " + std::to_string(bytes) +
                               " bytes per thread, a row of sums; use fewer threads");
    }
  }
  return {};
}

Status run_unpool(const UnpoolProblem& p, const void* x, const Index* indices, void* y) {
  const Index size = p.out.product();
  Index lowest = 0, highest = 0;
  for (Index plane = 0; plane < p.batch * p.channels; ++plane) {
    each_element(p, plane, [&](Index, Index i) {
      lowest = smaller(lowest, indices[i]);
      highest = larger(highest, indices[i]);
    });
  }
  if (lowest < 0 || highest >= size) {
    return Status::error(StatusCode::value,
                         "indices must lie between 0 and " + std::to_string(size - 1) +
                             ", positions in the output plane, got " +
                             std::to_string(lowest < 0 ? lowest : highest) +
                             "; pass the output_size that max pooling had as input");
  }
  switch (element_size(p.dtype)) {
    case 2:
      run_unpool_as<std::uint16_t>(p, x, indices, y);
      break;
    case 4:
      run_unpool_as<std::uint32_t>(p, x, indices, y);
      break;
    default:
      run_unpool_as<std::uint64_t>(p, x, indices, y);
  }
  return {};
}

}  // namespace fastconv
