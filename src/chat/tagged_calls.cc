// SPDX-License-Identifier: Apache-2.0
// Calls whose parameters stand between tags or in a syntax of their own. They are read as a whole:
// as soon as it is certain that a tool is called, everything up to the end of the call is awaited.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "chat/call_reader.h"
#include "chat/fields.h"
#include "chat/text_cursor.h"
#include "chat/value_syntax.h"

namespace redknot::chat {
namespace {

using Notation = ToolNotation;

std::string_view without_line_breaks(std::string_view text) {
  if (text.starts_with("\n")) text.remove_prefix(1);
  if (text.ends_with("\n")) text.remove_suffix(1);
  return text;
}

// <parameter=key>\nvalue\n</parameter>
std::optional<Json> qwen_arguments(const ToolTable& tools, std::string_view tool,
                                   std::string_view body) {
  Json arguments = Json::object();
  TextCursor cursor(body);
  for (cursor.space(); cursor.ok() && !cursor.rest().empty(); cursor.space()) {
    cursor.literal("<parameter=");
    const std::string key(trimmed(cursor.until(">")));
    const std::string_view value = without_line_breaks(cursor.until("</parameter>"));
    if (cursor.ok()) arguments[key] = tools.value(tool, key, value);
  }
  if (!cursor.ok()) return std::nullopt;
  return arguments;
}

// <arg_key>key</arg_key><arg_value>value</arg_value>
std::optional<Json> glm_arguments(const ToolTable& tools, std::string_view tool,
                                  std::string_view body) {
  Json arguments = Json::object();
  TextCursor cursor(body);
  for (cursor.space(); cursor.ok() && !cursor.rest().empty(); cursor.space()) {
    cursor.literal("<arg_key>");
    const std::string key(trimmed(cursor.until("</arg_key>")));
    cursor.space();
    cursor.literal("<arg_value>");
    const std::string_view value = cursor.until("</arg_value>");
    if (cursor.ok()) arguments[key] = tools.value(tool, key, value);
  }
  if (!cursor.ok()) return std::nullopt;
  return arguments;
}

// <｜DSML｜parameter name="key" string="true">value</｜DSML｜parameter>
std::optional<Json> dsml_arguments(std::string_view body) {
  Json arguments = Json::object();
  TextCursor cursor(body);
  for (cursor.space(); cursor.ok() && !cursor.rest().empty(); cursor.space()) {
    cursor.literal("<｜DSML｜parameter name=\"");
    const std::string key(cursor.until("\""));
    cursor.space();
    const int kind = cursor.one_of({"string=\"true\">", "string=\"false\">"}, /*optional=*/false);
    const std::string_view value = cursor.until("</｜DSML｜parameter>");
    if (!cursor.ok()) break;
    const std::optional<Json> json = kind == 1 ? json_of(value) : Json(std::string(value));
    if (!json) return std::nullopt;
    arguments[key] = *json;
  }
  if (!cursor.ok()) return std::nullopt;
  return arguments;
}

struct Frame {
  std::string_view end{};    // of the body; empty: the end of the answer
  std::string_view close{};  // may stand behind it
};

Frame frame_of(Notation notation) {
  switch (notation) {
    case Notation::kQwenCoder:
      return {.end = "</function>", .close = "</tool_call>"};
    case Notation::kGlm:
      return {.end = "</tool_call>"};
    case Notation::kDsml:
      return {.end = "</｜DSML｜invoke>"};
    case Notation::kGemma:
      return {.end = "<tool_call|>"};
    case Notation::kLfm:
      return {.end = "<|tool_call_end|>"};
    default:
      return {};
  }
}

class TaggedReader : public CallReader {
 public:
  TaggedReader(const ReaderContext& context, std::string_view opening)
      : context_(context), frame_(frame_of(context.notation)), opening_(opening) {}

  Step read(std::string_view text, bool last) override {
    if (json_) return json_->read(text, last);
    if (phase_ == Phase::kHeader) {
      const Step step = header(text, last);
      if (json_) return json_->read(text, last);
      if (phase_ == Phase::kHeader) return step;
    }
    if (phase_ == Phase::kBody) {
      const Step step = body(text, last);
      if (phase_ == Phase::kBody) return step;
      text.remove_prefix(step.used);
      const Step closed = close(text, last);
      return {closed.state, step.used + closed.used};
    }
    return close(text, last);
  }

 private:
  enum class Phase { kHeader, kBody, kClose };

  // Up to where it is certain that a tool is called. Takes nothing yet.
  Step header(std::string_view text, bool last) {
    TextCursor cursor(text);
    const bool json = read_header(cursor);
    if (cursor.more() && !last) return {};
    if (!cursor.ok()) return {State::kFailed, 0};
    if (json) {
      json_ = make_json_reader(context_, {.closes = {std::string(frame_.end)}});
      return {};
    }
    body_begin_ = searched_ = cursor.at();
    phase_ = Phase::kBody;
    return {};
  }

