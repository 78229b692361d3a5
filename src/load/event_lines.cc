// SPDX-License-Identifier: Apache-2.0
#include "load/event_lines.h"

#include <utility>

namespace redknot::load {

std::vector<std::string> EventLines::take(std::string_view bytes) {
  std::vector<std::string> out;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    if (line_.empty() && has_data_) {
      out.push_back(std::exchange(data_, {}));
      has_data_ = false;
    } else if (line_.starts_with("data:")) {
      if (has_data_) data_ += '\n';
      data_ += std::string_view(line_).substr(line_.starts_with("data: ") ? 6 : 5);
      has_data_ = true;
    }
    line_.clear();
  }
  return out;
}

}  // namespace redknot::load
