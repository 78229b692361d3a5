// SPDX-License-Identifier: Apache-2.0
// Calls that are JSON objects, alone or in a list. Arguments stream as soon as the name is known.
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "chat/call_reader.h"
#include "chat/fields.h"
#include "chat/json_scanner.h"
#include "chat/text_cursor.h"

namespace redknot::chat {
namespace {

using State = CallReader::State;
bool is_name_key(std::string_view key) {
  return key == "name" || key == "tool_name" || key == "function";
}
bool is_arguments_key(std::string_view key) { return key == "arguments" || key == "parameters"; }
bool is_id_key(std::string_view key) { return key == "id" || key == "tool_call_id"; }
bool is_call_key(std::string_view key) {
  return is_name_key(key) || is_arguments_key(key) || is_id_key(key) || key == "type";
}

// The text of an object out of a value that is one, a string that holds one, or null.
std::optional<std::string> object_text(std::string_view value) {
  const std::optional<Json> json = json_of(value);
  if (!json) return std::nullopt;
  if (json->is_object()) return std::string(trimmed(value));
  if (json->is_null()) return "{}";
  if (!json->is_string()) return std::nullopt;
  const auto& inner = json->get_ref<const std::string&>();
  const std::optional<Json> parsed = json_of(inner);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::string(trimmed(inner));
}

// One object, byte by byte.
class CallObject {
 public:
  CallObject(const ReaderContext& context, bool strict)
      : tools_(context.tools), sink_(context.sink), strict_(strict) {}

  // What the text, which begins with the object, tells; kDone: the call is in the sink.
  CallReader::Step read(std::string_view text) {
    std::size_t used = 0;
    while (used < text.size()) {
      if (streaming_) {
        used += stream(text.substr(used));
        if (scanner_.state() == JsonScanner::State::kBad) return {State::kFailed, used};
        continue;
      }
      const State state = take(text[used]);
      used += taken_ ? 1 : 0;
      if (state != State::kMore) return {state, used};
    }
    return {State::kMore, used};
  }

 private:
  // Arguments of the call that is open, up to and with their last byte.
  std::size_t stream(std::string_view text) {
    std::size_t used = 0;
    while (used < text.size() && streaming_) {
      const bool bad = scanner_.feed(text[used]) == JsonScanner::State::kBad;
      if (bad) break;
      ++used;
      streaming_ = scanner_.depth() > 1;
    }
    sink_.arguments(text.substr(0, used));
    return used;
  }

  // Holds the byte, or gives it to the call, unless it is what is wrong.
  State take(char c) {
    taken_ = false;
    const JsonScanner::State before = scanner_.state();
    const int depth_before = scanner_.depth();
    const JsonScanner::State after = scanner_.feed(c);
    if (after == JsonScanner::State::kBad) return State::kFailed;
    if (depth_before == 0 && c != '{') return State::kFailed;
    const bool number_ends = depth_before == 1 && before == JsonScanner::State::kNumber &&
                             after != JsonScanner::State::kNumber;
    if (number_ends && !take_value()) return State::kFailed;  // `c` is behind the value
    if (depth_before == 1 && before == JsonScanner::State::kValue && after != before) {
      value_.clear();
      if (begin_arguments(c)) return State::kMore;
    }
    taken_ = true;
    if (!sink_.open()) sink_.hold({&c, 1});
    if (!made_) value_ += c;
    if (before == JsonScanner::State::kKeyOrClose || before == JsonScanner::State::kKey) {
      if (scanner_.depth() == 1 && after == JsonScanner::State::kKeyString) value_ = c;
    }
    if (after == JsonScanner::State::kColon && before == JsonScanner::State::kKeyString &&
        scanner_.depth() == 1 && !take_key()) {
      return State::kFailed;
    }
    const bool complete = scanner_.depth() == 1 && after == JsonScanner::State::kAfterValue &&
                          (depth_before == 2 || before == JsonScanner::State::kString ||
                           before == JsonScanner::State::kLiteral);
    if (complete && !take_value()) return State::kFailed;
    return after == JsonScanner::State::kDone ? finish() : State::kMore;
  }

  bool begin_arguments(char c) {
    if (made_ || c != '{' || name_.empty() || !is_arguments_key(key_)) return false;
    made_ = streaming_ = taken_ = true;
    sink_.begin(name_, id_);
    sink_.arguments({&c, 1});
    return true;
  }

  bool take_key() {
    if (made_) return true;
    const std::optional<Json> key = json_of(value_);
    if (!key || !key->is_string()) return false;
    key_ = key->get<std::string>();
    return !strict_ || is_call_key(key_);
  }

  // False: no call comes of this.
  bool take_value() {
    if (made_) return true;
    if (is_arguments_key(key_)) {
      arguments_ = object_text(value_);
      return arguments_.has_value();
    }
    const bool text = is_name_key(key_) || is_id_key(key_);
    if (!text) return true;
    const std::optional<Json> json = json_of(value_);
    if (!json) return false;
    if (key_ == "function" && json->is_object()) return take_function(*json);
    if (!json->is_string()) return !is_name_key(key_);  // identifiers may be numbers
    std::string value = json->get<std::string>();
    if (is_id_key(key_)) {
      // Cohere counts its calls, which is unique within one answer only.
      if (value.size() >= 9) id_ = std::move(value);
      return true;
    }
    if (!tools_.contains(value)) return key_ == "function" && value.empty();
    name_ = std::move(value);
    return true;
  }

