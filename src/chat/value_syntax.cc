// SPDX-License-Identifier: Apache-2.0
#include "chat/value_syntax.h"

#include <utility>

#include "chat/json_scanner.h"
#include "chat/tool_table.h"

namespace redknot::chat {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kGemmaQuote = "<|\"|>";

// What the two syntaxes share. After fail() everything is a null that nobody looks at.
class ValueReader {
 public:
  explicit ValueReader(std::string_view text) : text_(text) {}
  virtual ~ValueReader() = default;

  bool ok() const { return ok_; }
  std::size_t at() const { return at_; }

  void space() {
    while (at_ < text_.size() && trimmed(text_.substr(at_, 1)).empty()) ++at_;
  }
  bool take(std::string_view expected) {
    if (!ok_ || !text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }
  void expect(std::string_view expected) { ok_ = take(expected) && ok_; }
  void fail() { ok_ = false; }

  Json value() {
    space();
    if (depth_ == JsonScanner::kMaxDepth) fail();
    if (!ok_) return {};
    ++depth_;
    Json result = take("{") ? object() : take("[") ? list("]") : scalar();
    --depth_;
    return result;
  }

 protected:
  virtual std::optional<std::string> quoted() = 0;
  virtual std::string key() = 0;

  std::string_view rest() const { return text_.substr(at_); }
  // Up to a character of `ends`, which is not taken.
  std::string_view word(std::string_view ends) {
    const std::string_view found = rest().substr(0, rest().find_first_of(ends));
    at_ += found.size();
    return trimmed(found);
  }

 private:
  Json object() {
    Json result = Json::object();
    space();
    if (take("}")) return result;
    while (ok_) {
      space();
      std::string name = key();
      space();
      expect(":");
      result[std::move(name)] = value();
      space();
      if (take("}")) return result;
      expect(",");
    }
    return result;
  }

  Json list(std::string_view end) {
    Json result = Json::array();
    space();
    if (take(end)) return result;
    while (ok_) {
      result.push_back(value());
      space();
      if (take(end)) return result;
      expect(",");
    }
    return result;
  }

  Json scalar() {
    if (std::optional<std::string> text = quoted()) return *std::move(text);
    const std::string_view found = word(",}])\n");
    if (found == "True" || found == "true") return true;
    if (found == "False" || found == "false") return false;
    if (found == "None" || found == "null") return nullptr;
    std::optional<Json> number = json_of(found);
    if (number && number->is_number()) return *std::move(number);
    fail();
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool ok_ = true;
};

class GemmaReader : public ValueReader {
 public:
  using ValueReader::ValueReader;

 protected:
  std::optional<std::string> quoted() override {
    if (!take(kGemmaQuote)) return std::nullopt;
    std::string text(rest().substr(0, rest().find(kGemmaQuote)));
    (void)take(text);
    expect(kGemmaQuote);
    return text;
  }
  std::string key() override {
    if (std::optional<std::string> text = quoted()) return *std::move(text);
    const std::string_view name = word(":,}");
    if (name.empty()) fail();
    return std::string(name);
  }
};

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

class PythonReader : public ValueReader {
 public:
  using ValueReader::ValueReader;

  PythonCalls calls() {
    PythonCalls result;
    space();
    const bool list = take("[");
    do {
      space();
      if (list && !result.calls.empty() && take("]")) return taken(std::move(result));
      result.calls.push_back(call());
      if (list) space();
    } while (ok() && list && take(","));
    if (list) expect("]");
    return taken(std::move(result));
  }

 protected:
  std::optional<std::string> quoted() override {
    const char quote = rest().empty() ? '\0' : rest().front();
    if (quote != '"' && quote != '\'') return std::nullopt;
    (void)take(rest().substr(0, 1));
    std::string text;
    while (ok()) {
      if (rest().empty()) fail();
      if (!ok()) break;
      const std::string_view c = rest().substr(0, 1);
      (void)take(c);
      if (c.front() == quote) break;
      c == "\\" ? escape(text) : void(text.append(c));
    }
    return text;
  }

  std::string key() override {
    std::optional<std::string> text = quoted();
    if (!text) fail();
    return text.value_or("");
  }

 private:
  PythonCalls taken(PythonCalls result) const {
    result.used = at();
    return result;
  }

  std::string identifier() {
    std::size_t length = 0;
    while (length < rest().size() && is_name_character(rest()[length])) ++length;
    std::string name(rest().substr(0, length));
    if (name.empty()) fail();
    (void)take(name);
    return name;
  }

  PythonCall call() {
    constexpr std::string_view kCall = ".call";
    PythonCall result = {.name = identifier(), .arguments = Json::object()};
    if (result.name.ends_with(kCall)) result.name.resize(result.name.size() - kCall.size());
    expect("(");
    space();
    if (take(")")) return result;
    while (ok()) {
      space();
      std::string name = identifier();
      space();
      expect("=");
      result.arguments[std::move(name)] = value();
      space();
      if (take(")")) return result;
      expect(",");
    }
    return result;
  }

  // Behind the backslash. What Python does not know stays as it is.
  void escape(std::string& out) {
    constexpr std::string_view kNames = "nrtbf0'\"\\";
    constexpr std::string_view kBytes("\n\r\t\b\f\0'\"\\", 9);
    if (rest().empty()) return fail();
    const std::string_view c = rest().substr(0, 1);
    if (c == "u") return unicode(out);
    (void)take(c);
    const std::size_t found = kNames.find(c);
    if (found == std::string_view::npos) out += '\\';
    out += found == std::string_view::npos ? c.front() : kBytes[found];
  }

  // uXXXX, which JSON reads for us; surrogates come in pairs.
  void unicode(std::string& out) {
    for (const std::size_t length : {std::size_t{11}, std::size_t{5}}) {
      const std::string digits = "\"\\" + std::string(rest().substr(0, length)) + "\"";
      const std::optional<Json> text = json_of(digits);
      if (!text || !text->is_string() || (length == 11 && rest().substr(5, 2) != "\\u")) continue;
      out.append(text->get_ref<const std::string&>());
      (void)take(rest().substr(0, length));
      return;
    }
    fail();
  }
};

}  // namespace

std::optional<Json> gemma_object(std::string_view text) {
  GemmaReader reader(text);
  Json object = reader.value();
  reader.space();
  if (!reader.ok() || reader.at() != text.size() || !object.is_object()) return std::nullopt;
  return object;
}

std::optional<PythonCalls> python_calls(std::string_view text) {
  PythonReader reader(text);
  PythonCalls calls = reader.calls();
  if (!reader.ok()) return std::nullopt;
  return calls;
}

}  // namespace redknot::chat
