// The GPU computes: fastconv_cuda, on arrays of one device, on the caller's stream.
#include "backend.h"

#include "core/gradient.h"
#include "core/unit.h"
#include "cuda/fastconv_cuda.h"
#include "cuda/launch/registry.h"
#include "cuda_call.h"

namespace fastconv::bind::backend {
namespace {

cuda::PlanOptions options_of(const PlanOptions& options) {
  cuda::PlanOptions own;
  own.algorithm = options.algorithm;
  return own;
}

Status run_planned(const ConvProblem& problem, const cuda::ConvPlan& plan,
                   const ConvArrays& arrays) {
  const Workspace workspace(plan.workspace_bytes);
  return launched(cuda::run_conv(problem, plan, arrays, workspace.data(), current_call().stream));
}

class CudaPrepared final : public Prepared {
 public:
  explicit CudaPrepared(const ConvCall& call)
      : problem_(call.problem),
        traits_(*current_call().traits),
        device_(current_call().device),
        options_(options_of(call.options)) {
    if (call.problem.has_addend) {
      fail(ErrorKind::unsupported, "plans on a GPU add nothing; add to their result");
    }
    weight_ = copy_of(call.weight);
    if (call.problem.has_bias) bias_ = copy_of(call.bias);
    problem_.w = tensor_strides_of(weight_);
    check(cuda::plan_conv(problem_, options_, traits_, plan_));
  }

  Status run(const void* x, void* y, const Index* image_step, const void*) const override {
    if (current_call().device != device_) {
      fail(ErrorKind::unavailable, "x is on GPU " + std::to_string(current_call().device) +
                                       " and this plan's weight on GPU " + std::to_string(device_) +
                                       "; make a plan on each GPU");
    }
    const ConvArrays arrays{x, weight_.data, bias_.data, y};
    if (image_step == nullptr) return run_planned(problem_, plan_, arrays);
    ConvProblem problem = problem_;
    problem.y.batch = *image_step;
    cuda::ConvPlan plan;
    Status status = cuda::plan_conv(problem, options_, traits_, plan);
    return status.ok() ? run_planned(problem, plan, arrays) : status;
  }

  std::string explanation() const override { return cuda::explain(problem_, plan_, traits_); }

 private:
  static ArrayView copy_of(const ArrayView& array) {
    const ArrayView copy = view_own(new_array(array.dtype, array.ndim, array.shape), array.dtype);
    copy_to(copy, array);
    return copy;
  }

  Strides tensor_strides_of(const ArrayView& weight) const {
    Strides s{};
    s.batch = weight.strides[0];
    s.channel = weight.strides[1];
    for (int i = 2; i < weight.ndim; ++i) {
      s.spatial[kAxes - problem_.rank + i - 2] = weight.strides[i];
    }
    return s;
  }

  ConvProblem problem_;
  cuda::ConvPlan plan_;
  cuda::DeviceTraits traits_;
  int device_;
  cuda::PlanOptions options_;
  ArrayView weight_, bias_;
};

}  // namespace

Status conv(const ConvProblem& problem, const PlanOptions& options, const ConvArrays& arrays) {
  cuda::ConvPlan plan;
  Status status = cuda::plan_conv(problem, options_of(options), *current_call().traits, plan);
  return status.ok() ? run_planned(problem, plan, arrays) : status;
}

py::dict explain(const ConvCall& call) {
  ConvProblem simple = call.problem;
  simplify(simple);
  const cuda::DeviceTraits& traits = *current_call().traits;
  cuda::ConvPlan plan;
  check(cuda::plan_conv(simple, options_of(call.options), traits, plan));
  py::dict facts;
  facts["text"] = cuda::explain(call.problem, plan, traits);
  facts["algorithm"] = algorithm_name(cuda::conv_entry(plan.kernel).algorithm);
  facts["kernel"] = cuda::conv_kernel_name(plan.kernel);
  facts["reason"] = plan.reason;
  facts["isa"] = "sm_" + std::to_string(traits.capability());
  facts["precision"] = kPrecisionNames.names[static_cast<int>(call.problem.precision)];
  facts["threads"] = 0;
  facts["tile"] = py::make_tuple(plan.tile_m, plan.tile_n);
  facts["tasks"] = 0;
  facts["workspace_bytes"] = plan.workspace_bytes;
  return facts;
}

Status input_gradient(const ConvProblem& problem, const Strides& gradient, const void* grad,
                      const void* w, void* to) {
  const InputGradient of = fastconv::input_gradient(problem, gradient);
  if (of.zero) {
    return launched(cuda::fill_zero(problem.dtype, problem.batch, problem.in_channels, problem.in,
                                    gradient, to, current_call().stream));
  }
  const auto at = [&](const void* array, Index element) -> const void* {
    return static_cast<const char*>(array) + element * element_size(problem.dtype);
  };
  return conv(of.problem, {}, {at(grad, of.grad_offset), at(w, of.weight_offset), nullptr, to});
}

Status weight_gradient(const ConvProblem& problem, const void* grad, const void* x, void* to) {
  // Of a transposed convolution input and gradient change places.
  const ConvProblem own = weight_gradient_problem(problem);
  const cuda::WeightArrays arrays{problem.transposed ? grad : x, problem.transposed ? x : grad, to};
  cuda::WeightPlan plan;
  Status status = cuda::plan_weight_gradient(own, {}, *current_call().traits, plan);
  if (!status.ok()) return status;
  const Workspace workspace(plan.workspace_bytes);
  return launched(
      cuda::run_weight_gradient(own, plan, arrays, workspace.data(), current_call().stream));
}

Status bias_gradient(const ConvProblem& problem, const void* grad, void* to) {
  const ChannelSums sums{
      problem.dtype, problem.batch, problem.out_channels, problem.out, problem.y, grad, to};
  const Workspace workspace(cuda::channel_sums_workspace(sums));
  return launched(cuda::run_channel_sums(sums, workspace.data(), current_call().stream));
}

std::unique_ptr<Prepared> Prepared::make(const ConvCall& call) {
  return std::make_unique<CudaPrepared>(call);
}

}  // namespace fastconv::bind::backend
