// A batch of channels of planes, as the caller laid it out: (N, C, *spatial), or without N.
#pragma once

#include "array_view.h"

namespace fastconv::bind {

struct TensorShape {
  bool unbatched = false;
  Index batch = 0, channels = 0;
  Axes spatial{{1, 1, 1}};

  int channel_axis() const { return unbatched ? 0 : 1; }
};

// `function` is the caller's name with its rank, for messages.
inline TensorShape tensor_shape(const ArrayView& x, int rank, const std::string& function) {
  if (x.ndim != rank + 2 && x.ndim != rank + 1) {
    fail(ErrorKind::shape, "x has shape " + x.shape_text() + "; " + function + " needs " +
                               std::to_string(rank + 2) + " axes (batch, channels, and " +
                               std::to_string(rank) + " spatial), or one fewer without the batch");
  }
  TensorShape s;
  s.unbatched = x.ndim == rank + 1;
  int at = 0;
  s.batch = s.unbatched ? 1 : x.shape[at++];
  s.channels = x.shape[at++];
  for (int a = kAxes - rank; a < kAxes; ++a) s.spatial[a] = x.shape[at++];
  return s;
}

// Shape of an array like the input but for its spatial sizes; returns the number of axes.
inline int tensor_sizes(const TensorShape& s, int rank, const Axes& spatial, Index* shape) {
  int ndim = 0;
  if (!s.unbatched) shape[ndim++] = s.batch;
  shape[ndim++] = s.channels;
  for (int a = kAxes - rank; a < kAxes; ++a) shape[ndim++] = spatial[a];
  return ndim;
}

inline Strides tensor_strides(const Index* strides, bool unbatched, int rank) {
  Strides s{};
  int at = 0;
  s.batch = unbatched ? 0 : strides[at++];
  s.channel = strides[at++];
  for (int a = kAxes - rank; a < kAxes; ++a) s.spatial[a] = strides[at++];
  return s;
}

// The stride of a pooling that is not given, None or (), is the kernel size.
inline bool is_default_stride(PyObject* stride) {
  return stride == Py_None || (PyTuple_Check(stride) && PyTuple_GET_SIZE(stride) == 0) ||
         (PyList_Check(stride) && PyList_GET_SIZE(stride) == 0);
}

inline void check_argument_count(Py_ssize_t count, Py_ssize_t expected) {
  if (count == expected) return;
  fail(ErrorKind::type,
       "expected " + std::to_string(expected) + " arguments, got " + std::to_string(count));
}

// Whether the channels lie side by side, so that results should as well.
inline bool is_channels_last(const ArrayView& x, const TensorShape& s) {
  return !x.c_contiguous && s.channels > 1 && x.strides[s.channel_axis()] == 1;
}

}  // namespace fastconv::bind
