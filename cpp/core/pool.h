// Pooling from a described problem to results: validate, choose, run.
#pragma once

#include <fastconv/plan.h>
#include <fastconv/problem.h>
#include <fastconv/status.h>

namespace fastconv {

const char* pool_kind_name(PoolKind kind);

// Fills `out` of a pooling that is not adaptive from its other sizes. Rejects windows that do not
// fit; leaves the rest to validate().
Status infer_pool_output(PoolProblem& problem);

// The only place that rejects a pooling; kernels assume a valid one.
Status validate(const PoolProblem& problem);

// How a valid problem is computed with the given instruction set and at most `threads` threads.
Status choose_pool(const PoolProblem& problem, Isa isa, int threads, PoolPlan& plan);

// `indices` is null unless the problem asks for them.
Status run_pool(const PoolProblem& problem, const PoolPlan& plan, const void* x, void* y,
                Index* indices);

}  // namespace fastconv
