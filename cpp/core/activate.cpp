#include "core/activate.h"

#include "core/config.h"
#include "core/parallel.h"
#include "core/unit.h"

namespace fastconv {

void run_activation(DType dtype, Activation activation, Index count,
                    const ActivationArrays& arrays) {
  const DTypeTable& table = find_unit(active_isa())->table[static_cast<int>(dtype)];
  const ActivationJob job{activation, count, arrays.x, arrays.addend, arrays.grad, arrays.to};
  const Phase phase{ceil_div(count, kActivationBlock), table.activation};
  const Index useful = phase.tasks / 8;  // a thread wakes for eight blocks
  const int threads = static_cast<int>(larger(1, smaller(useful, Index{max_threads()})));
  (void)run_phases(threads, &phase, 1, &job, 0);  // without scratch memory nothing can fail
}

}  // namespace fastconv
