#include "unpool_call.h"

namespace fastconv::bind {
namespace {

Index unpooled_size(Index in, Index kernel, Index stride, Index lo, Index hi) {
  return (in - 1) * stride - lo - hi + kernel;
}

// The spatial sizes wanted: by default the smallest that pool to x, else within one stride of that.
Axes parse_unpooled(PyObject* object, const TensorShape& shape, int rank, const Axes& usual,
                    const Axes& stride) {
  if (object == Py_None) return usual;
  const int first = kAxes - rank;
  Axes out = usual;
  if (!PyTuple_Check(object) && !PyList_Check(object)) {
    fail(ErrorKind::type, "output_size must be a tuple of sizes or None, got " +
                              std::string(Py_TYPE(object)->tp_name) +
                              "; pass the spatial sizes of the input of max pooling");
  }
  const py::tuple items = items_of(object);
  const Py_ssize_t count = PyTuple_GET_SIZE(items.ptr());
  const Py_ssize_t whole = rank + (shape.unbatched ? 1 : 2);
  if (count != rank && count != whole) {
    fail(ErrorKind::shape, "output_size must have " + std::to_string(rank) + " entries (or " +
                               std::to_string(whole) + ", the whole shape), got " +
                               std::to_string(count) + "; pass the spatial sizes");
  }
  for (int a = first; a < kAxes; ++a) {
    out[a] = parse_int(PyTuple_GET_ITEM(items.ptr(), count - rank + a - first), "output_size");
    if (out[a] <= usual[a] - stride[a] || out[a] >= usual[a] + stride[a]) {
      fail(ErrorKind::shape, "output_size must lie between " +
                                 std::to_string(usual[a] - stride[a] + 1) + " and " +
                                 std::to_string(usual[a] + stride[a] - 1) + " on spatial axis " +
                                 std::to_string(a - first) + ", got " + std::to_string(out[a]) +
                                 "; pass the input size of the pooling");
    }
  }
  return out;
}

void check_range(const Axes& values, const char* name, int rank, Index least) {
  constexpr Index kLargest = Index{1} << 30;
  for (int a = kAxes - rank; a < kAxes; ++a) {
    if (values[a] >= least && values[a] <= kLargest) continue;
    fail(ErrorKind::value, std::string(name) + " must be between " + std::to_string(least) +
                               " and " + std::to_string(kLargest) + ", got " +
                               std::to_string(values[a]) + "; pass the options of the max pooling");
  }
}

}  // namespace

UnpoolCall parse_unpool(PyObject* const* args) {
  UnpoolCall call{};
  const int rank = call.rank = static_cast<int>(parse_int(args[kUnpoolRank], "rank"));
  const ArrayView x = call.x = view_array(args[kUnpoolX], "x");
  const TensorShape shape = call.shape =
      tensor_shape(x, rank, "max_unpool" + std::to_string(rank) + "d");
  const IndexView indices = call.indices = view_indices(args[kIndices], x, "x");
  const Axes kernel = parse_axes(args[kUnpoolKernelSize], "kernel_size", rank, 1);
  const Axes stride = is_default_stride(args[kUnpoolStride])
                          ? kernel
                          : parse_axes(args[kUnpoolStride], "stride", rank, 1);
  const Axes ones{{1, 1, 1}};
  const Padding padding = parse_padding(args[kUnpoolPadding], rank, kernel, stride, ones, true);
  check_range(kernel, "kernel_size", rank, 1);
  check_range(stride, "stride", rank, 1);
  check_range(padding.lo, "padding", rank, 0);
  check_range(padding.hi, "padding", rank, 0);
  for (int a = kAxes - rank; a < kAxes; ++a) {
    if (larger(padding.lo[a], padding.hi[a]) > kernel[a] / 2) {
      fail(ErrorKind::value, "padding must be at most half of the kernel, got " +
                                 std::to_string(larger(padding.lo[a], padding.hi[a])) +
                                 " for kernel_size " + std::to_string(kernel[a]) +
                                 "; pass the options of the max pooling");
    }
  }
  if (shape.channels < 1 || shape.spatial.product() < 1) {
    fail(ErrorKind::shape, "x has shape " + x.shape_text() +
                               "; max_unpool needs at least one channel and one element along "
                               "every spatial axis, only the batch may be empty");
  }

  UnpoolProblem& p = call.problem;
  p.dtype = x.dtype;
  p.batch = shape.batch;
  p.channels = shape.channels;
  p.in = shape.spatial;
  Axes usual{{1, 1, 1}};
  for (int a = kAxes - rank; a < kAxes; ++a) {
    if (p.in[a] > (Index{1} << 60) / stride[a]) {
      fail(ErrorKind::memory, "x has shape " + x.shape_text() + "; with stride " +
                                  std::to_string(stride[a]) +
                                  " the output has more elements than memory can hold");
    }
    usual[a] = unpooled_size(p.in[a], kernel[a], stride[a], padding.lo[a], padding.hi[a]);
  }
  p.out = parse_unpooled(args[kUnpoolOutputSize], shape, rank, usual, stride);
  for (int a = kAxes - rank; a < kAxes; ++a) {
    if (p.out[a] < 1) {
      fail(ErrorKind::shape,
           "the output is empty on spatial axis " + std::to_string(a - (kAxes - rank)) + " (size " +
               std::to_string(p.out[a]) + "); use less padding or a larger kernel_size");
    }
  }
  p.x = tensor_strides(x.strides, shape.unbatched, rank);
  p.indices = tensor_strides(indices.strides, shape.unbatched, rank);
  return call;
}

}  // namespace fastconv::bind
