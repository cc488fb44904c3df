// unfold, fold, max unpooling and its gradient, and activations of whole arrays.
#include <limits>
#include <string>

#include "checks.h"
#include "comparison.h"
#include "core/names.h"
#include "crash.h"
#include "cuda/fastconv_cuda.h"
#include "element.h"
#include "fold_record.h"
#include "settings.h"

namespace fastconv::runner {
namespace {

template <class T>
class CudaFoldCheck {
 public:
  CudaFoldCheck(const Record& record, const Setting& setting, Report& report)
      : record_(record), setting_(setting), report_(report) {}

  void run() {
    const std::string& op = record_.text("op");
    const std::string group = op + " " + dtype_name(element_type<T>());
    report_.group(group);
    now_running(group + ": " + where());
    alternate_order();
    if (op == "activation") {
      activation();
    } else {
      op == "unpool" ? unpool() : fold(op == "fold");
    }
  }

 private:
  std::string where() const { return record_.name + " (" + setting_.text() + ")"; }

  Tensor<T> input(const char* name, const Shape& shape, Arrangement arrangement) const {
    Tensor<T> x(shape, arrangement, setting_.guard);
    x.fill(record_.array(name));
    x.make_read_only();
    return x;
  }

  Tensor<T> output(const Shape& shape, Arrangement arrangement) const {
    Tensor<T> y(shape, arrangement, setting_.guard);
    y.fill(element_of<T>(std::numeric_limits<double>::quiet_NaN()));
    return y;
  }

  void finish(const Status& status, const Tensor<T>& y, const char* want, const char* limit) {
    report_.check(status.ok(), where() + ": " + status.message);
    const std::string wrong = first_difference(y, record_.array(want), record_.array(limit));
    report_.check(wrong.empty(), where() + ": " + want + ": " + wrong);
    report_.check(y.only_elements_written(), where() + ": wrote outside the output");
  }

  void fold(bool to_image) {
    FoldProblem p = fold_problem(record_, element_type<T>());
    const Status inferred = infer_positions(p);
    report_.check(inferred.ok(), where() + ": " + inferred.message);
    if (!inferred.ok()) return;
    const Shape image_shape{p.batch, p.channels, {{1, p.in[0], p.in[1]}}};
    const Shape column_shape{p.batch, p.channels * p.taps(), {{1, 1, p.positions()}}};
    const Tensor<T> x = input("x", to_image ? column_shape : image_shape, setting_.x);
    const Tensor<T> y = output(to_image ? image_shape : column_shape, setting_.y);
    set_strides(p, (to_image ? y : x).strides(), (to_image ? x : y).strides());
    finish(to_image ? cuda::run_fold(p, x.origin(), y.origin(), nullptr)
                    : cuda::run_unfold(p, x.origin(), y.origin(), nullptr),
           y, "y", "limit");
  }

  void unpool() {
    UnpoolProblem p = unpool_problem(record_, element_type<T>());
    const Shape values{p.batch, p.channels, p.in}, planes{p.batch, p.channels, p.out};
    const Tensor<T> x = input("x", values, setting_.x);
    const Tensor<Index> indices(values, setting_.w, setting_.guard);
    indices.fill(record_.array("indices"));
    p.x = x.strides();
    p.indices = indices.strides();
    const Tensor<T> y = output(planes, Arrangement::planar);
    finish(cuda::run_unpool(p, x.origin(), indices.origin(), y.origin(), nullptr), y, "y", "limit");

    const Tensor<T> grad = input("y_grad", planes, setting_.y), to = output(values, setting_.x);
    finish(cuda::run_unpool_gradient(p, grad.strides(), grad.origin(), indices.origin(),
                                     to.origin(), nullptr),
           to, "x_grad", "x_grad_limit");
    check_indices(p, indices);
  }

  void check_indices(const UnpoolProblem& p, const Tensor<Index>& indices) {
    if (indices.count() == 0) return;
    int wrong = 0;
    Status status = cuda::check_unpool_indices(p, indices.origin(), &wrong, nullptr);
    report_.check(status.ok() && wrong == 0, where() + ": good indices are called wrong");
    for (const Index bad : {Index{-1}, p.out.product()}) {
      indices[indices.count() - 1] = bad;
      wrong = 0;
      status = cuda::check_unpool_indices(p, indices.origin(), &wrong, nullptr);
      report_.check(status.ok() && wrong == 1,
                    where() + ": does not find index " + std::to_string(bad));
    }
  }

  void activation() {
    const Activation kind =
        static_cast<Activation>(kActivationNames.find(record_.text("activation")));
    const Shape shape{1, 1, {{1, 1, record_.integer("batch")}}};
    const Tensor<T> x = input("x", shape, Arrangement::planar);
    const Tensor<T> grad = input("y_grad", shape, Arrangement::planar);
    for (const bool backward : {false, true}) {
      const Tensor<T> y = output(shape, Arrangement::planar);
      const Status status =
          cuda::run_activation(element_type<T>(), kind, shape.count(), x.origin(),
                               backward ? grad.origin() : nullptr, y.origin(), nullptr);
      finish(status, y, backward ? "x_grad" : "y", backward ? "x_grad_limit" : "limit");
    }
  }

  const Record& record_;
  const Setting& setting_;
  Report& report_;
};

template <class T>
void check_as(const Record& record, std::size_t number, Report& report) {
  if (!takes_fill(element_type<T>(), record)) return;
  for (int s = 0; s < kSettingCount; ++s) {
    if (!runs_in(element_type<T>(), s, number)) continue;
    CudaFoldCheck<T>(record, kSettings[s], report).run();
  }
}

}  // namespace

void check_cuda_fold(const std::vector<Record>& records, const std::string& filter,
                     Report& report) {
  std::size_t number = 0;
  for (const Record& record : records) {
    const std::string& op = record.text("op");
    if (op != "fold" && op != "unfold" && op != "unpool" && op != "activation") continue;
    if (op.find(filter) == std::string::npos) continue;
    check_as<float>(record, number, report);
    check_as<double>(record, number, report);
    check_as<Half>(record, number, report);
    check_as<BFloat16>(record, number, report);
    ++number;
  }
  report.print_groups();
}

}  // namespace fastconv::runner
