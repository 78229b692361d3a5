// SPDX-License-Identifier: Apache-2.0
#include "runtime/ffn_select.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace redknot {

void mark_by_mass(std::span<const float> scores, float mass, int recent,
                  std::span<std::uint8_t> marks) {
  const double total = std::accumulate(scores.begin(), scores.end(), 0.0);
  if (mass >= 1.0f || !std::isfinite(total) || total <= 0.0) {
    std::fill(marks.begin(), marks.end(), std::uint8_t{1});
    return;
  }
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&scores](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  double held = 0.0;
  for (const std::size_t row : order) {
    marks[row] = 1;
    held += scores[row];
    if (held >= mass * total) break;
  }
  const auto last = std::min(marks.size(), static_cast<std::size_t>(std::max(recent, 0)));
  std::fill_n(marks.rbegin(), last, std::uint8_t{1});
}

}  // namespace redknot
