#include "cuda_gradients.h"

#include <algorithm>

#include "bind_errors.h"
#include "bindings.h"
#include "pool_call.h"
#include "unpool_call.h"

namespace fastconv::bind {
namespace {

enum NormArgument {
  kRank,
  kGradOutput,
  kX,
  kNormType,
  kKernelSize,
  kStride,
  kCeilMode,
  kNormArguments
};

PyObject* lp_pool_backward(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"lp_pool_backward", kX}, args, count, [&]() -> PyObject* {
    check_argument_count(count, kNormArguments);
    const py::int_ kind(static_cast<int>(PoolKind::lp)), none(0), one(1);
    PoolCall call = parse_pool(args[kRank], kind.ptr(), args[kX],
                               {args[kKernelSize], args[kStride], none.ptr(), one.ptr(),
                                args[kCeilMode], Py_True, Py_None, args[kNormType]});
    const ArrayView grad = view_pooled_gradient(call, args[kGradOutput]);
    ArrayView to;
    py::object result = new_input_gradient(call, to);
    if (grad.size() == 0) {
      fill_zero(to);
      return result.release().ptr();
    }
    check(backend::pool_gradient(
        call.problem, tensor_strides(to.strides, call.shape.unbatched, call.problem.rank),
        grad.data, call.x.data, nullptr, to.data));
    return result.release().ptr();
  });
}

// Arguments: grad_output, then those of max_unpool.
PyObject* max_unpool_backward(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"max_unpool_backward", 1 + kUnpoolX}, args, count, [&]() -> PyObject* {
    check_argument_count(count, 1 + kUnpoolArguments);
    UnpoolCall call = parse_unpool(args + 1);
    const ArrayView grad = view_array(args[0], "grad_output");
    check_same_dtype(grad, "grad_output", call.x, "x");
    Index sizes[kMostDims];
    const int ndim = tensor_sizes(call.shape, call.rank, call.problem.out, sizes);
    if (grad.ndim != ndim || !std::equal(sizes, sizes + ndim, grad.shape)) {
      fail(ErrorKind::shape, "grad_output has shape " + grad.shape_text() +
                                 ", but the unpooled array has " + shape_text(ndim, sizes) +
                                 "; pass the gradient of that, and the options of the unpooling");
    }
    py::object result = new_array(call.x.dtype, call.x.ndim, call.x.shape);
    const ArrayView to = view_own(result, call.x.dtype);
    if (to.size() == 0) return result.release().ptr();
    call.problem.x = tensor_strides(to.strides, call.shape.unbatched, call.rank);
    check(backend::unpool_gradient(call.problem,
                                   tensor_strides(grad.strides, call.shape.unbatched, call.rank),
                                   grad.data, call.indices.data, to.data));
    return result.release().ptr();
  });
}

}  // namespace

void bind_cuda_gradients(py::module_& m) {
  add_fast_function(m, "lp_pool_backward", lp_pool_backward,
                    "lp_pool_backward(rank, grad_output, x, norm_type, kernel_size, stride, "
                    "ceil_mode)");
  add_fast_function(m, "max_unpool_backward", max_unpool_backward,
                    "max_unpool_backward(grad_output, rank, x, indices, kernel_size, stride, "
                    "padding, output_size)");
}

}  // namespace fastconv::bind