  // True: JSON objects come.
  bool read_header(TextCursor& cursor) {
    const ToolTable& tools = context_.tools;
    switch (context_.notation) {
      case Notation::kQwenCoder:
        cursor.space();
        if (opening_ == "<tool_call>") cursor.literal("<function=");
        name_ = cursor.name(tools);
        cursor.literal(">");
        return false;
      case Notation::kGlm:
        cursor.space();
        name_ = cursor.name(tools);
        cursor.space();
        peek(cursor, {"<arg_key>", "</tool_call>"});
        return false;
      case Notation::kDsml:
        name_ = cursor.name(tools);
        cursor.literal("\">");
        return false;
      case Notation::kGemma:
        cursor.space();
        cursor.literal("call:");
        name_ = cursor.name(tools);
        peek(cursor, {"{"});
        return false;
      default:
        return read_python_header(cursor);
    }
  }

  bool read_python_header(TextCursor& cursor) {
    cursor.space();
    if (cursor.rest().starts_with("{")) return cursor.ok();
    TextCursor call = cursor;
    call.optional("[");
    call.space();
    if (call.ok() && call.rest().starts_with("{")) return true;
    (void)call.name(context_.tools);
    call.optional(".call");
    call.literal("(");
    if (call.more()) cursor.wait();
    if (call.bad()) cursor.fail();
    return false;
  }

  // One of them has to come, and is not taken.
  static void peek(TextCursor& cursor, std::initializer_list<std::string_view> choices) {
    TextCursor ahead = cursor;
    (void)ahead.one_of(choices, /*optional=*/false);
    if (!ahead.ok()) cursor = ahead;
  }

  Step body(std::string_view text, bool last) {
    const std::size_t end =
        frame_.end.empty() ? std::string_view::npos : text.find(frame_.end, searched_);
    if (end == std::string_view::npos && !last) {
      const std::size_t tail = frame_.end.size();
      searched_ = std::max(body_begin_, text.size() - std::min(text.size(), tail));
      return {};
    }
    const bool ended = end != std::string_view::npos;
    const std::string_view body = text.substr(body_begin_, ended ? end - body_begin_ : end);
    std::size_t used = ended ? end + frame_.end.size() : text.size();
    if (!make_calls(body, used)) {
      context_.sink.hold(text.substr(0, used));
      return {State::kFailed, used};
    }
    phase_ = Phase::kClose;
    return {State::kMore, used};
  }

  // False: this is no call of a tool. `used` is less where text stands behind the call.
  bool make_calls(std::string_view body, std::size_t& used) {
    if (context_.notation == Notation::kLfm || context_.notation == Notation::kLlama) {
      return make_python_calls(body, used);
    }
    std::optional<Json> arguments;
    switch (context_.notation) {
      case Notation::kQwenCoder:
        arguments = qwen_arguments(context_.tools, name_, body);
        break;
      case Notation::kGlm:
        arguments = glm_arguments(context_.tools, name_, body);
        break;
      case Notation::kDsml:
        arguments = dsml_arguments(body);
        break;
      default:
        arguments = gemma_object(body);
    }
    if (!arguments) return false;
    context_.sink.call(name_, "", dump_json(*arguments));
    return true;
  }

  bool make_python_calls(std::string_view body, std::size_t& used) {
    const std::optional<PythonCalls> found = python_calls(body);
    if (!found) return false;
    const bool whole = trimmed(body.substr(found->used)).empty();
    if (!frame_.end.empty() && !whole) return false;
    for (const PythonCall& call : found->calls) {
      if (!context_.tools.contains(call.name)) return false;
    }
    for (const PythonCall& call : found->calls) {
      context_.sink.call(call.name, "", dump_json(call.arguments));
    }
    if (frame_.end.empty()) used = body_begin_ + found->used;
    return true;
  }

  Step close(std::string_view text, bool last) const {
    if (frame_.close.empty()) return {State::kDone, 0};
    TextCursor cursor(text);
    cursor.space();
    cursor.optional(frame_.close);
    if (cursor.more() && !last) return {State::kMore, 0};
    return {State::kDone, cursor.at()};
  }

  ReaderContext context_;
  Frame frame_;
  std::string opening_;
  Phase phase_ = Phase::kHeader;
  std::string name_;
  std::size_t body_begin_ = 0;
  std::size_t searched_ = 0;  // the end is not before it
  std::unique_ptr<CallReader> json_;
};

}  // namespace

std::unique_ptr<CallReader> make_tagged_reader(const ReaderContext& context,
                                               std::string_view opening) {
  return std::make_unique<TaggedReader>(context, opening);
}

}  // namespace redknot::chat
