// unfold, fold and max unpooling.
#include <cstdlib>

#include "arguments.h"
#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "index_view.h"
#include "tensor.h"

namespace fastconv::bind {
namespace {

enum FoldArgument { kX, kKernelSize, kDilation, kPadding, kStride, kOutputSize, kFoldArguments };

enum UnpoolArgument {
  kUnpoolRank,
  kUnpoolX,
  kIndices,
  kUnpoolKernelSize,
  kUnpoolStride,
  kUnpoolPadding,
  kUnpoolOutputSize,
  kUnpoolArguments
};

void read_window(PyObject* const* args, FoldProblem& p) {
  const Axes kernel = parse_axes(args[kKernelSize], "kernel_size", 2, 1);
  const Axes dilation = parse_axes(args[kDilation], "dilation", 2, 1);
  const Axes stride = parse_axes(args[kStride], "stride", 2, 1);
  const Padding padding = parse_padding(args[kPadding], 2, kernel, stride, dilation, true);
  for (int a = 0; a < 2; ++a) {
    p.kernel[a] = kernel[a + 1];
    p.dilation[a] = dilation[a + 1];
    p.stride[a] = stride[a + 1];
    p.pad_lo[a] = padding.lo[a + 1];
    p.pad_hi[a] = padding.hi[a + 1];
  }
}

void set_image_strides(const ArrayView& image, FoldProblem& p) {
  const int first = image.ndim == 3 ? 1 : 0;
  for (int i = first; i < 4; ++i) p.image[i] = image.strides[i - first];
}

void set_column_strides(const ArrayView& columns, FoldProblem& p) {
  const int first = columns.ndim == 2 ? 1 : 0;
  for (int i = first; i < 3; ++i) p.columns[i] = columns.strides[i - first];
}

PyObject* unfold(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"unfold", kX}, args, count, [&]() -> PyObject* {
    check_argument_count(count, kFoldArguments - 1);
    const ArrayView x = view_array(args[kX], "x");
    const TensorShape shape = tensor_shape(x, 2, "unfold");
    FoldProblem p;
    p.dtype = x.dtype;
    p.batch = shape.batch;
    p.channels = shape.channels;
    p.in[0] = shape.spatial[1];
    p.in[1] = shape.spatial[2];
    if (p.channels < 1 || p.in[0] < 1 || p.in[1] < 1) {
      fail(ErrorKind::shape, "x has shape " + x.shape_text() +
                                 "; unfold needs at least one channel, row and column, only the "
                                 "batch may be empty");
    }
    read_window(args, p);
    check(infer_positions(p));
    Index sizes[3] = {p.batch, p.channels * p.taps(), p.positions()};
    const int skip = shape.unbatched ? 1 : 0;
    py::object result = new_array(p.dtype, 3 - skip, sizes + skip);
    const ArrayView y = view_own(result, p.dtype);
    set_image_strides(x, p);
    set_column_strides(y, p);
    check(backend::unfold(p, x.data, y.data));
    return result.release().ptr();
  });
}

// Columns must be those of an unfolded image of this size.
void check_columns(const ArrayView& x, const FoldProblem& p, Index rows, Index positions) {
  if (rows < 1 || rows % p.taps() != 0) {
    fail(ErrorKind::shape, "x has shape " + x.shape_text() + " with " + std::to_string(rows) +
                               " rows; fold needs a multiple of the " + std::to_string(p.taps()) +
                               " elements of kernel_size: (N, C*kh*kw, L) or (C*kh*kw, L)");
  }
  if (positions != p.positions()) {
    fail(ErrorKind::shape,
         "x has shape " + x.shape_text() + " with " + std::to_string(positions) +
             " columns; an image of output_size (" + std::to_string(p.in[0]) + ", " +
             std::to_string(p.in[1]) + ") has " + std::to_string(p.positions()) +
             " window positions: change output_size, stride, padding or dilation");
  }
}

PyObject* fold(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"fold", kX}, args, count, [&]() -> PyObject* {
    check_argument_count(count, kFoldArguments);
    const ArrayView x = view_array(args[kX], "x");
    if (x.ndim != 2 && x.ndim != 3) {
      fail(ErrorKind::shape,
           "x has shape " + x.shape_text() + "; fold needs (N, C*kh*kw, L) or (C*kh*kw, L)");
    }
    FoldProblem p;
    p.dtype = x.dtype;
    const bool unbatched = x.ndim == 2;
    const Index rows = x.shape[unbatched ? 0 : 1], positions = x.shape[unbatched ? 1 : 2];
    const Axes image = parse_axes(args[kOutputSize], "output_size", 2, 1);
    p.in[0] = image[1];
    p.in[1] = image[2];
    p.batch = unbatched ? 1 : x.shape[0];
    p.channels = 1;
    read_window(args, p);
    check(infer_positions(p));
    check_columns(x, p, rows, positions);
    p.channels = rows / p.taps();
    Index sizes[4] = {p.batch, p.channels, p.in[0], p.in[1]};
    const int skip = unbatched ? 1 : 0;
    py::object result = new_array(p.dtype, 4 - skip, sizes + skip);
    const ArrayView y = view_own(result, p.dtype);
    set_image_strides(y, p);
    set_column_strides(x, p);
    check(backend::fold(p, x.data, y.data));
    return result.release().ptr();
  });
}

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

PyObject* max_unpool(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"max_unpool", kUnpoolX}, args, count, [&]() -> PyObject* {
    check_argument_count(count, kUnpoolArguments);
    const int rank = static_cast<int>(parse_int(args[kUnpoolRank], "rank"));
    const ArrayView x = view_array(args[kUnpoolX], "x");
    const TensorShape shape = tensor_shape(x, rank, "max_unpool" + std::to_string(rank) + "d");
    const IndexView indices = view_indices(args[kIndices], x, "x");
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

    UnpoolProblem p;
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
        fail(ErrorKind::shape, "the output is empty on spatial axis " +
                                   std::to_string(a - (kAxes - rank)) + " (size " +
                                   std::to_string(p.out[a]) +
                                   "); use less padding or a larger kernel_size");
      }
    }
    p.x = tensor_strides(x.strides, shape.unbatched, rank);
    p.indices = tensor_strides(indices.strides, shape.unbatched, rank);
    Index sizes[kMostDims];
    const int ndim = tensor_sizes(shape, rank, p.out, sizes);
    py::object result = new_array(p.dtype, ndim, sizes);
    const ArrayView y = view_own(result, p.dtype);
    check(backend::unpool(p, x.data, indices.data, y.data));
    return result.release().ptr();
  });
}

}  // namespace

void bind_fold(py::module_& m) {
  add_fast_function(m, "unfold", unfold, "unfold(x, kernel_size, dilation, padding, stride)");
  add_fast_function(m, "fold", fold,
                    "fold(x, kernel_size, dilation, padding, stride, output_size)");
  add_fast_function(m, "max_unpool", max_unpool,
                    "max_unpool(rank, x, indices, kernel_size, stride, padding, output_size)");
}

}  // namespace fastconv::bind
