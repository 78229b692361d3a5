// SPDX-License-Identifier: Apache-2.0
#include "jinja/display.h"

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "jinja/characters.h"

namespace redknot::jinja {
namespace {

void append_hex(std::string& out, std::string_view prefix, char32_t c, int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += prefix;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += kDigits[c >> shift & 15];
}

void append_unprintable(std::string& out, char32_t c) {
  if (c < 0x100) {
    append_hex(out, "\\x", c, 2);
  } else if (c < 0x10000) {
    append_hex(out, "\\u", c, 4);
  } else {
    append_hex(out, "\\U", c, 8);
  }
}

void append_text_repr(std::string& out, std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t bytes = character_bytes(rest);
    const char32_t c = first_code_point(rest);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\' || c == static_cast<char32_t>(quote)) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (is_printable(c)) {
      out += rest.substr(0, bytes);
    } else {
      append_unprintable(out, c);
    }
    rest.remove_prefix(bytes);
  }
  out += quote;
}

Status append_sequence(Heap& heap, std::string& out, const Sequence& sequence) {
  if (sequence.flavour == Flavour::kGenerator) {
    out += "<generator object>";
    return Done{};
  }
  const bool is_tuple = sequence.flavour == Flavour::kTuple;
  if (sequence.flavour == Flavour::kView) out += "view(";
  out += is_tuple ? '(' : '[';
  for (std::size_t i = 0; i < sequence.items.size(); ++i) {
    if (i > 0) out += ", ";
    REDKNOT_RETURN_IF_ERROR(append_repr(heap, out, sequence.items[i]));
  }
  if (is_tuple && sequence.items.size() == 1) out += ',';
  out += is_tuple ? ')' : ']';
  if (sequence.flavour == Flavour::kView) out += ')';
  return Done{};
}

Status append_dict(Heap& heap, std::string& out, const Dict& dict) {
  out += '{';
  for (std::size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) out += ", ";
    REDKNOT_RETURN_IF_ERROR(append_repr(heap, out, dict.entries[i].first));
    out += ": ";
    REDKNOT_RETURN_IF_ERROR(append_repr(heap, out, dict.entries[i].second));
  }
  out += '}';
  return Done{};
}

// The digits of "d.ddde+xx" and the exponent.
std::pair<std::string, int> shortest_digits(double number) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), number, std::chars_format::scientific);
  const std::string_view all(text, static_cast<std::size_t>(end.ptr - text));
  const std::size_t e = all.find('e');
  std::string digits;
  for (const char c : all.substr(0, e)) {
    if (c != '.') digits += c;
  }
  int exponent = 0;
  const char* first = text + e + 1;
  std::from_chars(*first == '+' ? first + 1 : first, end.ptr, exponent);
  return {digits, exponent};
}

}  // namespace

std::string float_repr(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  auto [digits, exponent] = shortest_digits(std::abs(number));
  std::string out = std::signbit(number) ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += "." + digits.substr(1);
    const int size = std::abs(exponent);
    out += concat("e", exponent < 0 ? '-' : '+', size < 10 ? "0" : "", size);
  } else if (exponent < 0) {
    out += "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  } else {
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    out += digits.substr(0, whole) + ".";
    out += digits.size() > whole ? digits.substr(whole) : "0";
  }
  return out;
}

Status append_repr(Heap& heap, std::string& out, const Value& value) {
  REDKNOT_RETURN_IF_ERROR(heap.spend(1));
  REDKNOT_RETURN_IF_ERROR(heap.text_fits(out.size()));
  switch (value.kind()) {
    case Kind::kUndefined:
      out += "Undefined";
      return Done{};
    case Kind::kText:
      REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(value.text().size()));
      if (value.is_markup()) out += "Markup(";
      append_text_repr(out, value.text());
      if (value.is_markup()) out += ")";
      return heap.text_fits(out.size());
    case Kind::kSequence:
      return append_sequence(heap, out, value.sequence());
    case Kind::kDict:
      return append_dict(heap, out, value.dict());
    default:
      return append_display(heap, out, value);
  }
}

Status append_display(Heap& heap, std::string& out, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return Done{};
    case Kind::kNone:
      out += "None";
      return Done{};
    case Kind::kBool:
      out += value.boolean() ? "True" : "False";
      return Done{};
    case Kind::kInteger:
      out += std::to_string(value.integral());
      return Done{};
    case Kind::kFloat:
      out += float_repr(value.number());
      return Done{};
    case Kind::kText:
      REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(value.text().size()));
      REDKNOT_RETURN_IF_ERROR(heap.text_fits(out.size() + value.text().size()));
      out += value.text();
      return Done{};
    case Kind::kSequence:
    case Kind::kDict:
      return append_repr(heap, out, value);
    default:
      out += concat("<", type_name(value), ">");
      return Done{};
  }
}

Result<std::string> display(Heap& heap, const Value& value) {
  std::string out;
  REDKNOT_RETURN_IF_ERROR(append_display(heap, out, value));
  return out;
}

}  // namespace redknot::jinja
