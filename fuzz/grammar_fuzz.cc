// SPDX-License-Identifier: Apache-2.0
// A schema, a zero byte, a document. What a grammar takes must be JSON; it must be taken again byte
// by byte; and whatever it has taken so far, something must be able to follow or it may end.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "grammar/constraint_state.h"

namespace {

// Some byte can follow, or the answer may end.
bool has_future(redknot::grammar::Acceptor& acceptor) {
  if (acceptor.may_end()) return true;
  for (int byte = 0; byte < 256; ++byte) {
    if (!acceptor.push(static_cast<std::uint8_t>(byte))) continue;
    acceptor.pop();
    return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\0'), size);
  const auto constraint = redknot::Constraint::json_schema(text.substr(0, end));
  if (!constraint.ok() || end == size) return 0;
  const std::string_view document = text.substr(end + 1);
  redknot::grammar::Acceptor whole = redknot::grammar::acceptor_of(*constraint);
  redknot::grammar::Acceptor stepwise = whole;
  const bool taken = whole.accept(document);
  for (std::size_t i = 0; i < document.size(); ++i) {
    if (!has_future(stepwise)) std::abort();
    if (stepwise.accept(document.substr(i, 1))) continue;
    if (taken) std::abort();
    return 0;
  }
  if (!taken || whole.may_end() != stepwise.may_end()) std::abort();
  if (whole.may_end() && !nlohmann::json::accept(document)) std::abort();
  if (whole.is_complete() && has_future(whole) != whole.may_end()) std::abort();
  return 0;
}
