// SPDX-License-Identifier: Apache-2.0
#include "jinja/text_methods.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "jinja/characters.h"
#include "jinja/display.h"
#include "jinja/text_format.h"

namespace redknot::jinja {
namespace {

struct TextCall {
  Heap& heap;
  const Value& receiver;
  std::string_view name;
  const CallArguments& arguments;

  const std::string& text() const { return receiver.text(); }
  Result<Value> make(std::string_view result) const {
    return make_text(heap, std::string(result), receiver.is_markup());
  }
  // One that is not given is "".
  Result<std::string> text_argument(const Value& value) const {
    if (value.is_text()) return value.text();
    return invalid(name, "() takes a str, not ", type_name(value));
  }
};

using TextMethod = Result<Value> (*)(const TextCall& call);

Result<std::int64_t> integer(std::string_view name, const Value& value, std::int64_t otherwise) {
  if (value.is_integral()) return value.integral();
  if (value.is_undefined()) return otherwise;
  return invalid(name, "() takes an integer, not ", type_name(value));
}

Result<Value> strip(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"chars"}));
  std::string_view text = call.text();
  const bool left = call.name != "rstrip";
  const bool right = call.name != "lstrip";
  if (bound[0].is_undefined() || bound[0].is_none()) {
    if (left) text = strip_left(text);
    if (right) text = strip_right(text);
    return call.make(text);
  }
  REDKNOT_TRY(const std::string characters, call.text_argument(bound[0]));
  REDKNOT_RETURN_IF_ERROR(call.heap.spend(1 + text.size() * (1 + characters.size() / 256) / 8));
  if (left) text = strip_left(text, characters);
  if (right) text = strip_right(text, characters);
  return call.make(text);
}

Result<Value> change_case(const TextCall& call) {
  REDKNOT_TRY(const auto none, bind(call.name, call.arguments, {}));
  if (call.name == "upper") return call.make(upper(call.text()));
  if (call.name == "title") return call.make(title(call.text()));
  if (call.name == "capitalize") return call.make(capitalize(call.text()));
  return call.make(lower(call.text()));
}

// Does `text` begin (or end) with the argument or one of its tuple?
Result<Value> starts_or_ends(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"affix", "start", "end"}, 1));
  if (!bound[1].is_undefined()) return unsupported(call.name, "() with a start");
  const bool is_tuple =
      bound[0].is(Kind::kSequence) && bound[0].sequence().flavour == Flavour::kTuple;
  const std::vector<Value> affixes =
      is_tuple ? bound[0].sequence().items : std::vector<Value>{bound[0]};
  const std::string_view text = call.text();
  for (const Value& value : affixes) {
    REDKNOT_TRY(const std::string affix, call.text_argument(value));
    if (affix.size() > text.size()) continue;
    const std::size_t at = call.name == "startswith" ? 0 : text.size() - affix.size();
    if (text.substr(at, affix.size()) == affix) return Value(true);
  }
  return Value(false);
}

Result<Value> remove_affix(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"affix"}, 1));
  REDKNOT_TRY(const std::string affix, call.text_argument(bound[0]));
  std::string_view text = call.text();
  if (affix.size() > text.size()) return call.receiver;
  if (call.name == "removeprefix") {
    if (text.substr(0, affix.size()) == affix) text.remove_prefix(affix.size());
  } else if (text.substr(text.size() - affix.size()) == affix) {
    text.remove_suffix(affix.size());
  }
  return call.make(text);
}

// The piece of a text where white space or a separator was last searched: [start, end) of what is
// between parts.
struct Gap {
  std::size_t start = 0;
  std::size_t end = 0;
};

std::optional<Gap> next_gap(std::string_view text, std::size_t from,
                            const std::optional<std::string>& separator) {
  if (separator) {
    const std::size_t at = text.find(*separator, from);
    if (at == std::string_view::npos) return std::nullopt;
    return Gap{at, at + separator->size()};
  }
  for (std::size_t at = from; at < text.size(); at += character_bytes(text.substr(at))) {
    const std::string_view rest = text.substr(at);
    if (!is_space(first_code_point(rest))) continue;
    return Gap{at, text.size() - strip_left(rest).size()};
  }
  return std::nullopt;
}

