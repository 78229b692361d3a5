// SPDX-License-Identifier: Apache-2.0
// How prompts share what is left of a step. A pure function, so that nothing but the plan depends
// on it.
#pragma once

#include <span>
#include <vector>

namespace redknot {

// Rows for each of those that want so many, in order of precedence: `room` together, or all that
// they want if that is less. Half of the room goes to those that want the fewest, so that a short
// prompt does not wait for a long one, the rest in order of precedence, so that a long one goes on
// whatever comes.
std::vector<int> share_rows(std::span<const int> wanted, int room);

}  // namespace redknot
