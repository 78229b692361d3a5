// SPDX-License-Identifier: Apache-2.0
#include "engine/stop_matcher.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace redknot {
namespace {

std::vector<int> borders(std::string_view text) {
  std::vector<int> border(text.size() + 1);
  border[0] = -1;
  int length = -1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    while (length >= 0 && text[static_cast<std::size_t>(length)] != text[i]) {
      length = border[static_cast<std::size_t>(length)];
    }
    border[i + 1] = ++length;
  }
  return border;
}

}  // namespace

StopMatcher::StopMatcher(const std::vector<std::string>& stops) {
  for (const std::string& stop : stops) {
    if (!stop.empty()) patterns_.push_back({.text = stop, .border = borders(stop)});
  }
}

void StopMatcher::advance(Pattern& pattern, char byte) {
  int& matched = pattern.matched;
  while (matched >= 0 && pattern.text[static_cast<std::size_t>(matched)] != byte) {
    matched = pattern.border[static_cast<std::size_t>(matched)];
  }
  ++matched;
}

std::string StopMatcher::add(std::string_view piece) {
  if (stopped_) return {};
  std::string text = std::exchange(held_, {});
  std::size_t held = text.size();
  for (const char byte : piece) {
    text += byte;
    held = 0;
    std::size_t complete = 0;
    for (Pattern& pattern : patterns_) {
      advance(pattern, byte);
      const auto matched = static_cast<std::size_t>(pattern.matched);
      held = std::max(held, matched);
      if (matched != pattern.text.size() || matched <= complete) continue;
      complete = matched;
      stopped_by_ = pattern.text;
    }
    if (complete > 0) {
      stopped_ = true;
      text.resize(text.size() - complete);
      return text;
    }
  }
  held_ = text.substr(text.size() - held);
  text.resize(text.size() - held);
  return text;
}

std::string StopMatcher::flush() {
  for (Pattern& pattern : patterns_) pattern.matched = 0;
  return std::exchange(held_, {});
}

}  // namespace redknot
