// SPDX-License-Identifier: Apache-2.0
#include "engine/stop_matcher.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstddef>
#include <random>

namespace redknot {
namespace {

struct Outcome {
  std::string text;
  bool stopped = false;
  bool operator==(const Outcome&) const = default;
};

// The whole text is known: try every end, first the nearest, and every stop string.
Outcome oracle(const std::string& text, const std::vector<std::string>& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const std::string& stop : stops) {
      const bool ends_here =
          stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0;
      if (ends_here) longest = std::max(longest, stop.size());
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

// How much of the end of `text` is the beginning of a stop string.
std::size_t must_hold(const std::string& text, const std::vector<std::string>& stops) {
  std::size_t held = 0;
  for (const std::string& stop : stops) {
    for (std::size_t n = 1; n < stop.size() && n <= text.size(); ++n) {
      if (text.compare(text.size() - n, n, stop, 0, n) == 0) held = std::max(held, n);
    }
  }
  return held;
}

TEST(StopMatcher, EqualsTheOracleHoweverTheTextIsCut) {
  std::mt19937 random(20240817);
  const auto below = [&random](int limit) { return static_cast<int>(random() % limit); };
  const auto random_string = [&](int length, int letters) {
    std::string out;
    for (int i = 0; i < length; ++i) out += static_cast<char>('a' + below(letters));
    return out;
  };
  for (int round = 0; round < 20000; ++round) {
    const int letters = 1 + below(3);
    std::vector<std::string> stops;
    for (int i = below(4); i > 0; --i) stops.push_back(random_string(below(7), letters));
    const std::string text = random_string(below(40), letters);
    StopMatcher matcher(stops);
    std::string fed, delivered;
    while (fed.size() < text.size() && !matcher.stopped()) {
      const std::string piece = text.substr(fed.size(), static_cast<std::size_t>(below(6)));
      fed += piece;
      delivered += matcher.add(piece);
      if (!matcher.stopped()) {
        ASSERT_EQ(fed.size() - delivered.size(), must_hold(fed, stops)) << "round " << round;
      }
    }
    delivered += matcher.flush();
    const Outcome outcome{delivered, matcher.stopped()};
    ASSERT_EQ(outcome, oracle(text, stops)) << "round " << round << " text " << text;
  }
}

TEST(StopMatcher, HoldsBackOnlyWhatMayStillMatch) {
  StopMatcher matcher({"</s>"});
  EXPECT_EQ(matcher.add("a < b <"), "a < b ");
  EXPECT_EQ(matcher.add("/"), "");
  EXPECT_EQ(matcher.add("x"), "</x");
  EXPECT_EQ(matcher.add("</s"), "");
  EXPECT_EQ(matcher.flush(), "</s");
}

TEST(StopMatcher, DeliversNothingOnceStopped) {
  StopMatcher matcher({"STOP"});
  EXPECT_EQ(matcher.add("go on ST"), "go on ");
  EXPECT_EQ(matcher.add("OP and more"), "");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.add("more"), "");
  EXPECT_EQ(matcher.flush(), "");
}

TEST(StopMatcher, IgnoresEmptyStopStrings) {
  StopMatcher matcher({""});
  EXPECT_EQ(matcher.add("text"), "text");
  EXPECT_FALSE(matcher.stopped());
}

}  // namespace
}  // namespace redknot
