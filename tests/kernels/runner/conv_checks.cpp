#include "conv_checks.h"

#include <fastconv/fastconv.h>

#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

#include "comparison.h"
#include "conv_record.h"
#include "core/conv_choose.h"
#include "core/names.h"
#include "core/unit.h"
#include "crash.h"
#include "record_tensor.h"
#include "setting.h"

namespace fastconv::runner {

namespace {

// Bytes that a task may fill: so many that all of a small problem fits, and so few that rows,
// channels and taps are cut into blocks.
constexpr Index kRoomy = Index{1} << 20, kTight = Index{1} << 12;

template <class T>
class ConvCheck {
 public:
  ConvCheck(const Record& record, const Setting& setting, Report& report)
      : record_(record),
        setting_(setting),
        report_(report),
        problem_(conv_problem(record, dtype_of<T>())),
        x_({problem_.batch, problem_.in_channels, problem_.in}, setting.x, setting.guard),
        w_(weight_shape(problem_), setting.w, setting.guard),
        bias_({1, problem_.has_bias ? problem_.out_channels : 0, {{1, 1, 1}}}, Arrangement::planar,
              setting.guard) {
    fill_from(record, "x", x_);
    fill_from(record, "w", w_);
    fill_from(record, "bias", bias_);
    problem_.x = x_.strides();
    problem_.w = w_.strides();
    if (static_cast<std::size_t>(output_shape(problem_).count()) != record.array("y").size())
      throw std::runtime_error("record '" + record.name + "': y does not have the output's size");
    problem_.y = make_layout(output_shape(problem_), setting.y).strides;
  }

  // Every family that does not decline, chosen or not; then what the public functions choose.
  void run(Isa isa) {
    const DTypeTable& table = find_unit(isa)->table[static_cast<int>(problem_.dtype)];
    for (int f = 0; f < kFamilies; ++f) {
      const Family family = static_cast<Family>(f);
      if (declines(problem_, family, table) != nullptr) continue;
      select(family_name(family), isa);
      const ConvPlan roomy = plan_of(family, isa, table, kRoomy, 1);
      run_family(roomy, table, kRoomy);
      if (!same_blocks(roomy, plan_of(family, isa, table, kTight, 1)))
        run_family(plan_of(family, isa, table, kTight, 1), table, kTight);
    }
    for (int a = 0; a < kAlgorithms; ++a) run_algorithm(static_cast<Algorithm>(a), isa);
  }

 private:
  std::string where() const { return place(record_, setting_); }

  void select(const std::string& what, Isa isa) {
    const std::string group = what + " " + isa_name(isa) + " " + dtype_name(problem_.dtype);
    report_.group(group);
    now_running(group + ": " + where());
  }

  ConvPlan plan_of(Family family, Isa isa, const DTypeTable& table, Index cache,
                   int threads) const {
    ConvPlan plan;
    plan.family = family;
    plan.isa = isa;
    plan.threads = threads;
    schedule(problem_, table, cache, false, plan);
    return plan;
  }

  static bool same_blocks(const ConvPlan& a, const ConvPlan& b) {
    return a.block_rows == b.block_rows && a.block_cols == b.block_cols &&
           a.block_depth == b.block_depth && a.channel_parts == b.channel_parts;
  }

  void run_family(const ConvPlan& plan, const DTypeTable& table, Index cache) {
    const Tensor<T> y = output();
    compute(plan, y);
    if (setting_.vary_threads) {
      const Tensor<T> again = output();
      if (call(plan_of(plan.family, plan.isa, table, cache, kManyThreads), again))
        report_.check(same_bits(y, again), where() + ": threads change the result");
    }
    report_.check(y.only_elements_written(), where() + ": wrote outside the output");
  }

  // Only a forced algorithm may decline, and it must say why.
  void run_algorithm(Algorithm algorithm, Isa isa) {
    select(std::string("plan ") + algorithm_name(algorithm), isa);
    ConvPlan plan;
    const Status status = plan_conv(problem_, {algorithm, kManyThreads}, plan);
    if (!status.ok()) {
      report_.check(algorithm != Algorithm::automatic && status.code == StatusCode::unsupported &&
                        !status.message.empty(),
                    where() + ": " + status.message);
      return;
    }
    report_.check(plan.isa == isa, where() + ": planned for another instruction set");
    const Tensor<T> y = output();
    compute(plan, y);
    report_.check(y.only_elements_written(), where() + ": wrote outside the output");
    run_prepared(algorithm);
  }

  void run_prepared(Algorithm algorithm) {
    std::unique_ptr<PreparedConv> prepared;
    Status status = PreparedConv::make(problem_, {algorithm, kManyThreads}, w_.origin(),
                                       problem_.has_bias ? bias_.origin() : nullptr, prepared);
    const Tensor<T> y = output();
    if (status.ok()) status = prepared->run(x_.origin(), y.origin());
    report_.check(status.ok(), where() + ": " + status.message);
    if (!status.ok()) return;
    compare(y, prepared->plan().family, "prepared: ");
    report_.check(y.only_elements_written(), where() + ": wrote outside the output");
  }

  Tensor<T> output() const {
    Tensor<T> y(output_shape(problem_), setting_.y, setting_.guard);
    y.fill(std::numeric_limits<T>::quiet_NaN());
    return y;
  }

  bool call(const ConvPlan& plan, const Tensor<T>& y) {
    const Status status = run_conv(
        problem_, plan,
        {x_.origin(), w_.origin(), problem_.has_bias ? bias_.origin() : nullptr, y.origin()});
    report_.check(status.ok(), where() + ": " + status.message);
    return status.ok();
  }

  void compute(const ConvPlan& plan, const Tensor<T>& y) {
    if (!call(plan, y)) return;
    compare(y, plan.family, "");
  }

  void compare(const Tensor<T>& y, Family family, const char* what) {
    const Algorithm algorithm = family_algorithm(family);
    const char* limit = algorithm == Algorithm::winograd ? "transform_limit"
                        : algorithm == Algorithm::fft    ? "fft_limit"
                                                         : "limit";
    const std::string wrong = first_difference(y, record_.array("y"), record_.array(limit));
    report_.check(wrong.empty(), where() + ": " + what + wrong);
  }

  const Record& record_;
  const Setting& setting_;
  Report& report_;
  ConvProblem problem_;
  Tensor<T> x_, w_, bias_;
};

}  // namespace

void check_conv(const std::vector<Record>& records, Isa isa, Report& report) {
  for (const Record& record : records) {
    if (record.text("op") != "conv") continue;
    for (const Setting& setting : kSettings) {
      ConvCheck<float>(record, setting, report).run(isa);
      ConvCheck<double>(record, setting, report).run(isa);
    }
  }
  report.print_groups();
}

}  // namespace fastconv::runner
