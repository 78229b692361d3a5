// SPDX-License-Identifier: Apache-2.0
#include "server/answer_text.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace redknot::server {

void WholeAnswer::add(const chat::AnswerDelta& next) {
  delta.content += next.content;
  delta.reasoning += next.reasoning;
  for (const chat::ToolCallDelta& call : next.calls) {
    auto at =
        std::find_if(delta.calls.begin(), delta.calls.end(),
                     [&](const chat::ToolCallDelta& other) { return other.index == call.index; });
    if (at == delta.calls.end()) {
      delta.calls.push_back(call);
      continue;
    }
    at->id += call.id;
    at->name += call.name;
    at->arguments += call.arguments;
  }
}

Usage combined_usage(std::span<const Usage> usages) {
  if (usages.empty()) return {};
  Usage out = usages.front();
  for (const Usage& usage : usages.subspan(1)) out.generated_tokens += usage.generated_tokens;
  return out;
}

Usage summed_usage(std::span<const Usage> usages) {
  Usage out;
  for (const Usage& usage : usages) {
    out.prompt_tokens += usage.prompt_tokens;
    out.prefix_tokens += usage.prefix_tokens;
    out.adopted_tokens += usage.adopted_tokens;
    out.new_tokens += usage.new_tokens;
    out.recovered_tokens += usage.recovered_tokens;
    out.built_tokens += usage.built_tokens;
    out.generated_tokens += usage.generated_tokens;
  }
  return out;
}

Json reuse_json(const Usage& usage) {
  return {{"exact_tokens", usage.prefix_tokens},
          {"adopted_tokens", usage.adopted_tokens},
          {"recovered_tokens", usage.recovered_tokens},
          {"new_tokens", usage.new_tokens},
          {"built_tokens", usage.built_tokens}};
}

std::string sse(const Json& json) { return concat("data: ", dump_json(json), "\n\n"); }

std::string sse(const char* event, const Json& json) {
  return concat("event: ", event, "\ndata: ", dump_json(json), "\n\n");
}

double finite_logprob(float value) {
  constexpr float kLeast = -9999.0f;
  return std::isfinite(value) ? value : kLeast;
}

}  // namespace redknot::server