Result<Value> split(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"sep", "maxsplit"}));
  std::optional<std::string> separator;
  if (!bound[0].is_undefined() && !bound[0].is_none()) {
    REDKNOT_TRY(separator, call.text_argument(bound[0]));
    if (separator->empty()) return invalid("empty separator");
  }
  REDKNOT_TRY(const std::int64_t limit, integer(call.name, bound[1], -1));
  const bool from_right = call.name == "rsplit" && limit >= 0;
  std::string_view text = call.text();
  if (!separator) text = from_right ? strip_right(text) : strip_left(text);
  std::vector<Gap> gaps;
  std::size_t from = 0;
  while (auto gap = next_gap(text, from, separator)) {
    if (!from_right && limit >= 0 && static_cast<std::int64_t>(gaps.size()) >= limit) break;
    REDKNOT_RETURN_IF_ERROR(call.heap.items_fit(gaps.size() + 1));
    if (!separator && gap->end == text.size()) {
      text = text.substr(0, gap->start);
      break;
    }
    gaps.push_back(*gap);
    from = gap->end;
  }
  if (from_right && static_cast<std::int64_t>(gaps.size()) > limit) {
    gaps.erase(gaps.begin(), gaps.end() - static_cast<std::ptrdiff_t>(limit));
  }
  std::vector<Value> parts;
  parts.reserve(gaps.size() + 1);
  std::size_t start = 0;
  for (const Gap& gap : gaps) {
    REDKNOT_TRY(Value part, call.make(text.substr(start, gap.start - start)));
    parts.push_back(std::move(part));
    start = gap.end;
  }
  if (separator || start < text.size()) {
    REDKNOT_TRY(Value part, call.make(text.substr(start)));
    parts.push_back(std::move(part));
  }
  return make_list(call.heap, std::move(parts));
}

Result<Value> partition(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"sep"}, 1));
  REDKNOT_TRY(const std::string separator, call.text_argument(bound[0]));
  if (separator.empty()) return invalid("empty separator");
  const std::string_view text = call.text();
  const bool is_right = call.name == "rpartition";
  const std::size_t at = is_right ? text.rfind(separator) : text.find(separator);
  std::string_view pieces[3] = {text, "", ""};
  if (at != std::string_view::npos) {
    pieces[0] = text.substr(0, at);
    pieces[1] = separator;
    pieces[2] = text.substr(at + separator.size());
  } else if (is_right) {
    std::swap(pieces[0], pieces[2]);
  }
  std::vector<Value> parts;
  parts.reserve(3);
  for (const std::string_view piece : pieces) {
    REDKNOT_TRY(Value part, call.make(piece));
    parts.push_back(std::move(part));
  }
  return make_sequence(call.heap, std::move(parts), Flavour::kTuple);
}

Result<Value> splitlines(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"keepends"}));
  if (truth(bound[0])) return unsupported("splitlines() with keepends");
  std::vector<Value> lines;
  for (const std::string_view line : split_lines(call.text())) {
    REDKNOT_RETURN_IF_ERROR(call.heap.items_fit(lines.size() + 1));
    REDKNOT_TRY(Value value, call.make(line));
    lines.push_back(std::move(value));
  }
  return make_list(call.heap, std::move(lines));
}

Result<Value> find(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"sub", "start"}, 1));
  REDKNOT_TRY(const std::string wanted, call.text_argument(bound[0]));
  REDKNOT_TRY(const std::int64_t start, integer(call.name, bound[1], 0));
  const std::string_view text = call.text();
  const bool from_right = call.name[0] == 'r';
  if (start < 0 || (from_right && start > 0)) return unsupported(call.name, "() from a start");
  const std::size_t from = character_start(text, static_cast<std::size_t>(start));
  const std::size_t at = from_right ? text.rfind(wanted) : text.find(wanted, from);
  if (at != std::string_view::npos) {
    return Value(static_cast<std::int64_t>(character_count(text.substr(0, at))));
  }
  if (call.name == "index" || call.name == "rindex") return invalid("substring not found");
  return Value(std::int64_t{-1});
}

Result<Value> count(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"sub"}, 1));
  REDKNOT_TRY(const std::string wanted, call.text_argument(bound[0]));
  if (wanted.empty()) return Value(static_cast<std::int64_t>(character_count(call.text()) + 1));
  std::int64_t found = 0;
  for (std::size_t at = call.text().find(wanted); at != std::string::npos;
       at = call.text().find(wanted, at + wanted.size())) {
    ++found;
  }
  return Value(found);
}

Result<Value> replace(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"old", "new", "count"}, 2));
  REDKNOT_TRY(const std::string old_part, call.text_argument(bound[0]));
  REDKNOT_TRY(const std::string new_part, call.text_argument(bound[1]));
  REDKNOT_TRY(const std::int64_t limit, integer(call.name, bound[2], -1));
  return replace_text(call.heap, call.receiver, old_part, new_part, limit);
}

Result<Value> join(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"iterable"}, 1));
  if (bound[0].is_undefined()) return invalid(describe(bound[0].undefined()));
  REDKNOT_TRY(const std::vector<Value> items, iterate(call.heap, bound[0]));
  for (const Value& item : items) {
    if (!item.is_text()) return invalid("join() takes texts, not ", type_name(item));
  }
  return join_texts(call.heap, items, call.receiver);
}

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

Result<Value> is_made_of(const TextCall& call) {
  REDKNOT_TRY(const auto none, bind(call.name, call.arguments, {}));
  const bool by_case = call.name == "isupper" || call.name == "islower";
  bool found = false;
  for (std::string_view rest = call.text(); !rest.empty();
       rest.remove_prefix(character_bytes(rest))) {
    const char32_t c = first_code_point(rest);
    if (by_case) {
      const bool wanted = call.name == "isupper" ? is_upper(c) : is_lower(c);
      if (!wanted && is_cased(c)) return Value(false);
      found |= wanted;
      continue;
    }
    const bool fits = call.name == "isspace"   ? is_space(c)
                      : call.name == "isalpha" ? is_letter(c)
                      : call.name == "isalnum" ? is_letter(c) || is_digit(c)
                                               : is_digit(c);
    if (!fits) return Value(false);
    found = true;
  }
  return Value(found);
}

