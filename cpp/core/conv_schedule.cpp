#include "core/conv_schedule.h"

#include "core/conv_choose.h"

namespace fastconv {

void schedule_plain(const ConvProblem& p, const Machine&, ConvPlan& plan) {
  plan.block_rows = plan.block_cols = 16;
  plan.tasks[1] = grid_tasks(p, grid_of(p, 16, 16), 1);
}

void schedule(const ConvProblem& problem, const DTypeTable& table, Index cache, bool keeps_weights,
              ConvPlan& plan) {
  const Machine machine{table, element_size(problem.dtype), cache, plan.threads, keeps_weights};
  switch (plan.family) {
    case Family::plain:
      schedule_plain(problem, machine, plan);
      break;
    case Family::direct_planar:
      schedule_direct_planar(problem, machine, plan);
      break;
    case Family::direct_pixels:
      schedule_direct_pixels(problem, machine, plan);
      break;
    case Family::direct_channels_last:
      schedule_channels_last(problem, machine, false, plan);
      break;
    case Family::rows:
      schedule_rows(problem, machine, plan);
      break;
    case Family::rows_in_place:
      schedule_rows_in_place(problem, machine, plan);
      break;
    case Family::depthwise_channels_last:
      schedule_depthwise_channels_last(problem, machine, plan);
      break;
    case Family::im2col_planar:
      schedule_im2col_planar(problem, machine, plan);
      break;
    case Family::im2col_channels_last:
      schedule_channels_last(problem, machine, true, plan);
      break;
    case Family::winograd_2x2:
    case Family::winograd_4x4:
    case Family::winograd_4x2:
    case Family::winograd_3x3:
      schedule_winograd(problem, machine, plan);
      break;
    case Family::matrix:
      schedule_matrix(problem, machine, plan);
      break;
    case Family::matrix_unfolded:
      schedule_matrix_unfolded(problem, machine, plan);
      break;
    case Family::few_pixels:
      schedule_few_pixels(problem, machine, plan);
      break;
    case Family::transposed_planar:
      schedule_transposed_planar(problem, machine, plan);
      break;
    case Family::transposed_pixels:
      schedule_transposed_pixels(problem, machine, plan);
      break;
    case Family::depthwise_turned:
      schedule_depthwise_turned(problem, machine, plan);
      break;
    case Family::fft:
      schedule_fft(problem, machine, plan);
      break;
  }
}

}  // namespace fastconv
