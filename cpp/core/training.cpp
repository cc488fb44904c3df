#include "core/training.h"

#include "core/config.h"
#include "core/parallel.h"
#include "core/unit.h"

namespace fastconv {
namespace {

// Elements for which it pays to wake another thread.
constexpr Index kThreadWork = 32'768;

void run(TaskFunction function, Index tasks, Index elements, const void* job) {
  const Phase phase{tasks, function};
  const Index most = smaller(tasks, smaller(elements / kThreadWork, Index{max_threads()}));
  // Without scratch memory nothing can fail.
  (void)run_phases(static_cast<int>(larger(1, most)), &phase, 1, job, 0);
}

const DTypeTable& table_of(DType dtype) {
  return find_unit(active_isa())->table[static_cast<int>(dtype)];
}

}  // namespace

void run_channel_products(DType dtype, const ChannelProducts& job) {
  run(table_of(dtype).channel_products, job.channels, job.batch * job.channels * job.inner, &job);
}

void run_channel_affine(DType dtype, const ChannelAffine& job) {
  run(table_of(dtype).channel_affine, job.channels, job.batch * job.channels * job.inner, &job);
}

void run_descent(DType dtype, const Descent& job) {
  run(table_of(dtype).descend, ceil_div(job.count, kActivationBlock), job.count, &job);
}

}  // namespace fastconv
