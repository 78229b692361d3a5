// SPDX-License-Identifier: Apache-2.0
// Random recorded steps that use every field, for tests of what writes, reads and checks them. They
// cannot be run. Pure functions of a generator that the test owns; one thread.
#pragma once

#include <random>

#include "step/recorded_step.h"

namespace redknot::tests {

StepFileHeader random_header(std::mt19937& random);
RecordedStep random_step(std::mt19937& random);

// Changes one number, flag or list of the plan.
void change_something(StepPlan& plan, std::mt19937& random);

}  // namespace redknot::tests
