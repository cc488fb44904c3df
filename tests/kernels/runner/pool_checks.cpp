#include "pool_checks.h"

#include <limits>
#include <string>

#include "comparison.h"
#include "core/names.h"
#include "core/pool.h"
#include "crash.h"
#include "pool_record.h"
#include "setting.h"

namespace fastconv::runner {

namespace {

template <class T>
class PoolCheck {
 public:
  PoolCheck(const Record& record, const Setting& setting, Report& report)
      : record_(record),
        setting_(setting),
        report_(report),
        problem_(pool_problem(record, dtype_of<T>())),
        x_({problem_.batch, problem_.channels, problem_.in}, setting.x, setting.guard) {
    x_.fill(record.array("x"));
    x_.make_read_only();
    problem_.x = x_.strides();
    problem_.y = make_layout(output_shape(), setting.y).strides;
    problem_.indices = make_layout(index_shape(), setting.y).strides;
  }

  void run(Isa isa) {
    report_.group(std::string("pool ") + record_.text("kind") +
                  (problem_.adaptive ? " adaptive" : "") +
                  (problem_.with_indices ? " with indices" : "") + " " + isa_name(isa) + " " +
                  dtype_name(problem_.dtype));
    now_running("pool " + std::string(isa_name(isa)) + ": " + where());
    PoolPlan plan;
    Status status = validate(problem_);
    if (status.ok()) status = choose_pool(problem_, isa, 1, plan);
    report_.check(status.ok() && plan.isa == isa, where() + ": " + status.message);
    if (!status.ok()) return;

    const Result once = compute(plan);
    const std::string wrong = first_difference(once.y, record_.array("y"), record_.array("limit"));
    report_.check(wrong.empty(), where() + ": " + wrong);
    if (problem_.with_indices) compare_indices(once.indices);
    if (setting_.vary_threads) {
      // Small problems would not be shared out by themselves.
      plan.threads = kManyThreads;
      const Result again = compute(plan);
      report_.check(same_bits(once.y, again.y), where() + ": threads change the result");
      if (problem_.with_indices) compare_indices(again.indices);
    }
    report_.check(once.y.only_elements_written() && once.indices.only_elements_written(),
                  where() + ": wrote outside the output");
  }

 private:
  struct Result {
    Tensor<T> y;
    Tensor<Index> indices;
  };

  Shape output_shape() const { return {problem_.batch, problem_.channels, problem_.out}; }
  Shape index_shape() const {
    return problem_.with_indices ? output_shape() : Shape{0, 0, {{1, 1, 1}}};
  }
  std::string where() const { return record_.name + " (" + setting_.text() + ")"; }

  Result compute(const PoolPlan& plan) {
    Result result{{output_shape(), setting_.y, setting_.guard},
                  {index_shape(), setting_.y, setting_.guard}};
    result.y.fill(std::numeric_limits<T>::quiet_NaN());
    result.indices.fill(Index{-1});
    const Status status = run_pool(problem_, plan, x_.origin(), result.y.origin(),
                                   problem_.with_indices ? result.indices.origin() : nullptr);
    report_.check(status.ok(), where() + ": " + status.message);
    return result;
  }

  void compare_indices(const Tensor<Index>& got) {
    const std::vector<double>& want = record_.array("indices");
    for (Index i = 0; i < got.count(); ++i) {
      if (got[i] == static_cast<Index>(want[static_cast<std::size_t>(i)])) continue;
      report_.fail(where() + ": index " + std::to_string(i) + " is " + std::to_string(got[i]) +
                   ", not " + std::to_string(want[static_cast<std::size_t>(i)]));
      return;
    }
    report_.pass();
  }

  const Record& record_;
  const Setting& setting_;
  Report& report_;
  PoolProblem problem_;
  Tensor<T> x_;
};

}  // namespace

void check_pool(const std::vector<Record>& records, Isa isa, Report& report) {
  for (const Record& record : records) {
    if (record.text("op") != "pool") continue;
    for (const Setting& setting : kSettings) {
      PoolCheck<float>(record, setting, report).run(isa);
      PoolCheck<double>(record, setting, report).run(isa);
    }
  }
  report.print_groups();
}

}  // namespace fastconv::runner
