// SPDX-License-Identifier: Apache-2.0
#include "sched/step_share.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace redknot {

std::vector<int> share_rows(std::span<const int> wanted, int room) {
  std::vector<int> shares(wanted.size());
  const auto give = [&](std::size_t to, int most) {
    const int rows = std::clamp(wanted[to] - shares[to], 0, most);
    shares[to] += rows;
    return rows;
  };
  std::vector<std::size_t> shortest(wanted.size());
  std::iota(shortest.begin(), shortest.end(), std::size_t{0});
  std::stable_sort(shortest.begin(), shortest.end(),
                   [&](std::size_t a, std::size_t b) { return wanted[a] < wanted[b]; });
  int half = std::max(0, room) / 2;
  int rest = std::max(0, room) - half;
  for (const std::size_t one : shortest) half -= give(one, half);
  rest += half;
  for (std::size_t one = 0; one < wanted.size(); ++one) rest -= give(one, rest);
  return shares;
}

}  // namespace redknot
