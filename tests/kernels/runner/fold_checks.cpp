#include "core/fold.h"

#include <cstddef>
#include <limits>
#include <string>

#include "comparison.h"
#include "core/names.h"
#include "crash.h"
#include "fold_checks.h"
#include "fold_record.h"
#include "setting.h"

namespace fastconv::runner {

namespace {

template <class T>
class FoldCheck {
 public:
  FoldCheck(const Record& record, const Setting& setting, Report& report)
      : record_(record), setting_(setting), report_(report) {}

  void run() {
    const std::string& op = record_.text("op");
    const std::string group = op + " " + dtype_name(dtype_of<T>());
    report_.group(group);
    now_running(group + ": " + where());
    op == "unpool" ? unpool() : fold(op == "fold");
  }

 private:
  std::string where() const { return record_.name + " (" + setting_.text() + ")"; }

  Tensor<T> input(const Shape& shape) const {
    Tensor<T> x(shape, setting_.x, setting_.guard);
    x.fill(record_.array("x"));
    x.make_read_only();
    return x;
  }

  Tensor<T> output(const Shape& shape, Arrangement arrangement) const {
    Tensor<T> y(shape, arrangement, setting_.guard);
    y.fill(std::numeric_limits<T>::quiet_NaN());
    return y;
  }

  void finish(const Status& status, const Tensor<T>& y) {
    report_.check(status.ok(), where() + ": " + status.message);
    const std::string wrong = first_difference(y, record_.array("y"), record_.array("limit"));
    report_.check(wrong.empty(), where() + ": " + wrong);
    report_.check(y.only_elements_written(), where() + ": wrote outside the output");
  }

  void fold(bool to_image) {
    FoldProblem p = fold_problem(record_, dtype_of<T>());
    const Status inferred = infer_positions(p);
    report_.check(inferred.ok(), where() + ": " + inferred.message);
    if (!inferred.ok()) return;
    const Shape image_shape{p.batch, p.channels, {{1, p.in[0], p.in[1]}}};
    const Shape column_shape{p.batch, p.channels * p.taps(), {{1, 1, p.positions()}}};
    const Tensor<T> x = input(to_image ? column_shape : image_shape);
    const Tensor<T> y = output(to_image ? image_shape : column_shape, setting_.y);
    set_strides(p, (to_image ? y : x).strides(), (to_image ? x : y).strides());
    finish(to_image ? run_fold(p, x.origin(), y.origin()) : run_unfold(p, x.origin(), y.origin()),
           y);
  }

  void unpool() {
    UnpoolProblem p = unpool_problem(record_, dtype_of<T>());
    const Tensor<T> x = input({p.batch, p.channels, p.in});
    const Tensor<Index> indices({p.batch, p.channels, p.in}, setting_.w, setting_.guard);
    indices.fill(record_.array("indices"));
    indices.make_read_only();
    p.x = x.strides();
    p.indices = indices.strides();
    const Tensor<T> y = output({p.batch, p.channels, p.out}, Arrangement::planar);
    finish(run_unpool(p, x.origin(), indices.origin(), y.origin()), y);
  }

  const Record& record_;
  const Setting& setting_;
  Report& report_;
};

}  // namespace

void check_fold(const std::vector<Record>& records, Report& report) {
  for (const Record& record : records) {
    const std::string& op = record.text("op");
    if (op != "fold" && op != "unfold" && op != "unpool") continue;
    for (const Setting& setting : kSettings) {
      FoldCheck<float>(record, setting, report).run();
      FoldCheck<double>(record, setting, report).run();
    }
  }
  report.print_groups();
}

}  // namespace fastconv::runner
