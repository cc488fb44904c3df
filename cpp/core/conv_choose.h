// Why kernel families decline a problem: what `choose` goes by and `explain` prints.
#pragma once

#include "core/unit.h"

namespace fastconv {

// Why a family cannot take a problem; null when it can.
const char* declines(const ConvProblem& problem, Family family, const DTypeTable& table);

// Blocks, tasks and workspace of `plan.family` for `plan.threads` threads and tasks that may fill
// `cache` bytes. Tests run every family that does not decline, chosen or not, with small caches
// too.
void schedule(const ConvProblem& problem, const DTypeTable& table, Index cache, bool keeps_weights,
              ConvPlan& plan);

}  // namespace fastconv