  // OpenAI's own form: {"type": "function", "function": {"name": .., "arguments": ..}}
  bool take_function(const Json& function) {
    const auto name = function.find("name");
    if (name == function.end() || !name->is_string()) return false;
    if (!tools_.contains(name->get_ref<const std::string&>())) return false;
    name_ = name->get<std::string>();
    for (const char* key : {"arguments", "parameters"}) {
      const auto found = function.find(key);
      if (found == function.end()) continue;
      arguments_ = object_text(dump_json(*found));
      return arguments_.has_value();
    }
    return true;
  }

  State finish() {
    if (made_) {
      sink_.end();
      return State::kDone;
    }
    if (name_.empty()) return State::kFailed;
    sink_.call(name_, id_, arguments_.value_or("{}"));
    return State::kDone;
  }

  const ToolTable& tools_;
  CallSink& sink_;
  bool strict_;
  JsonScanner scanner_;
  std::string value_;  // the key or value that is being read, or was last
  std::string key_, name_, id_;
  std::optional<std::string> arguments_;  // that stood before the name
  bool made_ = false;                     // the call has begun
  bool streaming_ = false;
  bool taken_ = false;  // the latest byte
};

class JsonReader : public CallReader {
 public:
  JsonReader(const ReaderContext& context, JsonFrame frame)
      : context_(context),
        frame_(std::move(frame)),
        calls_before_(context.sink.calls()),
        list_(frame_.in_list) {}

  Step read(std::string_view text, bool last) override {
    std::size_t used = 0;
    while (true) {
      const Phase phase = phase_;
      const Step step = advance(text.substr(used), last);
      used += step.used;
      if (step.state != State::kMore) return {step.state, used};
      if (phase_ == phase) break;
    }
    return last ? end(used) : Step{State::kMore, used};
  }

 private:
  enum class Phase { kBegin, kItem, kObject, kBehindItem, kClose };

  Step end(std::size_t used) {
    const bool cut = context_.sink.open();
    if (cut) context_.sink.end();
    const bool done = cut || phase_ == Phase::kBehindItem || phase_ == Phase::kClose;
    return {done && made_calls() ? State::kDone : State::kFailed, used};
  }

  Step advance(std::string_view text, bool last) {
    switch (phase_) {
      case Phase::kObject:
        return object(text);
      case Phase::kClose:
        return close(text, last);
      default:
        break;
    }
    TextCursor cursor(text);
    cursor.space();
    if (phase_ == Phase::kBegin && !fence_read_ && !frame_.fence.empty()) {
      const std::size_t before = cursor.at();
      cursor.optional(frame_.fence);
      if (cursor.more()) return {State::kMore, 0};
      fence_read_ = cursor.at() > before;
      cursor.space();
    }
    const std::size_t at = cursor.at();
    if (at == text.size()) return taken(text, at, phase_);
    switch (phase_) {
      case Phase::kBegin:
        list_ = list_ || text[at] == '[';
        return taken(text, text[at] == '[' && !frame_.in_list ? at + 1 : at, Phase::kItem);
      case Phase::kItem:
        return item(text, at);
      default:
        return behind_item(text, at);
    }
  }

  Step taken(std::string_view text, std::size_t used, Phase next) {
    context_.sink.hold(text.substr(0, used));
    phase_ = next;
    return {State::kMore, used};
  }

  Step item(std::string_view text, std::size_t at) {
    if (list_ && text[at] == ']') return taken(text, at + 1, Phase::kClose);
    if (text[at] != '{') return {State::kFailed, 0};
    object_.emplace(context_, frame_.strict);
    return taken(text, at, Phase::kObject);
  }

  Step object(std::string_view text) {
    Step step = object_->read(text);
    if (step.state == State::kFailed && context_.sink.open()) context_.sink.end();
    if (step.state == State::kDone) {
      phase_ = Phase::kBehindItem;
      step.state = State::kMore;
    }
    return step;
  }

  Step behind_item(std::string_view text, std::size_t at) {
    const char c = text[at];
    if (c == ',' || (c == ';' && !list_)) return taken(text, at + 1, Phase::kItem);
    if (list_ && c == ']') return taken(text, at + 1, Phase::kClose);
    if (list_) return {State::kFailed, 0};
    if (c == '{') return taken(text, at, Phase::kItem);
    phase_ = Phase::kClose;
    return {State::kMore, 0};
  }

  bool made_calls() const { return context_.sink.calls() > calls_before_; }

  Step close(std::string_view text, bool last) const {
    if (!made_calls()) return {State::kFailed, 0};
    TextCursor cursor(text);
    for (const std::string& close : frame_.closes) {
      cursor.space();
      cursor.optional(close);
    }
    if (cursor.more() && !last) return {State::kMore, 0};
    return {State::kDone, cursor.at()};
  }

  ReaderContext context_;
  JsonFrame frame_;
  int calls_before_;
  Phase phase_ = Phase::kBegin;
  bool list_;
  bool fence_read_ = false;
  std::optional<CallObject> object_;
};

}  // namespace

std::unique_ptr<CallReader> make_json_reader(const ReaderContext& context, JsonFrame frame) {
  return std::make_unique<JsonReader>(context, std::move(frame));
}

}  // namespace redknot::chat
