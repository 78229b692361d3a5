// SPDX-License-Identifier: Apache-2.0
#include "engine/request_spec.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "runtime/sampler.h"

namespace redknot {
namespace {

constexpr std::size_t kMaxStopStrings = 64;
constexpr std::size_t kMaxStopBytes = 4096;
constexpr double kMaxQueueSeconds = 1e8;

Status check_recovery(const RecoveryOptions& recovery) {
  if (recovery.ratio && !(*recovery.ratio >= 0 && *recovery.ratio <= 1)) {
    return invalid("generate: recovery.ratio is ", *recovery.ratio, ", not in 0..1");
  }
  const ElasticOptions& elastic = recovery.elastic;
  const std::pair<const char*, int> counts[] = {{"least_tokens", recovery.least_tokens.value_or(0)},
                                                {"boundary_tokens", recovery.boundary_tokens},
                                                {"elastic.dense_until", elastic.dense_until},
                                                {"elastic.recent_tokens", elastic.recent_tokens}};
  for (const auto& [name, value] : counts) {
    if (value < 0) return invalid("generate: recovery.", name, " is ", value, ", less than 0");
  }
  for (const auto& [name, value] :
       {std::pair("mass", elastic.mass), std::pair("mass_deep", elastic.mass_deep)}) {
    if (value >= 0 && value <= 1) continue;
    return invalid("generate: recovery.elastic.", name, " is ", value, ", not in 0..1");
  }
  return Done{};
}

}  // namespace

Status check_request(const Request& request, int vocabulary_size) {
  if (request.prompt.empty()) return invalid("generate: prompt has no parts");
  if (request.max_tokens < -1) {
    return invalid("generate: max_tokens is ", request.max_tokens, ", less than -1");
  }
  if (request.stop.size() > kMaxStopStrings) {
    return invalid("generate: ", request.stop.size(), " stop strings, more than ", kMaxStopStrings);
  }
  for (const std::string& stop : request.stop) {
    if (stop.empty() || stop.size() > kMaxStopBytes) {
      return invalid("generate: a stop string of ", stop.size(), " bytes, not 1..", kMaxStopBytes);
    }
  }
  if (!(request.max_queue_seconds >= 0 && request.max_queue_seconds <= kMaxQueueSeconds)) {
    return invalid("generate: max_queue_seconds is ", request.max_queue_seconds, ", not in 0..",
                   kMaxQueueSeconds);
  }
  REDKNOT_RETURN_IF_ERROR(check_recovery(request.recovery));
  const Status sampling = validate(request.sampling, vocabulary_size);
  if (!sampling.ok()) return sampling.error().within("generate");
  return Done{};
}

Result<Prompt> prompt_of(const Request& request, const Vocabulary& vocabulary, int vocabulary_size,
                         const Tokenizer* tokenizer) {
  Prompt prompt;
  std::vector<TokenId>& tokens = prompt.tokens;
  if (request.add_bos && vocabulary.add_bos && vocabulary.bos &&
      request.prompt.front().tokens.empty()) {
    tokens.push_back(*vocabulary.bos);
  }
  for (const PromptPart& part : request.prompt) {
    const int begin = static_cast<int>(tokens.size());
    std::vector<int> own = part.tokens;
    if (own.empty() && !part.text.empty()) {
      if (tokenizer == nullptr) {
        return unsupported("generate: this model file has no tokenizer; give token ids instead");
      }
      auto encoded = tokenizer->tokenize(part.text, false, part.parse_special);
      if (!encoded.ok()) return encoded.error().within("generate");
      own = std::move(*encoded);
    }
    for (const int token : own) {
      if (token < 0 || token >= vocabulary_size) {
        return invalid("generate: prompt token ", token, " is not in 0..", vocabulary_size - 1);
      }
      tokens.push_back(TokenId{token});
    }
    if (own.empty()) continue;
    const bool reused = part.reusable && request.reuse == Reuse::kSegment;
    if (reused) prompt.reusable.push_back({begin, static_cast<int>(tokens.size())});
    if (!reused) prompt.text_ends.push_back(static_cast<int>(tokens.size()));
  }
  if (tokens.empty()) return invalid("generate: prompt has no tokens");
  if (prompt.reusable.empty()) return prompt;
  const bool is_bare = request.canonical_context == CanonicalContext::kBare;
  const int bare = vocabulary.bos && tokens.front() == *vocabulary.bos ? 1 : 0;
  const int before = prompt.reusable.front().begin;
  prompt.context_tokens = is_bare ? std::min(bare, before) : before;
  return prompt;
}

}  // namespace redknot
