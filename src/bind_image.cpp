// Image filters: (H, W) or (H, W, C) arrays with one kernel for all channels.
#include "arguments.h"
#include "backend.h"
#include "bind_errors.h"
#include "bindings.h"
#include "core/config.h"
#include "core/names.h"
#include "precision.h"

namespace fastconv::bind {
namespace {

enum FilterArgument {
  kImage,
  kKernel,
  kRotate,
  kMode,
  kBoundary,
  kFillValue,
  kFilterAlgorithm,
  kFilterOut,
  kFilterArguments
};

constexpr const char* kModeText[] = {"full", "same", "valid"};
const NameList kModeNames = {"mode", kModeText, 3};
enum Mode { kFull, kSame, kValid };

struct Margins {
  Index lo, hi;
};

// SciPy centres "same" one element apart for correlation and convolution with an even kernel.
Margins margins(Index kernel, int mode, bool rotate) {
  if (mode == kValid) return {0, 0};
  if (mode == kFull) return {kernel - 1, kernel - 1};
  const Index before = rotate ? kernel / 2 : (kernel - 1) / 2;
  return {before, kernel - 1 - before};
}

void check_shapes(const ArrayView& image, const ArrayView& kernel) {
  if (image.ndim != 2 && image.ndim != 3) {
    fail(ErrorKind::shape, "image has shape " + image.shape_text() +
                               "; it must be (H, W) or (H, W, C): use conv2d for batches");
  }
  if (kernel.ndim != 2) {
    fail(ErrorKind::shape, "kernel has shape " + kernel.shape_text() + "; it must be (kh, kw)");
  }
  const auto check_filled = [](const ArrayView& array, const char* name) {
    if (array.size() != 0) return;
    fail(ErrorKind::shape, std::string(name) + " has shape " + array.shape_text() +
                               "; every axis must be at least 1 long");
  };
  check_filled(image, "image");
  check_filled(kernel, "kernel");
}

// Samples of a pixel next to each other, pixels next to each other: a row is one row of W*C
// samples.
bool interleaved(const ArrayView& a) {
  return a.ndim == 3 && (a.shape[2] == 1 || a.strides[2] == 1) &&
         (a.shape[1] == 1 || a.strides[1] == a.shape[2]);
}

// The image's channels as groups that share one kernel: its stride between groups is zero.
ConvProblem filter_problem(const ArrayView& image, const ArrayView& kernel, int mode, bool rotate) {
  ConvProblem p;
  p.dtype = image.dtype;
  p.precision = current_precision();
  p.batch = 1;
  p.in_channels = p.out_channels = p.groups = image.ndim == 3 ? image.shape[2] : 1;
  const Index sign = rotate ? -1 : 1;
  for (int i = 0; i < 2; ++i) {
    const Margins around = margins(kernel.shape[i], mode, rotate);
    p.in[1 + i] = image.shape[i];
    p.kernel[1 + i] = kernel.shape[i];
    p.pad_lo[1 + i] = around.lo;
    p.pad_hi[1 + i] = around.hi;
    p.x.spatial[1 + i] = image.strides[i];
    p.w.spatial[1 + i] = sign * kernel.strides[i];
  }
  p.x.channel = image.ndim == 3 ? image.strides[2] : 0;
  for (int a = 0; a < kAxes; ++a) {
    p.out[a] = conv_output_size(p.in[a], p.kernel[a], 1, 1, p.pad_lo[a], p.pad_hi[a]);
  }
  return p;
}

void set_output(ConvProblem& p, const ArrayView& out) {
  p.y.spatial[1] = out.strides[0];
  p.y.spatial[2] = out.strides[1];
  p.y.channel = out.ndim == 3 ? out.strides[2] : 0;
}

// Interleaved channels become longer rows: neighbouring kernel columns lie C samples apart.
void join_channels(ConvProblem& p) {
  const Index samples = p.in_channels;
  p.in_channels = p.out_channels = p.groups = 1;
  p.samples_per_pixel = samples;
  p.in[2] *= samples;
  p.out[2] *= samples;
  p.pad_lo[2] *= samples;
  p.pad_hi[2] *= samples;
  p.dilation[2] = samples;
  p.x.spatial[2] = p.y.spatial[2] = 1;
}

// What is forced outside counts where filters know it: im2col knows no boundary but zeros.
Algorithm filter_algorithm(PyObject* given) {
  const auto named = static_cast<Algorithm>(parse_name(given, kAlgorithmNames, "algorithm"));
  const Algorithm outside = environment_algorithm();
  const bool foreign = outside == Algorithm::im2col || outside == Algorithm::winograd;
  return named == Algorithm::automatic && foreign ? Algorithm::direct : named;
}

PyObject* filter(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"filter_image", kImage}, args, count, [&]() -> PyObject* {
    if (count != kFilterArguments) fail(ErrorKind::type, "wrong number of arguments");
    const ArrayView image = view_array(args[kImage], "image");
    const ArrayView kernel = view_array(args[kKernel], "kernel");
    check_same_dtype(image, "image", kernel, "kernel");
    check_shapes(image, kernel);
    const bool rotate = parse_bool(args[kRotate], "rotate");
    const int mode = parse_name(args[kMode], kModeNames, "mode");
    ConvProblem p = filter_problem(image, kernel, mode, rotate);
    p.boundary = static_cast<Boundary>(parse_name(args[kBoundary], kBoundaryNames, "boundary"));
    p.fill_value = parse_double(args[kFillValue], "fill_value");
    const Algorithm algorithm = filter_algorithm(args[kFilterAlgorithm]);
    check(validate(p));

    Index shape[3] = {p.out[1], p.out[2], image.ndim == 3 ? image.shape[2] : 1};
    ArrayView out;
    py::object result;
    if (args[kFilterOut] == Py_None) {
      result = new_array(p.dtype, image.ndim, shape);
      out = view_own(result, p.dtype);
    } else {
      out = view_output(args[kFilterOut], p.dtype, image.ndim, shape);
      check_no_overlap(out, image, "image");
      check_no_overlap(out, kernel, "kernel");
      result = out.owner;
    }
    set_output(p, out);
    if (interleaved(image) && interleaved(out)) join_channels(p);

    const Index element = element_size(p.dtype);
    Index last = 0;
    for (int i = 0; rotate && i < 2; ++i) last += (kernel.shape[i] - 1) * kernel.strides[i];
    check(backend::conv(p, {algorithm},
                        {image.data, kernel.data + last * element, nullptr, out.data}));
    return result.release().ptr();
  });
}

}  // namespace

void bind_image(py::module_& m) {
  add_fast_function(m, "filter_image", filter, "Filters an image; see fastconv.correlate2d.");
}

}  // namespace fastconv::bind
