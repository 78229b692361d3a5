// SPDX-License-Identifier: Apache-2.0
#include "jinja/text_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string>

#include "base/error.h"
#include "jinja/characters.h"
#include "jinja/display.h"

namespace redknot::jinja {
namespace {

constexpr int kMaxWidth = 1000;

struct Place {
  std::string flags;
  int width = 0;
  int precision = -1;
  char conversion = ' ';
  std::string name;  // of %(name)s
  bool has_name = false;
};

Result<int> take_count(std::string_view& text) {
  int count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  if (parsed.ptr == text.data()) return 0;
  if (parsed.ec != std::errc() || count > kMaxWidth) {
    return invalid("format: a width over ", kMaxWidth);
  }
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return count;
}

// What follows a "%", which it takes off.
Result<Place> take_place(std::string_view& text) {
  Place place;
  if (!text.empty() && text[0] == '(') {
    const std::size_t end = text.find(')');
    if (end == std::string_view::npos) return invalid("format: '%(' without ')'");
    place.name = std::string(text.substr(1, end - 1));
    place.has_name = true;
    text.remove_prefix(end + 1);
  }
  while (!text.empty() && std::string_view("-+ 0#").find(text[0]) != std::string_view::npos) {
    if (place.flags.find(text[0]) == std::string::npos) place.flags += text[0];
    text.remove_prefix(1);
  }
  REDKNOT_TRY(place.width, take_count(text));
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    REDKNOT_TRY(place.precision, take_count(text));
  }
  if (text.empty()) return invalid("format: it ends in a '%'");
  place.conversion = text[0];
  text.remove_prefix(1);
  return place;
}

std::string printed(const Place& place, const char* length, char conversion, auto number) {
  std::string format = "%" + place.flags + std::to_string(place.width);
  if (place.width == 0) format = "%" + place.flags;
  if (place.precision >= 0) format += "." + std::to_string(place.precision);
  format += length;
  format += conversion;
  std::string out(2 * kMaxWidth + 512, '\0');
  const int bytes = std::snprintf(out.data(), out.size(), format.c_str(), number);
  out.resize(std::min(out.size() - 1, static_cast<std::size_t>(std::max(bytes, 0))));
  return out;
}

Result<std::string> formatted_number(const Place& place, const Value& value) {
  if (!value.is_number()) {
    return invalid("%", place.conversion, " format: a number is required, not ", type_name(value));
  }
  const bool is_float = std::string_view("eEfFgG").find(place.conversion) != std::string_view::npos;
  if (is_float) return printed(place, "", place.conversion, value.number());
  const char conversion =
      place.conversion == 'i' || place.conversion == 'u' ? 'd' : place.conversion;
  if (value.is_integral()) {
    return printed(place, "ll", conversion, static_cast<long long>(value.integral()));
  }
  const double number = value.number();
  if (conversion != 'd' || !(std::abs(number) < 9.0e18)) {
    return invalid("%", conversion, " format: an integer is required");
  }
  return printed(place, "ll", conversion, static_cast<long long>(number));
}

Result<std::string> formatted(Heap& heap, const Place& place, const Value& value) {
  std::string text;
  switch (place.conversion) {
    case 's':
      REDKNOT_RETURN_IF_ERROR(append_display(heap, text, value));
      break;
    case 'r':
      REDKNOT_RETURN_IF_ERROR(append_repr(heap, text, value));
      break;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      return formatted_number(place, value);
    default:
      return invalid("unsupported format character '", place.conversion, "'");
  }
  if (place.precision >= 0) {
    text.resize(character_start(text, static_cast<std::size_t>(place.precision)));
  }
  const std::size_t count = character_count(text);
  const auto width = static_cast<std::size_t>(place.width);
  if (count >= width) return text;
  const std::string padding(width - count, ' ');
  return place.flags.find('-') == std::string::npos ? padding + text : text + padding;
}

}  // namespace

Result<Value> percent_format(Heap& heap, const Value& format, const Value& values) {
  const bool is_tuple = values.is(Kind::kSequence) && values.sequence().flavour == Flavour::kTuple;
  const std::vector<Value> items = is_tuple ? values.sequence().items : std::vector<Value>{values};
  std::size_t used = 0;
  bool has_names = false;
  std::string out;
  for (std::string_view rest = format.text(); !rest.empty();) {
    const std::size_t percent = std::min(rest.find('%'), rest.size());
    out += rest.substr(0, percent);
    REDKNOT_RETURN_IF_ERROR(heap.text_fits(out.size()));
    rest.remove_prefix(percent);
    if (rest.empty()) break;
    rest.remove_prefix(1);
    REDKNOT_TRY(const Place place, take_place(rest));
    if (place.conversion == '%') {
      out += '%';
      continue;
    }
    Value value;
    if (place.has_name) {
      has_names = true;
      if (!values.is(Kind::kDict)) return invalid("format requires a mapping");
      const Value* found = values.dict().find(place.name);
      if (found == nullptr) return invalid("format: there is no '", place.name, "'");
      value = *found;
    } else {
      if (used == items.size()) return invalid("not enough arguments for format string");
      value = items[used++];
    }
    REDKNOT_TRY(const std::string text, formatted(heap, place, value));
    out += text;
  }
  if (used < items.size() && !has_names && !values.is(Kind::kDict)) {
    return invalid("not all arguments converted during string formatting");
  }
  return make_text(heap, std::move(out), format.is_markup());
}

Result<Value> brace_format(Heap& heap, const Value& format, const CallArguments& arguments) {
  std::size_t next = 0;
  std::string out;
  for (std::string_view rest = format.text(); !rest.empty();) {
    const std::size_t brace = std::min(rest.find_first_of("{}"), rest.size());
    out += rest.substr(0, brace);
    REDKNOT_RETURN_IF_ERROR(heap.text_fits(out.size()));
    rest.remove_prefix(brace);
    if (rest.empty()) break;
    if (rest.size() > 1 && rest[1] == rest[0]) {
      out += rest[0];
      rest.remove_prefix(2);
      continue;
    }
    const std::size_t end = rest.find('}');
    if (rest[0] == '}' || end == std::string_view::npos) return invalid("format: a single brace");
    const std::string_view field = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (field.find_first_of(":!.[{") != std::string_view::npos) {
      return unsupported("format: '{", field, "}'");
    }
    std::size_t at = next;
    const auto parsed = std::from_chars(field.data(), field.data() + field.size(), at);
    const bool is_number = !field.empty() && parsed.ptr == field.data() + field.size();
    const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [field](const auto& entry) { return entry.first == field; });
    if (field.empty()) ++next;
    if (field.empty() || is_number) {
      if (at >= arguments.positional.size()) return invalid("format: too few arguments");
      REDKNOT_RETURN_IF_ERROR(append_display(heap, out, arguments.positional[at]));
    } else if (named != arguments.named.end()) {
      REDKNOT_RETURN_IF_ERROR(append_display(heap, out, named->second));
    } else {
      return invalid("format: there is no '", field, "'");
    }
  }
  return make_text(heap, std::move(out), format.is_markup());
}

}  // namespace redknot::jinja
