// SPDX-License-Identifier: Apache-2.0
// to_json: the bytes that Python's json.dumps writes.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "jinja/characters.h"
#include "jinja/display.h"

namespace redknot::jinja {
namespace {

void append_escape(std::string& out, char32_t unit) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[unit >> shift & 15];
}

std::string json_float(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  return float_repr(number);
}

class Writer {
 public:
  Writer(Heap& heap, const JsonStyle& style) : heap_(heap), style_(style) {}

  Status write(const Value& value, int level) {
    REDKNOT_RETURN_IF_ERROR(heap_.spend(1));
    REDKNOT_RETURN_IF_ERROR(heap_.text_fits(out_.size()));
    switch (value.kind()) {
      case Kind::kNone:
        out_ += "null";
        return Done{};
      case Kind::kBool:
        out_ += value.boolean() ? "true" : "false";
        return Done{};
      case Kind::kInteger:
        out_ += std::to_string(value.integral());
        return Done{};
      case Kind::kFloat:
        out_ += json_float(value.number());
        return Done{};
      case Kind::kText:
        REDKNOT_RETURN_IF_ERROR(heap_.spend_bytes(value.text().size()));
        append_json_text(out_, value.text(), style_.ascii_only);
        return Done{};
      case Kind::kSequence:
        if (value.sequence().flavour > Flavour::kTuple) break;
        return write_list(value.sequence().items, level);
      case Kind::kDict:
        return write_dict(value.dict(), level);
      default:
        break;
    }
    return invalid("Object of type ", type_name(value), " is not JSON serializable");
  }

  std::string take() && { return std::move(out_); }

 private:
  Status line_break(int level) {
    if (!style_.indent) return Done{};
    const std::size_t bytes = style_.indent->size() * static_cast<std::size_t>(level);
    REDKNOT_RETURN_IF_ERROR(heap_.text_fits(out_.size() + 1 + bytes));
    REDKNOT_RETURN_IF_ERROR(heap_.spend_bytes(bytes));
    out_ += '\n';
    for (int i = 0; i < level; ++i) out_ += *style_.indent;
    return Done{};
  }

  Status write_list(const std::vector<Value>& items, int level) {
    out_ += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      REDKNOT_RETURN_IF_ERROR(line_break(level + 1));
      REDKNOT_RETURN_IF_ERROR(write(items[i], level + 1));
    }
    if (!items.empty()) REDKNOT_RETURN_IF_ERROR(line_break(level));
    out_ += ']';
    return heap_.text_fits(out_.size());
  }

  Status write_dict(const Dict& dict, int level) {
    std::vector<const Dict::Entry*> entries;
    entries.reserve(dict.entries.size());
    for (const Dict::Entry& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) REDKNOT_RETURN_IF_ERROR(sort(entries));
    out_ += '{';
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      REDKNOT_RETURN_IF_ERROR(line_break(level + 1));
      REDKNOT_RETURN_IF_ERROR(write_key(entries[i]->first));
      out_ += style_.key_separator;
      REDKNOT_RETURN_IF_ERROR(write(entries[i]->second, level + 1));
    }
    if (!entries.empty()) REDKNOT_RETURN_IF_ERROR(line_break(level));
    out_ += '}';
    return heap_.text_fits(out_.size());
  }

  static Status sort(std::vector<const Dict::Entry*>& entries) {
    for (const Dict::Entry* entry : entries) {
      if (!entry->first.is_text()) return invalid("tojson: only texts can be sorted as keys");
    }
    std::stable_sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
      return a->first.text() < b->first.text();
    });
    return Done{};
  }

  Status write_key(const Value& key) {
    if (key.is_text()) {
      REDKNOT_RETURN_IF_ERROR(heap_.spend_bytes(key.text().size()));
      append_json_text(out_, key.text(), style_.ascii_only);
      return Done{};
    }
    if (!key.is_number() && !key.is_none()) {
      return invalid("keys must be str, int, float, bool or None, not ", type_name(key));
    }
    out_ += '"';
    REDKNOT_RETURN_IF_ERROR(write(key, 0));
    out_ += '"';
    return Done{};
  }

  Heap& heap_;
  const JsonStyle& style_;
  std::string out_;
};

}  // namespace

void append_json_text(std::string& out, std::string_view text, bool ascii_only) {
  out += '"';
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t bytes = character_bytes(rest);
    const char32_t c = first_code_point(rest);
    static constexpr std::string_view kEscaped = "\"\\\n\r\t\b\f";
    static constexpr std::string_view kLetters = "\"\\nrtbf";
    const std::size_t escape = c < 0x80 ? kEscaped.find(static_cast<char>(c)) : kEscaped.npos;
    if (escape != kEscaped.npos) {
      out += '\\';
      out += kLetters[escape];
    } else if (c < 0x20 || (ascii_only && c >= 0x7f && c < 0x10000)) {
      if (c == 0x7f) {
        out += '\x7f';
      } else {
        append_escape(out, c);
      }
    } else if (ascii_only && c >= 0x10000) {
      append_escape(out, 0xd800 + ((c - 0x10000) >> 10));
      append_escape(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
    } else {
      out += rest.substr(0, bytes);
    }
    rest.remove_prefix(bytes);
  }
  out += '"';
}

Result<std::string> to_json(Heap& heap, const Value& value, const JsonStyle& style) {
  Writer writer(heap, style);
  REDKNOT_RETURN_IF_ERROR(writer.write(value, 0));
  return std::move(writer).take();
}

}  // namespace redknot::jinja
