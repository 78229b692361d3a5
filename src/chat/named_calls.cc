// SPDX-License-Identifier: Apache-2.0
// Calls that are a name in some frame, and then a JSON object, which streams.
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "chat/call_reader.h"
#include "chat/json_scanner.h"
#include "chat/text_cursor.h"

namespace redknot::chat {
namespace {

struct Header {
  std::string_view name{};
  std::string_view id{};
};

Header read_mistral(TextCursor& cursor, const ToolTable& tools) {
  Header header = {.name = cursor.name(tools)};
  if (cursor.one_of({"[CALL_ID]", "[ARGS]"}, /*optional=*/true) == 0) {
    header.id = cursor.until("[ARGS]");
  }
  return header;
}

// R1's arguments stand in a fence; V3.1's do not.
Header read_deepseek(TextCursor& cursor, const ToolTable& tools) {
  cursor.optional("<｜tool▁call▁begin｜>");
  cursor.space();
  cursor.optional("function<｜tool▁sep｜>");
  const Header header = {.name = cursor.name(tools)};
  cursor.space();
  (void)cursor.one_of({"<｜tool▁sep｜>", "```json"}, /*optional=*/false);
  cursor.space();
  cursor.optional("```json");
  return header;
}

Header read_kimi(TextCursor& cursor, const ToolTable& tools) {
  const std::string_view whole = cursor.rest();
  const std::size_t begin = cursor.at();
  cursor.optional("functions.");
  Header header = {.name = cursor.name(tools)};
  const std::size_t name_bytes = cursor.at() - begin;
  const std::string_view number = cursor.until("<|tool_call_argument_begin|>");
  if (!cursor.ok()) {
    // What has come of the number must be one.
    constexpr std::size_t kLongest = 40;
    if (cursor.more() && cursor.rest().size() > kLongest) cursor.fail();
    return header;
  }
  const std::string_view suffix = trimmed(number);
  const bool counted = suffix.size() > 1 && suffix.front() == ':' &&
                       suffix.find_first_not_of("0123456789", 1) == std::string_view::npos;
  if (!counted && !suffix.empty()) cursor.fail();
  if (counted) header.id = trimmed(whole.substr(0, name_bytes + number.size()));
  return header;
}

Header read_header(TextCursor& cursor, const ReaderContext& context) {
  Header header;
  cursor.space();
  switch (context.notation) {
    case ToolNotation::kMistral:
      header = read_mistral(cursor, context.tools);
      break;
    case ToolNotation::kDeepSeek:
      header = read_deepseek(cursor, context.tools);
      break;
    case ToolNotation::kKimi:
      header = read_kimi(cursor, context.tools);
      break;
    case ToolNotation::kFunctionaryXml:
      header.name = cursor.name(context.tools);
      cursor.literal(">");
      break;
    default:
      header.name = cursor.name(context.tools);
      cursor.literal("\n");
  }
  cursor.space();
  return header;
}

JsonFrame closes_of(ToolNotation notation) {
  switch (notation) {
    case ToolNotation::kDeepSeek:
      return {.closes = {"```", "<｜tool▁call▁end｜>"}};
    case ToolNotation::kKimi:
      return {.closes = {"<|tool_call_end|>"}};
    case ToolNotation::kFunctionaryXml:
      return {.closes = {"</function>"}};
    default:
      return {};
  }
}

class NamedReader : public CallReader {
 public:
  explicit NamedReader(const ReaderContext& context)
      : context_(context), closes_(closes_of(context.notation).closes) {}

  Step read(std::string_view text, bool last) override {
    if (list_) return list_->read(text, last);
    std::size_t used = 0;
    if (phase_ == Phase::kHeader) {
      const Step step = header(text, last);
      if (list_) return list_->read(text, last);
      if (phase_ == Phase::kHeader) return step;
      used = step.used;
    }
    if (phase_ == Phase::kArguments) {
      const Step step = arguments(text.substr(used));
      used += step.used;
      if (step.state == State::kFailed) return {step.state, used};
    }
    if (phase_ == Phase::kClose) {
      const Step step = close(text.substr(used), last);
      return {step.state, used + step.used};
    }
    if (last) context_.sink.end();
    return {last ? State::kDone : State::kMore, used};
  }

 private:
  enum class Phase { kHeader, kArguments, kClose };

  Step header(std::string_view text, bool last) {
    const std::string_view begin = trimmed(text);
    const bool json = !begin.empty() && (begin.front() == '[' || begin.front() == '{');
    if (json && context_.notation == ToolNotation::kMistral) {
      list_ = make_json_reader(context_, {});
      return {};
    }
    TextCursor cursor(text);
    const Header header = read_header(cursor, context_);
    const bool more = cursor.more() || (cursor.ok() && cursor.rest().empty());
    if (more && !last) return {};
    if (more || cursor.bad() || cursor.rest().front() != '{') return {State::kFailed, 0};
    context_.sink.begin(header.name, header.id);
    phase_ = Phase::kArguments;
    return {State::kMore, cursor.at()};
  }

  Step arguments(std::string_view text) {
    std::size_t used = 0;
    while (used < text.size() && scanner_.state() != JsonScanner::State::kDone) {
      if (scanner_.feed(text[used]) == JsonScanner::State::kBad) break;
      ++used;
    }
    context_.sink.arguments(text.substr(0, used));
    if (scanner_.state() == JsonScanner::State::kBad) {
      context_.sink.end();
      return {State::kFailed, used};
    }
    if (scanner_.state() == JsonScanner::State::kDone) {
      context_.sink.end();
      phase_ = Phase::kClose;
    }
    return {State::kMore, used};
  }

  Step close(std::string_view text, bool last) const {
    TextCursor cursor(text);
    for (const std::string& close : closes_) {
      cursor.space();
      cursor.optional(close);
    }
    if (cursor.more() && !last) return {State::kMore, 0};
    return {State::kDone, cursor.at()};
  }

  ReaderContext context_;
  std::vector<std::string> closes_;
  Phase phase_ = Phase::kHeader;
  JsonScanner scanner_;
  std::unique_ptr<CallReader> list_;  // Mistral's other form
};

}  // namespace

std::unique_ptr<CallReader> make_named_reader(const ReaderContext& context) {
  return std::make_unique<NamedReader>(context);
}

}  // namespace redknot::chat
