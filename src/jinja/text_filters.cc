// SPDX-License-Identifier: Apache-2.0
// Filters that make texts.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "jinja/characters.h"
#include "jinja/filter_call.h"
#include "jinja/text_format.h"
#include "jinja/text_methods.h"

namespace redknot::jinja {
namespace {

Result<Value> by_method(const FilterCall& call) {
  REDKNOT_TRY(const Value text, call.input_text());
  REDKNOT_TRY(const auto none, bind(call.name, call.arguments, {}));
  return call_text_method(call.heap, text, call.name, {});
}

Result<Value> trim(const FilterCall& call) {
  REDKNOT_TRY(const Value text, call.input_text());
  return call_text_method(call.heap, text, "strip", call.arguments);
}

Result<Value> string(const FilterCall& call) {
  REDKNOT_TRY(const auto none, bind(call.name, call.arguments, {}));
  return call.input_text();
}

Result<Value> safe(const FilterCall& call) {
  REDKNOT_TRY(const Value text, call.input_text());
  if (text.is_markup()) return text;
  return make_text(call.heap, text.text(), true);
}

Result<Value> escape(const FilterCall& call) {
  REDKNOT_TRY(const Value text, call.input_text());
  if (text.is_markup() && call.name != "forceescape") return text;
  REDKNOT_RETURN_IF_ERROR(call.heap.text_fits(text.text().size() * 5));
  return make_text(call.heap, escape_html(text.text()), true);
}

Result<Value> title_words(const FilterCall& call) {
  // Unlike the method, a letter after anything but a space, bracket or hyphen is not raised.
  REDKNOT_TRY(const Value text, call.input_text());
  std::string out;
  bool begins_word = true;
  for (std::string_view rest = text.text(); !rest.empty();) {
    const std::string_view character = rest.substr(0, character_bytes(rest));
    out += begins_word ? upper(character) : lower(character);
    const char32_t c = first_code_point(rest);
    begins_word = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    rest.remove_prefix(character.size());
  }
  return make_text(call.heap, std::move(out), text.is_markup());
}

Result<Value> replace(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"old", "new", "count"}, 2));
  REDKNOT_TRY(const Value text, call.input_text());
  const Value& limit = bound[2];
  REDKNOT_TRY(const std::int64_t count,
              limit.is_none() ? Result<std::int64_t>(-1) : integer_argument("replace", limit, -1));
  REDKNOT_TRY(const std::string old_part, display(call.heap, bound[0]));
  REDKNOT_TRY(const std::string new_part, display(call.heap, bound[1]));
  return replace_text(call.heap, text, old_part, new_part, count);
}

Result<std::string> indentation(const FilterCall& call, const Value& width) {
  if (width.is_text()) return width.text();
  REDKNOT_TRY(const std::int64_t spaces, integer_argument(call.name, width, 4));
  if (spaces <= 0) return std::string();
  REDKNOT_RETURN_IF_ERROR(call.heap.text_fits(static_cast<std::size_t>(spaces)));
  return std::string(static_cast<std::size_t>(spaces), ' ');
}

Result<Value> indent(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"width", "first", "blank"}));
  REDKNOT_TRY(const Value text, call.input_text());
  REDKNOT_TRY(const std::string margin, indentation(call, bound[0]));
  REDKNOT_RETURN_IF_ERROR(call.heap.spend_bytes(text.text().size()));
  const std::string with_end = text.text() + "\n";
  const bool indents_blank = truth(bound[2]);
  std::string out;
  bool is_first = true;
  for (const std::string_view line : split_lines(with_end)) {
    const bool has_margin = is_first ? truth(bound[1]) : indents_blank || !line.empty();
    REDKNOT_RETURN_IF_ERROR(call.heap.text_fits(out.size() + margin.size() + line.size() + 1));
    if (!is_first) out += '\n';
    if (has_margin) out += margin;
    out += line;
    is_first = false;
  }
  return make_text(call.heap, std::move(out), text.is_markup());
}

Result<Value> format(const FilterCall& call) {
  REDKNOT_TRY(const Value text, call.input_text());
  if (!call.arguments.named.empty()) {
    DictBuilder named;
    for (const auto& [name, value] : call.arguments.named) {
      REDKNOT_TRY(Value key, make_text(call.heap, name));
      REDKNOT_RETURN_IF_ERROR(named.set(call.heap, std::move(key), value));
    }
    REDKNOT_TRY(const Value values, std::move(named).finish(call.heap));
    return percent_format(call.heap, text, values);
  }
  REDKNOT_TRY(const Value values,
              make_sequence(call.heap, call.arguments.positional, Flavour::kTuple));
  return percent_format(call.heap, text, values);
}

Result<Value> word_count(const FilterCall& call) {
  REDKNOT_TRY(const Value text, call.input_text());
  REDKNOT_TRY(const Value words, call_text_method(call.heap, text, "split", {}));
  return Value(static_cast<std::int64_t>(words.sequence().items.size()));
}

Result<Value> to_json_filter(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments,
                                     {"ensure_ascii", "indent", "separators", "sort_keys"}));
  // `tojson(4)`, as Jinja's own filter has it, means the indent.
  const bool is_count = bound[0].is(Kind::kInteger) && call.arguments.named.empty();
  const Value& indent = is_count ? bound[0] : bound[1];
  JsonStyle style;
  style.ascii_only = !is_count && truth(bound[0]);
  style.sort_keys = truth(bound[3]);
  if (!indent.is_undefined() && !indent.is_none()) {
    REDKNOT_TRY(style.indent, indentation(call, indent));
    style.item_separator = std::string(1, ',');
  }
  if (!bound[2].is_undefined() && !bound[2].is_none()) {
    REDKNOT_TRY(const std::vector<Value> pair, iterate(call.heap, bound[2]));
    if (pair.size() != 2 || !pair[0].is_text() || !pair[1].is_text()) {
      return invalid("tojson: separators must be two texts");
    }
    style.item_separator = pair[0].text();
    style.key_separator = pair[1].text();
  }
  REDKNOT_TRY(std::string text, to_json(call.heap, call.input, style));
  return make_text(call.heap, std::move(text));
}

}  // namespace

const std::vector<NamedFilter>& text_filters() {
  static const std::vector<NamedFilter> kFilters = {
      {"upper", by_method},
      {"lower", by_method},
      {"capitalize", by_method},
      {"title", title_words},
      {"trim", trim},
      {"string", string},
      {"safe", safe},
      {"escape", escape},
      {"e", escape},
      {"forceescape", escape},
      {"replace", replace},
      {"indent", indent},
      {"format", format},
      {"tojson", to_json_filter},
      {"wordcount", word_count},
  };
  return kFilters;
}

}  // namespace redknot::jinja
