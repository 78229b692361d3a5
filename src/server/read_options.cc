// SPDX-License-Identifier: Apache-2.0
#include "server/read_options.h"

#include <charconv>
#include <limits>

#include "base/error.h"

namespace redknot::server {
namespace {

constexpr std::size_t kMaxBiases = 4096;
constexpr std::size_t kMaxStopBytes = 4096;
constexpr int kMaxTokens = 1 << 30;

std::vector<std::pair<int, float>> read_logit_bias(const Value& value) {
  std::vector<std::pair<int, float>> out;
  if (!value.expect_object(kMaxBiases)) return out;
  out.reserve(value.size());
  for (const auto& [key, bias] : value.json()->items()) {
    int token = -1;
    const auto end = std::from_chars(key.data(), key.data() + key.size(), token);
    if (end.ec != std::errc() || end.ptr != key.data() + key.size() || token < 0) {
      value.refuse("\"" + key.substr(0, 32) + "\" is not the id of a token");
      return out;
    }
    out.emplace_back(token, static_cast<float>(value[key].number(-100, 100, 0)));
  }
  return out;
}

std::uint64_t read_seed(const Value& value, const ReadContext& context) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (!value) return context.random_seed;
  return static_cast<std::uint64_t>(value.integer(Limits::min(), Limits::max(), 0));
}

}  // namespace

Sampling read_sampling(const Value& body, const ReadContext& context) {
  Sampling s = context.sampling;
  const auto read = [&body](const char* name, double least, double most, float& value) {
    value = static_cast<float>(body[name].number(least, most, value));
  };
  read("temperature", 0, 2, s.temperature);
  read("top_p", 0, 1, s.top_p);
  // -1 is vLLM's way to say off.
  s.top_k = std::max(0, body["top_k"].count(-1, std::numeric_limits<int>::max(), s.top_k));
  read("min_p", 0, 1, s.min_p);
  read("repetition_penalty", 0.01, 100, s.repetition_penalty);
  read("frequency_penalty", -2, 2, s.frequency_penalty);
  read("presence_penalty", -2, 2, s.presence_penalty);
  s.logit_bias = read_logit_bias(body["logit_bias"]);
  s.seed = read_seed(body["seed"], context);
  return s;
}

std::vector<std::string> read_stops(const Value& value) {
  std::vector<std::string> out;
  const auto add = [&](const Value& stop) {
    std::string text = stop.text();
    if (stop.is_string() && text.empty()) stop.refuse("is empty");
    if (text.size() > kMaxStopBytes) {
      stop.refuse(concat(text.size(), " bytes, more than ", kMaxStopBytes));
    }
    out.push_back(std::move(text));
  };
  if (!value) return out;
  if (value.is_string()) {
    // Clients that have a form for it send the empty string for none.
    if (!value.text().empty()) add(value);
    return out;
  }
  if (!value.is_array()) value.refuse_type("a string or a list of strings");
  if (!value.is_array() || !value.expect_array(kMaxStops)) return out;
  for (std::size_t i = 0; i < value.size(); ++i) add(value.at(i));
  return out;
}

chat::AnswerOptions read_answer_options(const Value& body, const ReadContext& context) {
  chat::AnswerOptions out;
  out.model = body["model"].text();
  out.answers = body["n"].count(1, kMaxAnswers, 1);
  out.stream = body["stream"].flag(false);
  const Value stream_options = body["stream_options"];
  if (stream_options.expect_object()) {
    out.include_usage = stream_options["include_usage"].flag(false);
  }
  out.engine.sampling = read_sampling(body, context);
  out.engine.stop = read_stops(body["stop"]);
  out.engine.ignore_end = body["ignore_eos"].flag(false);
  out.engine.max_tokens = body["max_tokens"].count(0, kMaxTokens, -1);
  out.engine.priority = body["priority"].count(-1000, 1000, 0);
  read_reuse(body["redknot"], context, out.engine);
  return out;
}

void read_reuse(const Value& value, const ReadContext& context, Request& request) {
  request.recovery = context.recovery;
  request.canonical_context = context.canonical_context;
  request.reuse = context.reuse;
  if (!value.expect_object()) return;
  if (value["reuse"]) {
    constexpr Reuse kReuses[] = {Reuse::kNone, Reuse::kPrefix, Reuse::kSegment};
    request.reuse = kReuses[value["reuse"].choice({"none", "prefix", "segment"}, 1)];
  }
  if (value["recovery"]) {
    request.recovery = {};
    request.recovery.policy = static_cast<RecoveryPolicy>(value["recovery"].choice(
        kRecoveryPolicyNames, static_cast<std::size_t>(RecoveryPolicy::kKnot)));
  }
  if (value["ratio"]) {
    const double ratio = value["ratio"].number(0, 1, 0);
    if (request.recovery.policy == RecoveryPolicy::kNone) {
      value["ratio"].refuse("means nothing with recovery \"none\"");
    }
    if (request.recovery.policy == RecoveryPolicy::kElastic) {
      request.recovery.elastic.mass = request.recovery.elastic.mass_deep = ratio;
    } else {
      request.recovery.ratio = ratio;
    }
  }
  const bool is_bare =
      value["canonical_context"].choice(
          {"prefix", "bare"}, context.canonical_context == CanonicalContext::kBare ? 1 : 0) == 1;
  request.canonical_context = is_bare ? CanonicalContext::kBare : CanonicalContext::kPrefix;
  request.priority = value["priority"].count(-1000, 1000, request.priority);
}

void settle_reuse(const Value& body, bool has_segments, Request& request) {
  const Value redknot = body["redknot"];
  if (has_segments && !redknot["reuse"]) request.reuse = Reuse::kSegment;
  if (has_segments && !redknot["canonical_context"]) {
    request.canonical_context = CanonicalContext::kBare;
  }
}

}  // namespace redknot::server
