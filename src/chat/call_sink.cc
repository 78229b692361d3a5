// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "base/check.h"
#include "chat/call_reader.h"

namespace redknot::chat {

CallSink::CallSink(ToolNotation notation, std::uint64_t seed)
    : notation_(notation), random_(seed) {}

std::string CallSink::make_id() {
  constexpr std::string_view kLetters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  // Mistral's templates refuse other lengths.
  const bool mistral = notation_ == ToolNotation::kMistral;
  std::string id = mistral ? "" : "call_";
  const std::size_t length = id.size() + (mistral ? 9 : 24);
  while (id.size() < length) id += kLetters[random_() % kLetters.size()];
  return id;
}

void CallSink::begin(std::string_view name, std::string_view id) {
  REDKNOT_CHECK(!open_);
  held_.clear();
  open_ = true;
  deltas_.push_back({.index = calls_++,
                     .id = id.empty() ? make_id() : std::string(id),
                     .name = std::string(name)});
}

void CallSink::arguments(std::string_view json) {
  REDKNOT_CHECK(open_);
  if (json.empty()) return;
  if (deltas_.empty() || deltas_.back().index != calls_ - 1) {
    deltas_.push_back({.index = calls_ - 1});
  }
  deltas_.back().arguments.append(json);
}

void CallSink::call(std::string_view name, std::string_view id, std::string_view json) {
  begin(name, id);
  arguments(json);
  end();
}

}  // namespace redknot::chat
