// The CPU computes: libfastconv, on NumPy arrays.
#include "backend.h"

#include <optional>

#include "core/config.h"
#include "core/gradient.h"
#include "core/parallel.h"
#include "core/pool.h"
#include "core/pool_gradient.h"
#include "tuned_files.h"

namespace fastconv::bind::backend {
namespace {

// Multiply-adds up to which handing the interpreter to other threads would cost more than they
// gain.
constexpr Index kBriefWork = 30'000;

bool is_brief(const ConvProblem& p) {
  Index work = p.kernel.product() * p.group_in();
  for (const Index size : {p.batch, p.out_channels, p.out[0], p.out[1], p.out[2]}) {
    if (work > kBriefWork || size > kBriefWork) return false;
    work *= size;
  }
  return work <= kBriefWork;
}

// Lets other Python threads run while it lives, unless the work is over sooner than they would
// start.
class OtherThreads {
 public:
  explicit OtherThreads(const ConvProblem& problem) {
    if (!is_brief(problem)) released_.emplace();
  }

 private:
  std::optional<py::gil_scoped_release> released_;
};

class CpuPrepared final : public Prepared {
 public:
  explicit CpuPrepared(const ConvCall& call) : problem_(call.problem) {
    const ArrayView bias = contiguous(call.bias);
    check(PreparedConv::make(problem_, call.options, call.weight.data, bias.data, prepared_));
  }

  Status run(const void* x, void* y, const Index* image_step, const void* addend) const override {
    const OtherThreads others(problem_);
    if (image_step == nullptr && addend == nullptr) return prepared_->run(x, y);
    const Index step = image_step != nullptr ? *image_step : prepared_->problem().y.batch;
    return prepared_->run(x, y, step, addend);
  }

  std::string explanation() const override {
    return fastconv::explain(problem_, prepared_->plan());
  }

 private:
  ConvProblem problem_;
  std::unique_ptr<PreparedConv> prepared_;
};

}  // namespace

Status conv(const ConvProblem& problem, const PlanOptions& options, const ConvArrays& arrays) {
  load_tuned();
  ConvPlan plan;
  if (Status status = plan_conv(problem, options, plan); !status.ok()) return status;
  const OtherThreads others(problem);
  return run_conv(problem, plan, arrays);
}

py::dict explain(const ConvCall& call) {
  load_tuned();
  ConvProblem simple = call.problem;
  simplify(simple);
  ConvPlan plan;
  check(plan_conv(simple, call.options, plan));
  py::dict facts;
  facts["text"] = fastconv::explain(call.problem, plan);
  facts["algorithm"] = algorithm_name(family_algorithm(plan.family));
  facts["kernel"] = family_name(plan.family);
  facts["reason"] = plan.reason;
  facts["isa"] = isa_name(plan.isa);
  facts["precision"] = kPrecisionNames.names[static_cast<int>(call.problem.precision)];
  facts["threads"] = plan.threads;
  facts["tile"] = py::make_tuple(plan.tile_m, plan.tile_n);
  facts["tasks"] = plan.tasks[1];
  facts["workspace_bytes"] = plan.shared_bytes + plan.widened_bytes +
                             plan.scratch_bytes * static_cast<std::size_t>(plan.threads);
  return facts;
}

Status input_gradient(const ConvProblem& problem, const Strides& gradient, const void* grad,
                      const void* w, void* to) {
  const OtherThreads others(problem);
  return run_input_gradient(problem, gradient, grad, w, to);
}

Status weight_gradient(const ConvProblem& problem, const void* grad, const void* x, void* to) {
  const OtherThreads others(problem);
  return run_weight_gradient(problem, grad, x, to);
}

Status bias_gradient(const ConvProblem& problem, const void* grad, void* to) {
  const OtherThreads others(problem);
  return run_bias_gradient(problem, grad, to);
}

Status pool(const PoolProblem& problem, const void* x, void* y, Index* indices) {
  PoolPlan plan;
  if (Status status = choose_pool(problem, active_isa(), max_threads(), plan); !status.ok()) {
    return status;
  }
  const py::gil_scoped_release released;
  return run_pool(problem, plan, x, y, indices);
}

Status average_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                        void* to) {
  const py::gil_scoped_release released;
  return run_average_gradient(problem, result, grad, to);
}

Status winner_gradient(const PoolProblem& problem, const Strides& result, const void* grad,
                       const void* x, const Index* indices, void* to) {
  const py::gil_scoped_release released;
  return run_winner_gradient(problem, result, grad, x, indices, to);
}

Status unfold(const FoldProblem& problem, const void* image, void* columns) {
  const py::gil_scoped_release released;
  return run_unfold(problem, image, columns);
}

Status fold(const FoldProblem& problem, const void* columns, void* image) {
  const py::gil_scoped_release released;
  return run_fold(problem, columns, image);
}

Status unpool(const UnpoolProblem& problem, const void* x, const Index* indices, void* y) {
  const py::gil_scoped_release released;
  return run_unpool(problem, x, indices, y);
}

Status activation(DType dtype, Activation kind, Index count, const ActivationArrays& arrays) {
  const py::gil_scoped_release released;
  run_activation(dtype, kind, count, arrays);
  return {};
}

std::unique_ptr<Prepared> Prepared::make(const ConvCall& call) {
  load_tuned();
  return std::make_unique<CpuPrepared>(call);
}

}  // namespace fastconv::bind::backend
