// SPDX-License-Identifier: Apache-2.0
#include "profiler/policy_choice.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "base/check.h"

namespace redknot {
namespace {

// A head's change from one option to the next.
struct Step {
  std::size_t head = 0, option = 0;
  double kl = 0;     // what it adds
  double saved = 0;  // of the cost
  double worth() const { return kl > 0 ? saved / kl : std::numeric_limits<double>::infinity(); }
};

// The options on the lower convex hull: divergences increase, costs fall, less and less steeply.
std::vector<std::size_t> hull_of(const std::vector<HeadOption>& options) {
  std::vector<std::size_t> order(options.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(options[a].kl, options[a].cost) < std::tie(options[b].kl, options[b].cost);
  });
  std::vector<std::size_t> hull;
  // Whether the last of the hull lies on or above the line from the one before it to the option.
  const auto bulges = [&](std::size_t option) {
    const HeadOption& a = options[hull[hull.size() - 2]];
    const HeadOption& b = options[hull.back()];
    const HeadOption& c = options[option];
    return (a.cost - b.cost) * (c.kl - a.kl) <= (a.cost - c.cost) * (b.kl - a.kl);
  };
  for (const std::size_t option : order) {
    if (!hull.empty() && options[option].cost >= options[hull.back()].cost) continue;
    while (hull.size() >= 2 && bulges(option)) hull.pop_back();
    hull.push_back(option);
  }
  return hull;
}

}  // namespace

std::vector<std::size_t> choose_options(std::span<const std::vector<HeadOption>> heads,
                                        double kl_allowed) {
  std::vector<std::size_t> chosen;
  std::vector<Step> steps;
  double kl = 0;
  for (std::size_t head = 0; head < heads.size(); ++head) {
    REDKNOT_CHECK(!heads[head].empty());
    const std::vector<std::size_t> hull = hull_of(heads[head]);
    chosen.push_back(hull.front());
    kl += heads[head][hull.front()].kl;
    for (std::size_t i = 1; i < hull.size(); ++i) {
      const HeadOption& from = heads[head][hull[i - 1]];
      const HeadOption& to = heads[head][hull[i]];
      steps.push_back({head, hull[i], to.kl - from.kl, from.cost - to.cost});
    }
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.worth() > b.worth(); });
  std::vector<bool> stays(heads.size());  // a step of the head was too much: so are those behind it
  for (const Step& step : steps) {
    if (stays[step.head]) continue;
    stays[step.head] = step.kl > 0 && kl + step.kl > kl_allowed;
    if (stays[step.head]) continue;
    kl += step.kl;
    chosen[step.head] = step.option;
  }
  return chosen;
}

}  // namespace redknot
