// SPDX-License-Identifier: Apache-2.0
// Which of the rows that compete pass the feed-forward network of a layer: those that attention
// wrote most into (the RedKnot paper, "sparse FFN").
#pragma once

#include <cstdint>
#include <span>

namespace redknot {

// Marks the rows with the largest scores until they hold the share `mass` of all scores, the one
// that crosses it too, the earlier of equal ones first; and the last `recent` rows. All rows if
// mass is 1 or more or the scores add up to nothing that can be shared (0, infinity, NaN).
// Requires as many marks, all 0, as scores; scores >= 0.
void mark_by_mass(std::span<const float> scores, float mass, int recent,
                  std::span<std::uint8_t> marks);

}  // namespace redknot
