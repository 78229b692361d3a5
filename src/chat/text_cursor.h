// SPDX-License-Identifier: Apache-2.0
// Reads text whose end may not be there yet: what is expected is there, is not, or may still come.
//
// A TextCursor is a view that lives within one call of a CallReader, which tries with it to read
// the head of a call, and comes back with more text if the cursor wants more. The text must outlive
// it; one thread.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "chat/tool_table.h"

namespace redknot::chat {

// After more() or bad() nothing is taken any more. A view; the text must outlive it.
class TextCursor {
 public:
  explicit TextCursor(std::string_view text) : text_(text) {}

  bool ok() const { return state_ == State::kOk; }
  bool more() const { return state_ == State::kMore; }
  bool bad() const { return state_ == State::kBad; }
  std::size_t at() const { return at_; }
  std::string_view rest() const { return text_.substr(at_); }
  void fail() { state_ = State::kBad; }
  void wait() { state_ = State::kMore; }

  void space() {
    while (ok() && at_ < text_.size() && trimmed(text_.substr(at_, 1)).empty()) ++at_;
  }
  void literal(std::string_view expected) { (void)one_of({expected}, /*optional=*/false); }
  void optional(std::string_view expected) { (void)one_of({expected}, /*optional=*/true); }
  // Which of them comes, -1: none (yet). They do not begin each other.
  int one_of(std::initializer_list<std::string_view> choices, bool optional) {
    if (!ok()) return -1;
    bool may_come = false;
    int index = 0;
    for (const std::string_view choice : choices) {
      if (rest().starts_with(choice)) {
        at_ += choice.size();
        return index;
      }
      may_come = may_come || choice.starts_with(rest());
      ++index;
    }
    if (may_come) {
      state_ = State::kMore;
    } else if (!optional) {
      state_ = State::kBad;
    }
    return -1;
  }
  // A name of the table.
  std::string_view name(const ToolTable& tools) {
    if (!ok()) return {};
    if (tools.begins_name(rest())) {
      state_ = State::kMore;
      return {};
    }
    const std::string_view found = rest().substr(0, tools.longest_name(rest()));
    if (found.empty()) state_ = State::kBad;
    at_ += found.size();
    return found;
  }
  // What stands before `end`, which is taken too.
  std::string_view until(std::string_view end) {
    if (!ok()) return {};
    const std::size_t found = rest().find(end);
    if (found == std::string_view::npos) {
      state_ = State::kMore;
      return {};
    }
    const std::string_view text = rest().substr(0, found);
    at_ += found + end.size();
    return text;
  }

 private:
  enum class State { kOk, kMore, kBad };
  std::string_view text_;
  std::size_t at_ = 0;
  State state_ = State::kOk;
};

}  // namespace redknot::chat
