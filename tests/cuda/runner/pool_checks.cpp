// Every pooling kernel on every pooling, and the gradients, with and without kept positions.
#include <limits>
#include <string>

#include "checks.h"
#include "comparison.h"
#include "core/names.h"
#include "crash.h"
#include "cuda/fastconv_cuda.h"
#include "element.h"
#include "pool_record.h"
#include "settings.h"

namespace fastconv::runner {
namespace {

// Outputs up to which a kernel with a warp for each is forced, and a limit that lets the gradients
// of some problems take an image at a time, and others all at once.
constexpr Index kFewOutputs = 150;
constexpr std::size_t kWorkspace = std::size_t{4} << 10;

template <class T>
class CudaPoolCheck {
 public:
  CudaPoolCheck(const Record& record, const Setting& setting, Report& report)
      : record_(record),
        setting_(setting),
        report_(report),
        problem_(pool_problem(record, element_type<T>())),
        x_({problem_.batch, problem_.channels, problem_.in}, setting.x, setting.guard) {
    x_.fill(record.array("x"));
    x_.make_read_only();
    problem_.x = x_.strides();
    problem_.y = problem_.indices = make_layout(output_shape(), setting.y).strides;
  }

  // `costly`: also kernels of which every output takes a warp or more of fibres, where these are
  // few.
  void run(const std::string& filter, bool costly) {
    for (int k = 0; k < cuda::kPoolKernels; ++k) {
      const std::string name =
          std::string("pool_") + cuda::pool_kernel_name(static_cast<cuda::PoolKernel>(k));
      if (k != static_cast<int>(cuda::PoolKernel::outputs) && !costly) continue;
      if (k == static_cast<int>(cuda::PoolKernel::windows) && output_shape().count() > kFewOutputs)
        continue;
      if (name.find(filter) != std::string::npos) check(k, name);
    }
    if (std::string("pool").find(filter) == std::string::npos) return;
    check(-1, "pool plan");
    check_gradients();
  }

 private:
  Shape output_shape() const { return {problem_.batch, problem_.channels, problem_.out}; }
  Shape index_shape() const {
    return problem_.with_indices ? output_shape() : Shape{0, 0, {{1, 1, 1}}};
  }
  std::string where() const { return record_.name + " (" + setting_.text() + ")"; }

  void select(const std::string& name) {
    const std::string group = name + " " + dtype_name(problem_.dtype);
    report_.group(group);
    now_running(group + ": " + where());
    alternate_order();
  }

  void check(int kernel, const std::string& name) {
    select(name);
    cuda::PoolPlan plan;
    Status status = cuda::plan_pool(problem_, kernel, traits_, plan);
    report_.check(status.ok(), where() + ": " + status.message);
    if (!status.ok()) return;
    if (kernel == static_cast<int>(cuda::PoolKernel::windows)) plan.warps = warps();
    if (kernel == static_cast<int>(cuda::PoolKernel::outputs)) plan.rows = 1 + warps() % 3;
    const Tensor<T> y(output_shape(), setting_.y, setting_.guard);
    const Tensor<Index> indices(index_shape(), setting_.y, setting_.guard);
    y.fill(element_of<T>(std::numeric_limits<double>::quiet_NaN()));
    indices.fill(Index{-7});
    status = cuda::run_pool(problem_, plan, x_.origin(), y.origin(),
                            problem_.with_indices ? indices.origin() : nullptr, nullptr);
    report_.check(status.ok(), where() + ": " + status.message);
    const std::string wrong = first_difference(y, record_.array("y"), record_.array("limit"));
    report_.check(wrong.empty(), where() + ": " + wrong);
    if (problem_.with_indices) compare_indices(indices);
    report_.check(y.only_elements_written() && indices.only_elements_written(),
                  where() + ": wrote outside the output");
  }

  // Small problems would have one warp for a window and one row for a thread.
  int warps() const { return 1 << record_.name.size() % 4; }

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

  void check_gradients() {
    select("pool gradient");
    gradient(nullptr);
    if (!problem_.with_indices) return;
    select("pool gradient with indices");
    const Tensor<Index> indices(index_shape(), setting_.w, setting_.guard);
    problem_.indices = indices.strides();
    indices.fill(record_.array("indices"));
    gradient(&indices);
    check_indices(indices);
  }

  void gradient(const Tensor<Index>* indices) {
    const Tensor<T> grad(output_shape(), setting_.y, setting_.guard);
    grad.fill(record_.array("y_grad"));
    grad.make_read_only();
    cuda::PoolGradientPlan plan;
    Status status = cuda::plan_pool_gradient(problem_, indices != nullptr, kWorkspace, plan);
    report_.check(status.ok(), where() + ": " + status.message);
    if (!status.ok()) return;
    const GuardedBuffer workspace(plan.workspace_bytes, Guard::before);
    const Tensor<T> result({problem_.batch, problem_.channels, problem_.in}, setting_.x,
                           setting_.guard);
    result.fill(element_of<T>(std::numeric_limits<double>::quiet_NaN()));
    status = cuda::run_pool_gradient(problem_, plan, result.strides(), grad.origin(), x_.origin(),
                                     indices == nullptr ? nullptr : indices->origin(),
                                     result.origin(), workspace.data(), traits_, nullptr);
    report_.check(status.ok(), where() + ": " + status.message);
    const std::string wrong =
        first_difference(result, record_.array("x_grad"), record_.array("x_grad_limit"));
    report_.check(wrong.empty(), where() + ": " + wrong);
    report_.check(result.only_elements_written(), where() + ": wrote outside the gradient");
  }

  // Those of the pooling pass; each of them moved out of its window is found.
  void check_indices(const Tensor<Index>& indices) {
    if (indices.count() == 0) return;
    int wrong = 0;
    Status status = cuda::check_pool_indices(problem_, indices.origin(), &wrong, nullptr);
    report_.check(status.ok() && wrong == 0, where() + ": good indices are called wrong");
    const Index before = indices[indices.count() / 2];
    for (const Index bad : {Index{-1}, problem_.in.product()}) {
      indices[indices.count() / 2] = bad;
      wrong = 0;
      status = cuda::check_pool_indices(problem_, indices.origin(), &wrong, nullptr);
      report_.check(status.ok() && wrong == 1,
                    where() + ": does not find index " + std::to_string(bad));
    }
    indices[indices.count() / 2] = before;
  }

  const Record& record_;
  const Setting& setting_;
  Report& report_;
  cuda::DeviceTraits traits_;
  PoolProblem problem_;
  Tensor<T> x_;
};

template <class T>
void check_as(const Record& record, std::size_t number, const std::string& filter, Report& report) {
  if (!takes_fill(element_type<T>(), record)) return;
  for (int s = 0; s < kSettingCount; ++s) {
    if (!runs_in(element_type<T>(), s, number)) continue;
    CudaPoolCheck<T>(record, kSettings[s], report)
        .run(filter, takes_turn(element_type<T>(), s, number));
  }
}

}  // namespace

void check_cuda_pool(const std::vector<Record>& records, const std::string& filter,
                     Report& report) {
  std::size_t number = 0;
  for (const Record& record : records) {
    if (record.text("op") != "pool") continue;
    check_as<float>(record, number, filter, report);
    check_as<double>(record, number, filter, report);
    check_as<Half>(record, number, filter, report);
    check_as<BFloat16>(record, number, filter, report);
    ++number;
  }
  report.print_groups();
}

}  // namespace fastconv::runner
