// Convolutions on tensor cores. Their emulation is slow, so each record runs in one memory layout,
// on one device and at one level of precision, in turn. Devices differ in multiprocessors, and with
// these in tiles and parts.
#include <cmath>

#include "checks.h"
#include "comparison.h"
#include "conv_record.h"
#include "crash.h"
#include "cuda/fastconv_cuda.h"
#include "cuda/launch/conv_mma_plan.h"
#include "record_tensor.h"
#include "settings.h"

namespace fastconv::runner {
namespace {

// Whole numbers at precisions that round them would not be exact; so much of sum |x||w| may be off
// (docs/numerics.md).
double left_out(Precision precision) {
  return precision == Precision::highest ? 0.0
         : precision == Precision::high  ? 3 * 0x1p-16
                                         : 0x1p-7;
}

constexpr const char* kLevels[] = {"highest", "high", "medium"};
constexpr int kMultiprocessors[] = {1, 16, 1000};  // large tiles, small ones, parts

// Products of 16 x 8 x 16 numbers that a problem takes, about: what the emulation's time goes by.
double work(const ConvProblem& p, const cuda::ConvPlan& plan) {
  const auto up = [](Index size, Index unit) {
    return static_cast<double>(ceil_div(size, unit) * unit);
  };
  const double level = is_narrow(p.dtype) ? 1 : p.precision == Precision::highest ? 6 : 3;
  return level * up(p.batch * p.out.product(), plan.tile_n) * up(p.group_out(), plan.tile_m) *
         static_cast<double>(p.groups * p.kernel.product()) * up(p.group_in(), 32) / 2048;
}
constexpr double kMostWork = 60000;

template <class T>
class MmaCheck {
 public:
  MmaCheck(const Record& record, std::size_t number, Report& report)
      : record_(record),
        setting_(kSettings[number % kSettingCount]),
        report_(report),
        problem_(conv_problem(record, element_type<T>())),
        x_({problem_.batch, problem_.in_channels, problem_.in}, setting_.x, setting_.guard),
        w_(weight_shape(problem_), setting_.w, setting_.guard),
        bias_({1, problem_.has_bias ? problem_.out_channels : 0, {{1, 1, 1}}}, Arrangement::planar,
              setting_.guard) {
    fill_from(record, "x", x_);
    fill_from(record, "w", w_);
    fill_from(record, "bias", bias_);
    problem_.x = x_.strides();
    problem_.w = w_.strides();
    problem_.y = make_layout(output_shape(problem_), setting_.y).strides;
  }

  void run(Precision precision, int multiprocessors) {
    problem_.precision = precision;
    cuda::DeviceTraits traits;
    traits.multiprocessors = multiprocessors;
    if (cuda::conv_mma_declines(problem_, traits) != nullptr) return;
    cuda::PlanOptions options;
    options.kernel = static_cast<int>(cuda::ConvKernel::mma);
    cuda::ConvPlan plan;
    Status status = cuda::plan_conv(problem_, options, traits, plan);
    if (status.ok() && work(problem_, plan) > kMostWork) return;
    const std::string where = record_.name + " (" + setting_.text() + ", tiles of " +
                              std::to_string(plan.tile_m) + ", " + std::to_string(plan.parts) +
                              " parts)";
    std::string group = std::string("tensor cores ") + dtype_name(problem_.dtype);
    if (!is_narrow(problem_.dtype))
      group += std::string(" ") + kLevels[static_cast<int>(precision)];
    report_.group(group);
    now_running(group + ": " + where);
    report_.check(status.ok(), where + ": " + status.message);
    if (!status.ok()) return;
    const GuardedBuffer workspace(plan.workspace_bytes, Guard::after);
    const Tensor<T> y(output_shape(problem_), setting_.y, setting_.guard);
    y.fill(element_of<T>(std::numeric_limits<double>::quiet_NaN()));
    alternate_order();
    status = cuda::run_conv(
        problem_, plan,
        {x_.origin(), w_.origin(), problem_.has_bias ? bias_.origin() : nullptr, y.origin()},
        workspace.data(), nullptr);
    report_.check(status.ok(), where + ": " + status.message);
    const std::string wrong = first_difference(y, record_.array("y"), limits(precision));
    report_.check(wrong.empty(), where + ": " + wrong);
    report_.check(y.only_elements_written(), where + ": wrote outside the output");
  }

 private:
  // In units of epsilon, as the record's own. Whole numbers of eight bits are exact at every level
  // (their limit is 0); limits of other numbers contain at least (K/2 + 2) sum |x||w|.
  std::vector<double> limits(Precision precision) const {
    std::vector<double> limit = record_.array("limit");
    const double terms = static_cast<double>(problem_.group_in() * problem_.kernel.product());
    const double factor = 1 + left_out(precision) * 0x1p23 * 1.01 / (terms / 2 + 2);
    for (double& value : limit) value *= factor;
    return limit;
  }

  const Record& record_;
  const Setting& setting_;
  Report& report_;
  ConvProblem problem_;
  Tensor<T> x_, w_, bias_;
};

}  // namespace

void check_cuda_mma(const std::vector<Record>& records, Report& report) {
  std::size_t number = 0;
  for (const Record& record : records) {
    if (record.text("op") != "conv") continue;
    ++number;
    const int multiprocessors = kMultiprocessors[number / kSettingCount % 3];
    if (takes_fill(DType::float16, record)) {
      MmaCheck<Half>(record, number, report).run(Precision::highest, multiprocessors);
      MmaCheck<BFloat16>(record, number + 3, report).run(Precision::highest, multiprocessors);
    }
    MmaCheck<float>(record, number, report)
        .run(static_cast<Precision>(number / 2 % 3), multiprocessors);
  }
  report.print_groups();
}

}  // namespace fastconv::runner
