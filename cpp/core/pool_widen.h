// Pooling of 16-bit arrays that no kernel takes as they are, in float32. Of planes, each thread
// widens a few at a time into memory of its own, pools them and rounds the result; where channels
// lie side by side, blocks of images are copied between parallel regions, as conv_widen.h does it.
#pragma once

#include <fastconv/plan.h>
#include <fastconv/problem.h>
#include <fastconv/status.h>

namespace fastconv {

Status choose_widened(const PoolProblem& problem, Isa isa, int threads, PoolPlan& plan);
Status run_widened(const PoolProblem& problem, const PoolPlan& plan, const void* x, void* y,
                   Index* indices);

}  // namespace fastconv
