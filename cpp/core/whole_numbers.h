// Whether an input holds nothing that a transform may round: only whole numbers, whose sums of
// products float32 holds exactly as long as they stay below 2^24, and numbers that are almost or
// wholly subnormal, whose products lose their last bits where anything is scaled.
#pragma once

#include <fastconv/problem.h>

namespace fastconv {

// Looks at elements until one is another number: of measured data that is the first that is not 0.
bool only_whole_or_tiny(const ConvProblem& p, const float* x);

}  // namespace fastconv
