// unfold (im2col) and fold (col2im).
//
// unfold: a thread per window of one channel, which it writes element by element: neighbouring
// threads hold neighbouring positions, so every store of a warp is one piece of a row of columns,
// and what windows share comes from the first-level cache. The window's place is computed once for
// all of its elements; a thread per element would spend more instructions on places than the memory
// has time for.
//
// fold: a thread per element of the image gathers, in a fixed order, the columns of the windows in
// which it lies: each sum stays in a register, each column is read once. Only kernel elements that
// meet the stride are visited (first_tap).
//
// Both lose where channels lie side by side in the image: loads then skip a pixel for each thread.
//
// Not yet run on hardware.
#pragma once

#include "core/fold.h"
#include "cuda/kernels/axis_walk.cuh"
#include "cuda/kernels/elements.cuh"

namespace fastconv::cuda {

inline constexpr int kFoldThreads = 256;

struct FoldTask {
  Elements elements;  // windows (unfold) or elements of the image (fold), as planes of axes 1 and 2
  Divider stride[2];
  Index in[2], out[2], kernel[2], dilation[2], pad[2];
  Index tap_step[2];  // every tap_step-th kernel element meets an element of the image
  Index image[4], columns[3];
};

inline FoldTask fold_task(const FoldProblem& p, bool windows) {
  const Index* size = windows ? p.out : p.in;
  FoldTask t{Elements(p.batch, p.channels, {{1, size[0], size[1]}}, false),
             {Divider(p.stride[0]), Divider(p.stride[1])},
             {p.in[0], p.in[1]},
             {p.out[0], p.out[1]},
             {p.kernel[0], p.kernel[1]},
             {p.dilation[0], p.dilation[1]},
             {p.pad_lo[0], p.pad_lo[1]},
             {},
             {},
             {}};
  for (int a = 0; a < 2; ++a) {
    t.tap_step[a] = p.stride[a] / greatest_common_divisor(p.stride[a], p.dilation[a]);
  }
  for (int i = 0; i < 4; ++i) t.image[i] = p.image[i];
  for (int i = 0; i < 3; ++i) t.columns[i] = p.columns[i];
  return t;
}

// T is an unsigned integer of the element's size: elements are moved, whatever their bits mean.
template <class T>
__global__ void __launch_bounds__(kFoldThreads)
    unfold_windows(const FoldTask t, const T* __restrict__ image, T* __restrict__ columns) {
  const Index thread = static_cast<Index>(blockIdx.x) * kFoldThreads + threadIdx.x;
  if (thread >= t.elements.count()) return;
  const Place o = t.elements.place(thread);
  const Index top = o.at[1] * t.stride[0].divisor() - t.pad[0];
  const Index left = o.at[2] * t.stride[1].divisor() - t.pad[1];
  const T* plane = image + o.batch * t.image[0] + o.channel * t.image[1];
  T* to = columns + o.batch * t.columns[0] + o.channel * t.kernel[0] * t.kernel[1] * t.columns[1] +
          (o.at[1] * t.out[1] + o.at[2]) * t.columns[2];
  const T* row = plane + top * t.image[2] + left * t.image[3];
  const Index across = t.dilation[1] * t.image[3];
  Index h = top;
  for (Index i = 0; i < t.kernel[0]; ++i) {
    const bool inside = h >= 0 && h < t.in[0];
    const T* from = row;
    Index w = left;
    for (Index j = 0; j < t.kernel[1]; ++j) {
      *to = inside && w >= 0 && w < t.in[1] ? *from : T(0);
      to += t.columns[1];
      from += across;
      w += t.dilation[1];
    }
    row += t.dilation[0] * t.image[2];
    h += t.dilation[0];
  }
}

template <class T>
__global__ void __launch_bounds__(kFoldThreads)
    fold_elements(const FoldTask t, const T* __restrict__ columns, T* __restrict__ image) {
  const Index thread = static_cast<Index>(blockIdx.x) * kFoldThreads + threadIdx.x;
  if (thread >= t.elements.count()) return;
  const Place e = t.elements.place(thread);
  const Index down = e.at[1] + t.pad[0], right = e.at[2] + t.pad[1];
  const T* from =
      columns + e.batch * t.columns[0] + e.channel * t.kernel[0] * t.kernel[1] * t.columns[1];
  const Index first = first_tap(t.stride[1], t.kernel[1], t.tap_step[1], t.dilation[1], right);
  Acc<T> sum = 0;
  for (Index i = first_tap(t.stride[0], t.kernel[0], t.tap_step[0], t.dilation[0], down);
       i < t.kernel[0]; i += t.tap_step[0]) {
    const Index above = down - i * t.dilation[0];
    if (above < 0) break;
    const Index row = t.stride[0].quotient(above);
    if (row >= t.out[0]) continue;
    for (Index j = first; j < t.kernel[1]; j += t.tap_step[1]) {
      const Index before = right - j * t.dilation[1];
      if (before < 0) break;
      const Index col = t.stride[1].quotient(before);
      if (col >= t.out[1]) continue;
      sum += to_acc(
          from[(i * t.kernel[1] + j) * t.columns[1] + (row * t.out[1] + col) * t.columns[2]]);
    }
  }
  image[e.batch * t.image[0] + e.channel * t.image[1] + e.at[1] * t.image[2] +
        e.at[2] * t.image[3]] = from_acc<T>(sum);
}

}  // namespace fastconv::cuda
