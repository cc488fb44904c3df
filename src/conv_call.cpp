#include "conv_call.h"

#include "precision.h"

namespace fastconv::bind {
namespace {

std::string rank_name(const ConvCall& call) {
  return std::string(call.problem.transposed ? "conv_transpose" : "conv") +
         std::to_string(call.problem.rank) + "d";
}

Strides tensor_strides(const Index* strides, bool unbatched, int rank) {
  Strides s{};
  int at = 0;
  s.batch = unbatched ? 0 : strides[at++];
  s.channel = strides[at++];
  for (int a = kAxes - rank; a < kAxes; ++a) s.spatial[a] = strides[at++];
  return s;
}

void read_input(ConvCall& call, int ndim, const Index* shape, const ArrayView* x) {
  ConvProblem& p = call.problem;
  if (ndim != p.rank + 2 && ndim != p.rank + 1) {
    fail(ErrorKind::shape, "x has shape " + shape_text(ndim, shape) + "; " + rank_name(call) +
                               " needs " + std::to_string(p.rank + 2) +
                               " axes (batch, channels, and " + std::to_string(p.rank) +
                               " spatial), or one fewer without the batch");
  }
  call.unbatched = ndim == p.rank + 1;
  int at = 0;
  p.batch = call.unbatched ? 1 : shape[at++];
  p.in_channels = shape[at++];
  for (int a = kAxes - p.rank; a < kAxes; ++a) p.in[a] = shape[at++];
  if (x != nullptr) {
    p.x = tensor_strides(x->strides, call.unbatched, p.rank);
    const int channel_axis = call.unbatched ? 0 : 1;
    call.channels_last = !x->c_contiguous && p.in_channels > 1 && x->strides[channel_axis] == 1;
  }
}

void read_weight(ConvCall& call, int x_ndim, const Index* x_shape) {
  ConvProblem& p = call.problem;
  const ArrayView& w = call.weight;
  const char* order = p.transposed ? "(in_channels, out_channels/groups, *kernel)"
                                   : "(out_channels, in_channels/groups, *kernel)";
  if (w.ndim != p.rank + 2) {
    fail(ErrorKind::shape, "weight has shape " + w.shape_text() + "; " + rank_name(call) +
                               " needs " + std::to_string(p.rank + 2) + " axes: " + order);
  }
  p.w = tensor_strides(w.strides, false, p.rank);
  for (int a = kAxes - p.rank; a < kAxes; ++a) p.kernel[a] = w.shape[2 + a - (kAxes - p.rank)];
  if (p.groups < 1) {
    fail(ErrorKind::value, "groups is " + std::to_string(p.groups) + "; it must be at least 1");
  }
  if (p.in_channels == 0 && p.transposed) {
    fail(ErrorKind::shape, "x has shape " + shape_text(x_ndim, x_shape) + " without channels; " +
                               rank_name(call) + " needs at least one");
  }
  if (p.groups > larger(p.in_channels, w.shape[0])) {
    fail(ErrorKind::shape, "groups is " + std::to_string(p.groups) +
                               ", more than the channels of x " + shape_text(x_ndim, x_shape) +
                               " and weight " + w.shape_text() +
                               "; choose groups that divides the channels");
  }
  p.out_channels = p.transposed ? w.shape[1] * p.groups : w.shape[0];
  const Index expected = p.transposed ? w.shape[0] : w.shape[1] * p.groups;
  // As in torch, an input without channels gives an output without channels.
  call.no_channels = p.in_channels == 0 && !p.transposed && w.shape[1] == 0;
  if (p.in_channels != expected || (p.in_channels == 0 && !call.no_channels)) {
    fail(ErrorKind::shape,
         "x has shape " + shape_text(x_ndim, x_shape) + ", so " + std::to_string(p.in_channels) +
             " channels, but weight of shape " + w.shape_text() + " " + order + " with groups=" +
             std::to_string(p.groups) + " needs " + std::to_string(expected) + "; make them agree");
  }
}

void read_bias(ConvCall& call, PyObject* bias) {
  ConvProblem& p = call.problem;
  if (bias == Py_None) return;
  call.bias = view_array(bias, "bias");
  check_same_dtype(call.weight, "weight", call.bias, "bias");
  if (call.bias.ndim != 1 || call.bias.shape[0] != p.out_channels) {
    fail(ErrorKind::shape, "bias has shape " + call.bias.shape_text() + "; it must be (" +
                               std::to_string(p.out_channels) + ",), one value per output channel");
  }
  p.has_bias = true;
}

// A shape instead of an array in the place of x.
std::vector<Index> parse_shape(PyObject* object, const char* name) {
  if (!PyTuple_Check(object) && !PyList_Check(object)) {
    fail(ErrorKind::type, std::string(name) + " must be a shape: a tuple of ints");
  }
  std::vector<Index> shape;
  for (const py::handle size : items_of(object)) {
    shape.push_back(parse_int(size.ptr(), name));
    if (shape.back() < 0) fail(ErrorKind::shape, std::string(name) + " has a negative size");
  }
  if (shape.size() > kMostDims) fail(ErrorKind::shape, std::string(name) + " has too many axes");
  return shape;
}

}  // namespace

void check_count(Py_ssize_t count, Py_ssize_t expected) {
  if (count != expected) {
    fail(ErrorKind::type,
         "expected " + std::to_string(expected) + " arguments, got " + std::to_string(count));
  }
}

py::tuple shape_tuple(int ndim, const Index* shape) {
  py::tuple made(ndim);
  for (int i = 0; i < ndim; ++i) made[static_cast<std::size_t>(i)] = shape[i];
  return made;
}

ConvCall parse_conv(PyObject* const* args, int x_ndim, const Index* x_shape, const ArrayView* x) {
  ConvCall call;
  ConvProblem& p = call.problem;
  p.rank = static_cast<int>(parse_int(args[kRank], "rank"));
  p.transposed = parse_bool(args[kTransposed], "transposed");
  call.weight = view_array(args[kWeight], "weight");
  p.dtype = call.weight.dtype;
  if (x != nullptr) check_same_dtype(*x, "x", call.weight, "weight");
  p.groups = parse_int(args[kGroups], "groups");
  read_input(call, x_ndim, x_shape, x);
  read_weight(call, x_ndim, x_shape);
  p.stride = parse_axes(args[kStride], "stride", p.rank, 1);
  p.dilation = parse_axes(args[kDilation], "dilation", p.rank, 1);
  p.output_padding = parse_axes(args[kOutputPadding], "output_padding", p.rank, 0);
  const Padding padding =
      parse_padding(args[kPadding], p.rank, p.kernel, p.stride, p.dilation, !p.transposed);
  p.pad_lo = padding.lo;
  p.pad_hi = padding.hi;
  call.options.algorithm =
      static_cast<Algorithm>(parse_name(args[kAlgorithm], kAlgorithmNames, "algorithm"));
  p.activation =
      static_cast<Activation>(parse_name(args[kActivation], kActivationNames, "activation", 0));
  p.precision =
      args[kPrecision] == Py_None
          ? current_precision()
          : static_cast<Precision>(parse_name(args[kPrecision], kPrecisionNames, "precision", 0));

  // complete() gives output sizes, and the strides of an array that is not there yet.
  ConvProblem completed = p;
  complete(completed);
  p.out = completed.out;
  p.y = completed.y;
  if (x == nullptr) p.x = completed.x;
  if (call.no_channels) {
    // Sizes are checked as for one channel; nothing is computed.
    ConvProblem one = p;
    one.in_channels = one.groups = 1;
    check(validate(one));
  } else {
    check(validate(p));
  }
  read_bias(call, args[kBias]);
  return call;
}

ConvCall parse_planned(PyObject* const* args) {
  const std::vector<Index> shape = parse_shape(args[kX], "x_shape");
  const int ndim = static_cast<int>(shape.size());
  ConvCall call = parse_conv(args, ndim, shape.data(), nullptr);
  call.channels_last = parse_bool(args[kOut], "channels_last") && call.problem.in_channels > 1;
  ConvProblem& p = call.problem;
  if (call.channels_last) {
    const auto last = [](Strides& s, Index channels, const Axes& size) {
      s.channel = 1;
      s.spatial = {{size[1] * size[2] * channels, size[2] * channels, channels}};
      s.batch = size.product() * channels;
    };
    last(p.x, p.in_channels, p.in);
    last(p.y, p.out_channels, p.out);
  }
  if (call.no_channels) {
    fail(ErrorKind::shape, "x_shape has no channels: there is nothing to plan");
  }
  return call;
}

int input_shape(const ConvCall& call, Index* shape) {
  const ConvProblem& p = call.problem;
  int ndim = 0;
  if (!call.unbatched) shape[ndim++] = p.batch;
  shape[ndim++] = p.in_channels;
  for (int a = kAxes - p.rank; a < kAxes; ++a) shape[ndim++] = p.in[a];
  return ndim;
}

int output_shape(const ConvCall& call, Index* shape) {
  const ConvProblem& p = call.problem;
  int ndim = 0;
  if (!call.unbatched) shape[ndim++] = p.batch;
  shape[ndim++] = call.no_channels ? 0 : p.out_channels;
  for (int a = kAxes - p.rank; a < kAxes; ++a) shape[ndim++] = p.out[a];
  return ndim;
}

void set_output_strides(ConvCall& call, const ArrayView& out) {
  ConvProblem& p = call.problem;
  p.y = tensor_strides(out.strides, call.unbatched, p.rank);
}

py::object make_output(const ConvCall& call, const ArrayView& x, PyObject* out, ArrayView& view) {
  Index shape[kMostDims];
  const int ndim = output_shape(call, shape);
  if (out == Py_None) {
    py::object made =
        new_array(call.problem.dtype, ndim, shape, call.channels_last, call.unbatched ? 0 : 1);
    view = view_own(made, call.problem.dtype);
    return made;
  }
  view = view_output(out, call.problem.dtype, ndim, shape);
  check_no_overlap(view, x, "x");
  check_no_overlap(view, call.weight, "weight");
  if (call.problem.has_bias) check_no_overlap(view, call.bias, "bias");
  return view.owner;
}

}  // namespace fastconv::bind
