#include "gradient_checks.h"

#include <limits>
#include <string>

#include "comparison.h"
#include "core/config.h"
#include "core/gradient.h"
#include "core/names.h"
#include "core/parallel.h"
#include "crash.h"
#include "record_tensor.h"
#include "setting.h"

namespace fastconv::runner {
namespace {

template <class T>
class GradientCheck {
 public:
  GradientCheck(const Record& record, const Setting& setting, Report& report)
      : record_(record),
        setting_(setting),
        report_(report),
        operands_(record, setting, dtype_of<T>()) {}

  // The weight's by every family that does not decline, the input's and the bias's.
  void run(Isa isa) {
    for (int f = 0; f < kWeightFamilies; ++f) {
      force_weight_family(f);
      const ConvProblem p = weight_gradient_problem(problem_);
      if (static_cast<int>(plan_weight_gradient(p, isa, 1).family) != f) continue;
      check(std::string("weight gradient, ") + kWeightFamilyNames[f], isa, weight_shape(problem_),
            setting_.w, "w_grad", [&](const Tensor<T>& to) {
              return run_weight_gradient(problem_, grad_.origin(), x_.origin(), to.origin());
            });
    }
    force_weight_family(-1);
    const Shape input{problem_.batch, problem_.in_channels, problem_.in};
    check("input gradient", isa, input, setting_.x, "x_grad", [&](const Tensor<T>& to) {
      return run_input_gradient(problem_, to.strides(), grad_.origin(), w_.origin(), to.origin());
    });
    const Shape bias{1, problem_.out_channels, {{1, 1, 1}}};
    check("bias gradient", isa, bias, Arrangement::planar, "bias_grad", [&](const Tensor<T>& to) {
      return run_bias_gradient(problem_, grad_.origin(), to.origin());
    });
  }

 private:
  // One gradient: exact, nothing written around it, and the same with several threads.
  template <class Compute>
  void check(const std::string& what, Isa isa, const Shape& shape, Arrangement arrangement,
             const char* expected, Compute compute) {
    const std::string group = what + " " + isa_name(isa) + " " + dtype_name(problem_.dtype);
    const std::string where = place(record_, setting_);
    report_.group(group);
    now_running(group + ": " + where);
    const std::vector<double>& want = record_.array(expected);
    for (const int threads : {1, kManyThreads}) {
      if (threads > 1 && !setting_.vary_threads) continue;
      set_num_threads(threads);
      const Tensor<T> got(shape, arrangement, setting_.guard);
      got.fill(std::numeric_limits<T>::quiet_NaN());
      const Status status = compute(got);
      set_num_threads(0);
      report_.check(status.ok(), where + ": " + status.message);
      if (!status.ok()) return;
      const std::string wrong = first_difference(got, want, std::vector<double>(want.size()));
      report_.check(wrong.empty(), where + ": " + wrong);
      report_.check(got.only_elements_written(), where + ": wrote outside the result");
    }
  }

  const Record& record_;
  const Setting& setting_;
  Report& report_;
  GradientOperands<T> operands_;
  ConvProblem& problem_ = operands_.problem;
  Tensor<T>&x_ = operands_.x, &w_ = operands_.w, &grad_ = operands_.grad;
};

}  // namespace

void check_gradients(const std::vector<Record>& records, Isa isa, Report& report) {
  for (const Record& record : records) {
    if (record.text("op") != "conv" || record.array("grad").empty()) continue;
    for (const Setting& setting : kSettings) {
      GradientCheck<float>(record, setting, report).run(isa);
    }
    // The same text for half as many elements: one setting will do.
    GradientCheck<double>(record, kSettings[0], report).run(isa);
  }
  report.print_groups();
}

}  // namespace fastconv::runner
