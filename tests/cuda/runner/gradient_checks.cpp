// Gradients of every convolution of whole numbers: each kernel of the weight gradient that does not
// decline, the sums over channels, and the input gradient through the convolution that it is.
#include "checks.h"
#include "comparison.h"
#include "core/gradient.h"
#include "crash.h"
#include "cuda/launch/weights_registry.h"
#include "record_tensor.h"
#include "settings.h"

namespace fastconv::runner {
namespace {

constexpr Index kMostBlocks = 400;

template <class T>
class GradientCheck {
 public:
  GradientCheck(const Record& record, const Setting& setting, Report& report)
      : record_(record),
        setting_(setting),
        report_(report),
        operands_(record, setting, element_type<T>()) {}

  // Tensor cores are slow to emulate: large problems pass them by, and others take one setting,
  // level of precision and number of parts each, in turn.
  void emulate(std::size_t number) {
    problem_.precision = static_cast<Precision>(number % kPrecisions);
    traits_.multiprocessors = number / kPrecisions % 2 == 0 ? 1 : 1000;
    const ConvProblem p = weight_gradient_problem(problem_);
    const Index work = p.groups * ceil_div(p.group_out(), 64) * ceil_div(p.group_in(), 64) *
                       p.kernel.product() * p.batch * p.out.product();
    constexpr Index kMostWork = 10000;
    if (work <= kMostWork) check_weights("tensor cores", true);
  }

  void run(const std::string& filter) {
    check_weights(filter, false);
    if (std::string("channel sums").find(filter) != std::string::npos) check_sums();
    if (std::string("input gradient").find(filter) != std::string::npos) check_input();
  }

 private:
  std::string where() const { return place(record_, setting_); }

  void begin(const std::string& name) {
    const std::string group = name + " " + dtype_name(problem_.dtype);
    report_.group(group);
    now_running(group + ": " + where());
    alternate_order();
  }

  void compare(const Status& status, const Tensor<T>& got, const char* expected) {
    report_.check(status.ok(), where() + ": " + status.message);
    if (!status.ok()) return;
    const std::vector<double>& want = record_.array(expected);
    const std::string wrong = first_difference(got, want, std::vector<double>(want.size()));
    report_.check(wrong.empty(), where() + ": " + wrong);
    report_.check(got.only_elements_written(), where() + ": wrote outside the result");
  }

  Tensor<T> result(const Shape& shape, Arrangement arrangement) const {
    Tensor<T> made(shape, arrangement, setting_.guard);
    made.fill(element_of<T>(std::numeric_limits<double>::quiet_NaN()));
    return made;
  }

  void check_weights(const std::string& filter, bool emulates) {
    const ConvProblem p = weight_gradient_problem(problem_);
    const void* x = problem_.transposed ? grad_.origin() : x_.origin();
    const void* grad = problem_.transposed ? x_.origin() : grad_.origin();
    for (const cuda::WeightEntry* entry : cuda::weight_entries()) {
      const std::string name = std::string("weight gradient, ") + entry->name;
      if (name.find(filter) == std::string::npos) continue;
      if ((entry->kernel == cuda::WeightKernel::mma) != emulates) continue;
      if (entry->declines(p, traits_) != nullptr) continue;
      // A block for each weight takes long as host code: only problems of few weights.
      if (entry->kernel == cuda::WeightKernel::direct && w_.count() > kMostBlocks) continue;
      begin(name);
      cuda::PlanOptions options;
      options.kernel = static_cast<int>(entry->kernel);
      cuda::WeightPlan plan;
      Status status = cuda::plan_weight_gradient(p, options, traits_, plan);
      const GuardedBuffer workspace(plan.workspace_bytes, Guard::after);
      const Tensor<T> w = result(weight_shape(problem_), setting_.w);
      if (status.ok()) {
        status =
            cuda::run_weight_gradient(p, plan, {x, grad, w.origin()}, workspace.data(), nullptr);
      }
      compare(status, w, "w_grad");
    }
  }

  void check_sums() {
    begin("channel sums");
    const Tensor<T> sums = result({1, problem_.out_channels, {{1, 1, 1}}}, Arrangement::planar);
    const ChannelSums what{problem_.dtype, problem_.batch, problem_.out_channels, problem_.out,
                           problem_.y,     grad_.origin(), sums.origin()};
    const GuardedBuffer workspace(cuda::channel_sums_workspace(what), Guard::after);
    const Status status = cuda::run_channel_sums(what, workspace.data(), nullptr);
    compare(status, sums, "bias_grad");
  }

  void check_input() {
    begin("input gradient");
    const Tensor<T> to = result({problem_.batch, problem_.in_channels, problem_.in}, setting_.x);
    const InputGradient g = input_gradient(problem_, to.strides());
    if (g.zero) {
      compare(cuda::fill_zero(problem_.dtype, problem_.batch, problem_.in_channels, problem_.in,
                              to.strides(), to.origin(), nullptr),
              to, "x_grad");
      return;
    }
    cuda::ConvPlan plan;
    Status status = cuda::plan_conv(g.problem, {}, traits_, plan);
    const GuardedBuffer workspace(plan.workspace_bytes, Guard::after);
    if (status.ok()) {
      status = cuda::run_conv(
          g.problem, plan,
          {grad_.origin() + g.grad_offset, w_.origin() + g.weight_offset, nullptr, to.origin()},
          workspace.data(), nullptr);
    }
    compare(status, to, "x_grad");
  }

  const Record& record_;
  const Setting& setting_;
  Report& report_;
  cuda::DeviceTraits traits_;
  GradientOperands<T> operands_;
  ConvProblem& problem_ = operands_.problem;
  Tensor<T>&x_ = operands_.x, &w_ = operands_.w, &grad_ = operands_.grad;
};

template <class T>
void check_as(const Record& record, std::size_t number, const std::string& filter, Report& report) {
  for (int s = 0; s < kSettingCount; ++s) {
    if (!runs_in(element_type<T>(), s, number)) continue;
    GradientCheck<T> check(record, kSettings[s], report);
    check.run(filter);
    const bool wanted =
        std::string("weight gradient, tensor cores").find(filter) != std::string::npos;
    const bool turn =
        element_type<T>() != DType::float32 || s == static_cast<int>(number % kSettingCount);
    if (wanted && turn) check.emulate(number);
  }
}

}  // namespace

void check_cuda_gradients(const std::vector<Record>& records, const std::string& filter,
                          Report& report) {
  std::size_t number = 0;
  for (const Record& record : records) {
    if (record.array("grad").empty()) continue;
    check_as<float>(record, number, filter, report);
    check_as<double>(record, number, filter, report);
    check_as<Half>(record, number, filter, report);
    check_as<BFloat16>(record, number, filter, report);
    ++number;
  }
  report.print_groups();
}

}  // namespace fastconv::runner
