// SPDX-License-Identifier: Apache-2.0
#include "load/agreement.h"

#include <algorithm>

namespace redknot::load {

double Agreement::identical_share() const {
  return compared == 0 ? 0 : static_cast<double>(identical) / compared;
}

double Agreement::token_share() const {
  return tokens == 0 ? 1 : static_cast<double>(agreed_tokens) / static_cast<double>(tokens);
}

void compare(const Answer& answer, const Answer& exact, Agreement& agreement) {
  const auto [here, there] =
      std::mismatch(answer.text.begin(), answer.text.end(), exact.text.begin(), exact.text.end());
  const auto common = static_cast<std::size_t>(here - answer.text.begin());
  const bool identical = here == answer.text.end() && there == exact.text.end() &&
                         answer.finish_reason == exact.finish_reason;
  std::int64_t tokens = 0, agreed = 0, exact_tokens = 0;
  for (const AnswerEvent& event : answer.events) {
    tokens += event.tokens;
    if (event.text_end <= common) agreed += event.tokens;
  }
  for (const AnswerEvent& event : exact.events) exact_tokens += event.tokens;
  ++agreement.compared;
  agreement.tokens += std::max(tokens, exact_tokens);
  if (identical) {
    ++agreement.identical;
    agreed = std::max(tokens, exact_tokens);
  }
  agreement.agreed_tokens += agreed;
}

}  // namespace redknot::load
