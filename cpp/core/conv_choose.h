// Why kernel families decline a problem: what `choose` goes by and `explain` prints.
#pragma once

#include <fastconv/fastconv.h>

#include "core/unit.h"

namespace fastconv {

// Why a family cannot take a problem; null when it can.
const char* declines(const ConvProblem& problem, Family family, const DTypeTable& table);

// Whether a family keeps the bound of the problem's level of precision.
bool accurate_enough(const ConvProblem& problem, Family family);

// Blocks, tasks and workspace of `plan.family` for `plan.threads` threads and tasks that may fill
// `cache` bytes. Tests run every family that does not decline, chosen or not, with small caches
// too.
void schedule(const ConvProblem& problem, const DTypeTable& table, Index cache, bool keeps_weights,
              ConvPlan& plan);

// Whether a family computes with any float there is. The others split numbers, and report in
// ConvJob::declined what cannot be split.
bool takes_every_value(Family family);

// As plan_conv for a problem that is known to be valid, of families that take every value.
void plan_any_value(const ConvProblem& problem, int threads, bool keeps_weights, ConvPlan& plan);

// A plan for a valid problem, from rules alone: a pure function of the problem, the machine and the
// options, of which none is left to a default. Fails where options force what cannot be.
Status choose_conv(const ConvProblem& problem, const PlanOptions& options, Isa isa, ConvPlan& plan);

}  // namespace fastconv