Result<Value> pad(const TextCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"width", "fill"}, 1));
  REDKNOT_TRY(const std::int64_t width, integer(call.name, bound[0], 0));
  std::string fill = call.name == "zfill" ? "0" : " ";
  if (!bound[1].is_undefined()) {
    REDKNOT_TRY(fill, call.text_argument(bound[1]));
  }
  if (character_count(fill) != 1) return invalid("the fill must be one character");
  const auto size = static_cast<std::int64_t>(character_count(call.text()));
  if (width <= size) return call.receiver;
  const auto missing = static_cast<std::size_t>(width - size);
  REDKNOT_RETURN_IF_ERROR(call.heap.text_fits(missing));
  REDKNOT_RETURN_IF_ERROR(call.heap.text_fits(call.text().size() + missing * fill.size()));
  std::size_t left = 0;
  if (call.name == "rjust" || call.name == "zfill") left = missing;
  if (call.name == "center") {
    left = missing / 2 + (missing & static_cast<std::size_t>(width) & 1);
  }
  std::string_view text = call.text();
  std::string out;
  if (call.name == "zfill" && !text.empty() && (text[0] == '-' || text[0] == '+')) {
    out += text[0];
    text.remove_prefix(1);
  }
  for (std::size_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (std::size_t i = left; i < missing; ++i) out += fill;
  return call.make(out);
}

Result<Value> format(const TextCall& call) {
  return brace_format(call.heap, call.receiver, call.arguments);
}

const std::unordered_map<std::string_view, TextMethod>& methods() {
  static const std::unordered_map<std::string_view, TextMethod> kMethods = {
      {"strip", strip},
      {"lstrip", strip},
      {"rstrip", strip},
      {"upper", change_case},
      {"lower", change_case},
      {"casefold", change_case},
      {"title", change_case},
      {"capitalize", change_case},
      {"startswith", starts_or_ends},
      {"endswith", starts_or_ends},
      {"removeprefix", remove_affix},
      {"removesuffix", remove_affix},
      {"split", split},
      {"rsplit", split},
      {"splitlines", splitlines},
      {"partition", partition},
      {"rpartition", partition},
      {"find", find},
      {"rfind", find},
      {"index", find},
      {"rindex", find},
      {"count", count},
      {"replace", replace},
      {"join", join},
      {"format", format},
      {"isupper", is_made_of},
      {"islower", is_made_of},
      {"isspace", is_made_of},
      {"isalpha", is_made_of},
      {"isalnum", is_made_of},
      {"isdigit", is_made_of},
      {"isdecimal", is_made_of},
      {"isnumeric", is_made_of},
      {"zfill", pad},
      {"ljust", pad},
      {"rjust", pad},
      {"center", pad},
  };
  return kMethods;
}

}  // namespace

bool is_text_method(std::string_view name) { return methods().count(name) > 0; }

Result<Value> call_text_method(Heap& heap, const Value& receiver, std::string_view name,
                               const CallArguments& arguments) {
  REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(receiver.text().size()));
  return methods().at(name)({heap, receiver, name, arguments});
}

Result<Value> replace_text(Heap& heap, const Value& text, const std::string& old_part,
                           const std::string& new_part, std::int64_t count) {
  const std::string_view whole = text.text();
  REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(whole.size()));
  std::string out;
  std::size_t start = 0;
  for (std::int64_t done = 0; done != count; ++done) {
    std::size_t at = 0;
    if (old_part.empty()) {  // before every character and at the end
      at = done == 0 ? 0 : start + character_start(whole.substr(start), 1);
      if (done > 0 && start == whole.size()) break;
    } else {
      at = whole.find(old_part, start);
    }
    if (at == std::string_view::npos) break;
    REDKNOT_RETURN_IF_ERROR(heap.text_fits(out.size() + (at - start) + new_part.size()));
    out += whole.substr(start, at - start);
    out += new_part;
    start = at + old_part.size();
  }
  REDKNOT_RETURN_IF_ERROR(heap.text_fits(out.size() + whole.size() - start));
  out += whole.substr(start);
  return make_text(heap, std::move(out), text.is_markup());
}

Result<Value> join_texts(Heap& heap, const std::vector<Value>& items, const Value& separator) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    REDKNOT_RETURN_IF_ERROR(heap.spend(1));
    if (i > 0) REDKNOT_RETURN_IF_ERROR(append_display(heap, out, separator));
    REDKNOT_RETURN_IF_ERROR(append_display(heap, out, items[i]));
  }
  return make_text(heap, std::move(out), separator.is_markup());
}

}  // namespace redknot::jinja
