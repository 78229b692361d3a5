// SPDX-License-Identifier: Apache-2.0
#include "chat/marker_set.h"

#include <algorithm>
#include <utility>

namespace redknot::chat {

MarkerSet::MarkerSet(std::vector<std::string> markers) : markers_(std::move(markers)) {
  std::sort(markers_.begin(), markers_.end());
  markers_.erase(std::unique(markers_.begin(), markers_.end()), markers_.end());
  if (!markers_.empty() && markers_.front().empty()) markers_.erase(markers_.begin());
  for (const std::string& marker : markers_) {
    first_[static_cast<unsigned char>(marker.front())] = true;
  }
}

MarkerSet::Match MarkerSet::match(std::string_view text) const {
  Match match;
  if (text.empty()) return {.open = !markers_.empty()};
  if (!first_[static_cast<unsigned char>(text.front())]) return match;
  auto begin = markers_.begin();
  auto end = markers_.end();
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    // Those with `at` bytes in common are neighbours, in the order of their next byte.
    begin = std::partition_point(begin, end, [at, c](const std::string& marker) {
      return marker.size() <= at || static_cast<unsigned char>(marker[at]) < c;
    });
    end = std::partition_point(begin, end, [at, c](const std::string& marker) {
      return static_cast<unsigned char>(marker[at]) == c;
    });
    if (begin == end) return match;
    if (begin->size() == at + 1) {
      match.length = at + 1;
      if (++begin == end) return match;
    }
  }
  match.open = true;
  return match;
}

}  // namespace redknot::chat
