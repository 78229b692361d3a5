// SPDX-License-Identifier: Apache-2.0
#include "load/prompt_body.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"

namespace redknot::load {
namespace {

using Json = nlohmann::ordered_json;

std::string joined_text(const Turn& turn, const TextMaker& maker) {
  std::string out = turn.system;
  for (const TextPart& part : turn.parts) {
    if (!out.empty()) out += ' ';
    out += maker.text(part);
  }
  return out;
}

Json content_of(const Turn& turn, const TextMaker& maker) {
  const bool has_documents = std::any_of(turn.parts.begin(), turn.parts.end(),
                                         [](const TextPart& part) { return part.reusable; });
  if (!has_documents) return joined_text(turn, maker);
  Json list = Json::array();
  for (const TextPart& part : turn.parts) {
    std::string text = maker.text(part);
    if (part.reusable) text += "\n\n";
    Json one = {{"type", "text"}, {"text", std::move(text)}};
    if (part.reusable) one["cache_control"] = {{"type", "ephemeral"}};
    list.push_back(std::move(one));
  }
  return list;
}

Json messages_of(const Conversation& conversation, std::size_t turn,
                 const std::vector<std::string>& answers, const TextMaker& maker) {
  Json messages = Json::array();
  for (std::size_t before = 0; before < turn; ++before) {
    messages.push_back(
        {{"role", "user"}, {"content", content_of(conversation.turns[before], maker)}});
    messages.push_back({{"role", "assistant"}, {"content", answers[before]}});
  }
  messages.push_back({{"role", "user"}, {"content", content_of(conversation.turns[turn], maker)}});
  return messages;
}

std::string whole_text(const Conversation& conversation, std::size_t turn,
                       const std::vector<std::string>& answers, const TextMaker& maker) {
  std::string out;
  for (std::size_t before = 0; before < turn; ++before) {
    out += joined_text(conversation.turns[before], maker) + answers[before] + "\n";
  }
  return out + joined_text(conversation.turns[turn], maker);
}

Json reuse_of(const PromptOptions& options) {
  Json out = Json::object();
  if (!options.reuse.empty()) out["reuse"] = options.reuse;
  if (!options.recovery.empty()) out["recovery"] = options.recovery;
  if (options.ratio) out["ratio"] = *options.ratio;
  return out;
}

// A question about documents of a file, as a service with retrieval asks it.
void add_question(const Turn& turn, const TextMaker& maker, bool in_message, Json& body) {
  Json documents = Json::array(), messages = Json::array();
  if (!turn.system.empty()) messages.push_back({{"role", "system"}, {"content", turn.system}});
  std::string asked;
  for (const TextPart& part : turn.parts) {
    std::string text = maker.text(part);
    if (!part.reusable || in_message) {
      asked += asked.empty() ? text : "\n\n" + text;
    } else {
      documents.push_back({{"text", std::move(text)}});
    }
  }
  messages.push_back({{"role", "user"}, {"content", std::move(asked)}});
  body["messages"] = std::move(messages);
  if (!documents.empty()) body["documents"] = std::move(documents);
}

}  // namespace

const char* path_of(Endpoint endpoint) {
  return endpoint == Endpoint::kChat ? "/v1/chat/completions" : "/v1/completions";
}

std::string prompt_body(const Conversation& conversation, std::size_t turn,
                        const std::vector<std::string>& answers, const TextMaker& maker,
                        const PromptOptions& options) {
  REDKNOT_CHECK(turn < conversation.turns.size() && turn <= answers.size());
  Json body = {{"model", options.model}};
  const Turn& asked = conversation.turns[turn];
  if (options.endpoint == Endpoint::kChat && asked.parts.front().text) {
    add_question(asked, maker, options.documents_in_message, body);
  } else if (options.endpoint == Endpoint::kChat) {
    body["messages"] = messages_of(conversation, turn, answers, maker);
  } else {
    body["prompt"] = whole_text(conversation, turn, answers, maker);
  }
  body["max_tokens"] = asked.output_tokens;
  body["temperature"] = options.temperature;
  if (options.temperature > 0) {
    constexpr std::uint64_t kMostSeed = 0x7fffffff;  // what every server takes
    body["seed"] = (options.seed + asked.parts.back().seed) & kMostSeed;
  }
  if (options.ignore_eos) body["ignore_eos"] = true;
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  if (Json reuse = reuse_of(options); !reuse.empty()) body["redknot"] = std::move(reuse);
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace redknot::load
