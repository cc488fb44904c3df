// unfold, fold and max unpooling.
#include "arguments.h"
#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "unpool_call.h"

namespace fastconv::bind {
namespace {

enum FoldArgument { kX, kKernelSize, kDilation, kPadding, kStride, kOutputSize, kFoldArguments };

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

PyObject* max_unpool(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"max_unpool", kUnpoolX}, args, count, [&]() -> PyObject* {
    check_argument_count(count, kUnpoolArguments);
    const UnpoolCall call = parse_unpool(args);
    Index sizes[kMostDims];
    const int ndim = tensor_sizes(call.shape, call.rank, call.problem.out, sizes);
    py::object result = new_array(call.problem.dtype, ndim, sizes);
    const ArrayView y = view_own(result, call.problem.dtype);
    check(backend::unpool(call.problem, call.x.data, call.indices.data, y.data));
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
