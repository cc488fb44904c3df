// Every convolution kernel on every problem that it does not decline, chosen or not; then what is
// chosen.

#include "checks.h"
#include "comparison.h"
#include "conv_record.h"
#include "crash.h"
#include "cuda/fastconv_cuda.h"
#include "cuda/launch/registry.h"
#include "record_tensor.h"
#include "settings.h"

namespace fastconv::runner {
namespace {

template <class T>
class CudaConvCheck {
 public:
  CudaConvCheck(const Record& record, const Setting& setting, Report& report)
      : record_(record),
        setting_(setting),
        report_(report),
        problem_(conv_problem(record, element_type<T>())),
        x_({problem_.batch, problem_.in_channels, problem_.in}, setting.x, setting.guard),
        w_(weight_shape(problem_), setting.w, setting.guard),
        bias_({1, problem_.has_bias ? problem_.out_channels : 0, {{1, 1, 1}}}, Arrangement::planar,
              setting.guard) {
    fill_from(record, "x", x_);
    fill_from(record, "w", w_);
    fill_from(record, "bias", bias_);
    problem_.x = x_.strides();
    problem_.w = w_.strides();
    problem_.y = make_layout(output_shape(problem_), setting.y).strides;
  }

  void run(const std::string& filter) {
    for (const cuda::ConvEntry* entry : cuda::conv_entries()) {
      const std::string name = entry->name;
      if (name.find(filter) == std::string::npos) continue;
      if (entry->kernel == cuda::ConvKernel::mma) continue;  // slow to emulate: mma_checks.cpp
      if (entry->declines(problem_, traits_) != nullptr) continue;
      check({Algorithm::automatic, static_cast<int>(entry->kernel)}, name);
    }
    if (filter.empty()) check({}, "plan");
  }

 private:
  std::string where() const { return place(record_, setting_); }

  void check(const cuda::PlanOptions& options, const std::string& name) {
    const std::string group = name + " " + dtype_name(problem_.dtype);
    report_.group(group);
    now_running(group + ": " + where());
    cuda::ConvPlan plan;
    Status status = cuda::plan_conv(problem_, options, traits_, plan);
    report_.check(status.ok(), where() + ": " + status.message);
    if (!status.ok()) return;
    const GuardedBuffer workspace(plan.workspace_bytes, Guard::after);
    const Tensor<T> y(output_shape(problem_), setting_.y, setting_.guard);
    y.fill(element_of<T>(std::numeric_limits<double>::quiet_NaN()));
    alternate_order();
    status = cuda::run_conv(
        problem_, plan,
        {x_.origin(), w_.origin(), problem_.has_bias ? bias_.origin() : nullptr, y.origin()},
        workspace.data(), nullptr);
    report_.check(status.ok(), where() + ": " + status.message);
    const std::string wrong = first_difference(y, record_.array("y"), record_.array("limit"));
    report_.check(wrong.empty(), where() + ": " + wrong);
    report_.check(y.only_elements_written(), where() + ": wrote outside the output");
  }

  const Record& record_;
  const Setting& setting_;
  Report& report_;
  cuda::DeviceTraits traits_;
  ConvProblem problem_;
  Tensor<T> x_, w_, bias_;
};

template <class T>
void check_as(const Record& record, std::size_t number, const std::string& filter, Report& report) {
  if (!takes_fill(element_type<T>(), record)) return;
  for (int s = 0; s < kSettingCount; ++s) {
    if (!runs_in(element_type<T>(), s, number)) continue;
    CudaConvCheck<T>(record, kSettings[s], report).run(filter);
  }
}

}  // namespace

void check_cuda_conv(const std::vector<Record>& records, const std::string& filter,
                     Report& report) {
  std::size_t number = 0;
  for (const Record& record : records) {
    if (record.text("op") != "conv") continue;
    check_as<float>(record, number, filter, report);
    check_as<double>(record, number, filter, report);
    check_as<Half>(record, number, filter, report);
    check_as<BFloat16>(record, number, filter, report);
    ++number;
  }
  report.print_groups();
}

// Infinite weights that lie over padding for some outputs: NaN only where the direct kernel, which
// skips padding, has it too.
void check_cuda_padding(Report& report) {
  const cuda::DeviceTraits traits;
  for (const bool transposed : {false, true}) {
    ConvProblem p;
    p.batch = 2;
    p.in_channels = 8;
    p.out_channels = 6;
    p.transposed = transposed;
    p.in = {{1, 6, 7}};
    p.kernel = {{1, 3, 3}};
    p.stride = {{1, transposed ? 2 : 1, 1}};
    p.pad_lo = p.pad_hi = {{0, 1, 1}};
    complete(p);
    const auto size = [](Index count) { return static_cast<std::size_t>(count); };
    std::vector<float> x(size(p.batch * p.x.batch), 1.0f), w(size(6 * 8 * 9), 1.0f);
    w[0] = std::numeric_limits<float>::infinity();
    const auto compute = [&](cuda::ConvKernel kernel, std::vector<float>& y) {
      cuda::PlanOptions options;
      options.kernel = static_cast<int>(kernel);
      cuda::ConvPlan plan;
      Status status = cuda::plan_conv(p, options, traits, plan);
      const GuardedBuffer workspace(plan.workspace_bytes, Guard::after);
      y.assign(size(p.batch * p.y.batch), 0.0f);
      if (status.ok()) {
        status = cuda::run_conv(p, plan, {x.data(), w.data(), nullptr, y.data()}, workspace.data(),
                                nullptr);
      }
      report.check(status.ok(), status.message);
    };
    std::vector<float> want, got;
    report.group("direct, infinite weights over padding");
    compute(cuda::ConvKernel::direct, want);
    for (const cuda::ConvEntry* entry : cuda::conv_entries()) {
      if (entry->declines(p, traits) != nullptr) continue;
      report.group(std::string(entry->name) + ", infinite weights over padding");
      compute(entry->kernel, got);
      report.check(got == want, transposed ? "transposed" : "forward");
    }
  }
  report.print_groups();
}

}  // namespace fastconv::runner
