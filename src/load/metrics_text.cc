// SPDX-License-Identifier: Apache-2.0
#include "load/metrics_text.h"

#include <charconv>
#include <cmath>

namespace redknot::load {
namespace {

// What follows the name, its labels and the space after them; nothing if the line is another's.
std::optional<double> line_value(std::string_view line, std::string_view name) {
  if (!line.starts_with(name)) return std::nullopt;
  line.remove_prefix(name.size());
  if (line.starts_with('{')) {
    const std::size_t end = line.rfind('}');
    if (end == std::string_view::npos) return std::nullopt;
    line.remove_prefix(end + 1);
  }
  if (!line.starts_with(' ')) return std::nullopt;
  line.remove_prefix(line.find_first_not_of(' ') == std::string_view::npos
                         ? line.size()
                         : line.find_first_not_of(' '));
  double value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<double> metric_value(std::string_view text, std::string_view name) {
  std::optional<double> sum;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const auto value = line_value(text.substr(0, end), name);
    if (value) sum = sum.value_or(0) + *value;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return sum;
}

}  // namespace redknot::load
