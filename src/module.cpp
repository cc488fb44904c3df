// fastconv._core: the table of contents.
#include "bindings.h"

namespace fastconv::bind {

const char* const kPlanType = "fastconv._core.ConvPlan";

}  // namespace fastconv::bind

PYBIND11_MODULE(_core, m) {
  namespace bind = fastconv::bind;
  m.doc() = "Compiled kernels of fastconv. Use the functions of the fastconv package instead.";
  bind::bind_precision(m);
  bind::bind_conv(m);
  bind::bind_gradient(m);
  bind::bind_plan(m);
  bind::bind_tune(m);
  bind::bind_image(m);
  bind::bind_pool(m);
  bind::bind_pool_gradient(m);
  bind::bind_fold(m);
  bind::bind_activation(m);
  bind::bind_training(m);
  bind::bind_info(m);
}
