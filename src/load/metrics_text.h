// SPDX-License-Identifier: Apache-2.0
// Reads single values out of Prometheus' text format. Pure functions.
#pragma once

#include <optional>
#include <string_view>

namespace redknot::load {

// The sum over all label sets of the sample called `name`; nothing if there is none.
std::optional<double> metric_value(std::string_view text, std::string_view name);

}  // namespace redknot::load
