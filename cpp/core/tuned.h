// What measurements found to be the fastest way through the kernels, problem by problem: an
// exception to the rules of choose_conv, which plan_conv looks up first.
#pragma once

#include <fastconv/fastconv.h>

#include <string>

namespace fastconv {

// A choice in the terms of choose_conv, small enough to be kept in a file: blocks and workspace
// follow from it.
struct TunedChoice {
  Family family = Family::plain;
  int limit = 1;    // threads that the measurement was allowed
  int threads = 1;  // that it was fastest with
  Index cache = 0;  // bytes of the second-level cache that one task may fill
};

// What a choice is made for, in words. Not part of it: bias and activation, which every kernel
// treats alike, where the weights lie, and the number of threads, on which results must not depend.
std::string tuning_key(const ConvProblem& problem, const PlanOptions& options, Isa isa);

void keep_tuned(const std::string& key, const TunedChoice& choice);
void forget_tuned();
bool find_tuned(const std::string& key, TunedChoice& choice);

// Changes with every keep and forget; 0 as long as nothing was ever kept.
unsigned tuned_generation();

// Makes `plan`, which choose_conv made, that of a choice. False, and the plan as it was, where its
// family cannot take the problem.
bool follow_tuned(const ConvProblem& problem, const PlanOptions& options, const TunedChoice& choice,
                  ConvPlan& plan);

}  // namespace fastconv
