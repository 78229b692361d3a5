// SPDX-License-Identifier: Apache-2.0
// Values as text: what printing shows, Python's repr(), and JSON.
//
// Each fails with kResourceExhausted when the text meets a limit of the heap.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

// str(): texts as they are, nothing for what is undefined, otherwise the same as repr().
Result<std::string> display(Heap& heap, const Value& value);
Status append_display(Heap& heap, std::string& out, const Value& value);
Status append_repr(Heap& heap, std::string& out, const Value& value);
// 1.5, 100000.0, 1e+16, nan
std::string float_repr(double number);

struct JsonStyle {
  bool ascii_only = false;
  std::optional<std::string> indent{};  // of one level; without it everything is on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
// kInvalidArgument for what JSON cannot hold: undefined values, macros, generators.
Result<std::string> to_json(Heap& heap, const Value& value, const JsonStyle& style);

// A text in quotes, as json.dumps writes it.
void append_json_text(std::string& out, std::string_view text, bool ascii_only);

}  // namespace redknot::jinja
