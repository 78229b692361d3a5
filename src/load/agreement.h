// SPDX-License-Identifier: Apache-2.0
// How far answers under load agree with the exact run of the same prompts. Pure functions.
#pragma once

#include <cstdint>

#include "load/answer.h"

namespace redknot::load {

struct Agreement {
  int compared = 0;
  int identical = 0;
  std::int64_t tokens = 0;         // of the longer one of each two answers
  std::int64_t agreed_tokens = 0;  // of those, before the first difference
  double identical_share() const;
  double token_share() const;
};

// Compares the texts and the reasons to end; adds the result to `agreement`. An event's tokens
// agree if all of its text does.
void compare(const Answer& answer, const Answer& exact, Agreement& agreement);

}  // namespace redknot::load
