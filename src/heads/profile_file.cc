// SPDX-License-Identifier: Apache-2.0
#include "heads/profile_file.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/json_fields.h"

namespace redknot {
namespace {

using Json = nlohmann::ordered_json;
using Fields = JsonFields<Json>;

constexpr std::string_view kFormat = "redknot head profile";
constexpr int kVersion = 1;
constexpr std::array kProfileFormats = {KvFormat::kF16, KvFormat::kQ8, KvFormat::kK8V4};
constexpr int kMostLayers = 1 << 16;
constexpr int kMostTokens = 1 << 30;

template <typename Value, typename Names>
Result<Value> named(const Fields& fields, const char* field, const Names& values) {
  REDKNOT_TRY(const std::string given, fields.text(field));
  std::string known;
  for (const Value value : values) {
    if (name(value) == given) return value;
    known += concat(known.empty() ? "" : ", ", name(value));
  }
  return invalid(fields.at(field), " is \"", given, "\", not one of ", known);
}

Result<int> tokens_field(const Fields& fields, const char* name, int least) {
  REDKNOT_TRY(const std::int64_t tokens, fields.integer(name, least, kMostTokens));
  return static_cast<int>(tokens);
}

Result<std::size_t> bytes_field(const Fields& fields, const char* name) {
  REDKNOT_TRY(const std::int64_t bytes, fields.integer(name, 0, std::int64_t{1} << 50));
  return static_cast<std::size_t>(bytes);
}

Result<HeadPolicy> parse_policy(const Fields& fields) {
  HeadPolicy policy;
  REDKNOT_TRY(policy.head_class, named<HeadClass>(fields, "class", kHeadClasses));
  REDKNOT_TRY(policy.kv_format, named<KvFormat>(fields, "kv", kProfileFormats));
  REDKNOT_TRY(policy.context_bound, fields.boolean("context_bound", true));
  if (policy.head_class == HeadClass::kGlobal) return policy;
  REDKNOT_TRY(policy.sink_tokens, tokens_field(fields, "sink", 0));
  REDKNOT_TRY(policy.window_tokens, tokens_field(fields, "window", 1));
  if (policy.head_class == HeadClass::kLocal) return policy;
  REDKNOT_TRY(policy.top_pages, tokens_field(fields, "top_pages", 1));
  return policy;
}

Result<HeadEvidence> parse_head_evidence(const Fields& fields) {
  HeadEvidence evidence;
  REDKNOT_TRY(const Json* mass, fields.list("mass", 64));
  for (const Json& share : *mass) {
    REDKNOT_TRY(const double number, Fields::to_number(share, fields.at("mass")));
    evidence.mass.push_back(number);
  }
  REDKNOT_TRY(evidence.windows[0], tokens_field(fields, "window_95", 0));
  REDKNOT_TRY(evidence.windows[1], tokens_field(fields, "window_99", 0));
  REDKNOT_TRY(evidence.windows[2], tokens_field(fields, "window_999", 0));
  if (!fields.is_null("prefix_shift")) {
    REDKNOT_TRY(evidence.prefix_shift, fields.number("prefix_shift"));
  }
  REDKNOT_TRY(evidence.effect_kl, fields.number("effect_kl"));
  REDKNOT_TRY(const std::int64_t heads, fields.integer("effect_heads", 1, kMostTokens));
  evidence.effect_heads = static_cast<int>(heads);
  return evidence;
}

Result<MeasuredText> parse_text(const Fields& fields) {
  MeasuredText text;
  REDKNOT_TRY(text.description, fields.text("text"));
  REDKNOT_TRY(text.sha256, fields.text("sha256"));
  REDKNOT_TRY(text.tokens, fields.integer("tokens", 0, std::int64_t{1} << 50));
  REDKNOT_TRY(text.context_tokens, tokens_field(fields, "context_tokens", 1));
  REDKNOT_TRY(text.page_tokens, tokens_field(fields, "page_tokens", 1));
  REDKNOT_TRY(text.dense_bytes, bytes_field(fields, "dense_f16_bytes"));
  return text;
}

Result<ProfileTrial> parse_trial(const Fields& fields) {
  ProfileTrial trial;
  Divergence& found = trial.divergence;
  REDKNOT_TRY(trial.kv_bytes, bytes_field(fields, "kv_bytes"));
  REDKNOT_TRY(trial.kv_bytes_read, bytes_field(fields, "kv_bytes_read"));
  REDKNOT_TRY(found.positions, fields.integer("positions", 1, std::int64_t{1} << 50));
  REDKNOT_TRY(found.kl_mean, fields.number("kl_mean"));
  REDKNOT_TRY(found.kl_p99, fields.number("kl_p99"));
  REDKNOT_TRY(found.kl_p999, fields.number("kl_p999"));
  REDKNOT_TRY(found.same_top1, fields.number("same_top1"));
  REDKNOT_TRY(found.perplexity_ratio, fields.number("perplexity_ratio"));
  return trial;
}

// One entry a head, in order: layers, and in them KV heads.
Status parse_heads(const Fields& root, ProfileFile& file) {
  HeadProfile& profile = file.profile;
  const auto count = static_cast<std::size_t>(profile.layers) * profile.kv_heads;
  REDKNOT_TRY(const Json* list, root.list("heads", count));
  if (list->size() != count) {
    return invalid("\"heads\" has ", list->size(), " entries, not ", profile.layers, " layers x ",
                   profile.kv_heads, " KV heads");
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Fields fields((*list)[i], concat("\"heads\"[", i, "]"));
    const auto layer = static_cast<std::int64_t>(i) / profile.kv_heads;
    const auto kv_head = static_cast<std::int64_t>(i) % profile.kv_heads;
    REDKNOT_RETURN_IF_ERROR(fields.integer("layer", layer, layer));
    REDKNOT_RETURN_IF_ERROR(fields.integer("kv_head", kv_head, kv_head));
    REDKNOT_TRY(const HeadPolicy policy, parse_policy(fields));
    profile.policies.push_back(policy);
    if (!file.calibration) continue;
    REDKNOT_TRY(const Fields evidence, fields.object("evidence"));
    REDKNOT_TRY(HeadEvidence found, parse_head_evidence(evidence));
    file.heads.push_back(std::move(found));
  }
  return Done{};
}

Status parse_search(const Fields& root, ProfileFile& file) {
  REDKNOT_TRY(const Fields search, root.object("search"));
  REDKNOT_TRY(MeasuredText text, parse_text(search));
  file.calibration = std::move(text);
  REDKNOT_TRY(file.budget_kl, search.number("budget_kl"));
  REDKNOT_TRY(const Json* curve, search.list("curve", 10000));
  for (std::size_t i = 0; i < curve->size(); ++i) {
    const Fields point((*curve)[i], concat("\"search\".curve[", i, "]"));
    REDKNOT_TRY(const ProfileTrial trial, parse_trial(point));
    file.curve.push_back(trial);
  }
  return Done{};
}

Result<ReuseTrial> parse_reuse(const Fields& root) {
  REDKNOT_TRY(const Fields fields, root.object("reuse"));
  ReuseTrial trial;
  REDKNOT_TRY(trial.description, fields.text("text"));
  REDKNOT_TRY(trial.policy, fields.text("policy"));
  REDKNOT_TRY(trial.ratio, fields.number("ratio"));
  REDKNOT_TRY(trial.questions, tokens_field(fields, "questions", 1));
  REDKNOT_TRY(trial.page_tokens, tokens_field(fields, "page_tokens", 1));
  REDKNOT_TRY(trial.kl_mean, fields.number("kl_mean"));
  REDKNOT_TRY(trial.same_top1, fields.number("same_top1"));
  return trial;
}

Result<ProfileFile> parse_root(const Fields& root) {
  REDKNOT_TRY(const std::string format, root.text("format"));
  if (format != kFormat) return invalid("\"format\" is \"", format, "\", not \"", kFormat, "\"");
  REDKNOT_TRY(const std::int64_t version, root.integer("version", 0, kMostTokens));
  if (version != kVersion) {
    return unsupported("it has version ", version, "; this program reads version ", kVersion);
  }
  ProfileFile file;
  REDKNOT_TRY(const Fields model, root.object("model"));
  REDKNOT_TRY(file.model_name, model.text("name"));
  REDKNOT_TRY(file.fingerprint, model.text("fingerprint"));
  REDKNOT_TRY(const std::int64_t layers, model.integer("layers", 1, kMostLayers));
  REDKNOT_TRY(const std::int64_t kv_heads, model.integer("kv_heads", 1, kMostLayers));
  file.profile.layers = static_cast<int>(layers);
  file.profile.kv_heads = static_cast<int>(kv_heads);
  if (!root.is_null("search")) REDKNOT_RETURN_IF_ERROR(parse_search(root, file));
  REDKNOT_RETURN_IF_ERROR(parse_heads(root, file));
  if (root.has("reuse")) {
    REDKNOT_TRY(file.reuse, parse_reuse(root));
  }
  if (root.is_null("validation")) return file;
  REDKNOT_TRY(const Fields validation, root.object("validation"));
  REDKNOT_TRY(MeasuredText text, parse_text(validation));
  REDKNOT_TRY(const ProfileTrial trial, parse_trial(validation));
  file.validation = std::move(text);
  file.validated = trial;
  return file;
}

// ---- Writing ----

Json policy_json(const HeadPolicy& policy) {
  Json out = {{"class", name(policy.head_class)}};
  if (policy.head_class != HeadClass::kGlobal) {
    out["sink"] = policy.sink_tokens;
    out["window"] = policy.window_tokens;
  }
  if (policy.head_class == HeadClass::kRetrieval) out["top_pages"] = policy.top_pages;
  out["kv"] = name(policy.kv_format);
  if (!policy.context_bound) out["context_bound"] = false;
  return out;
}

// Six digits are more than was measured.
double rounded(double number) {
  if (std::abs(number) < 1e-300) return 0;
  const double scale = std::pow(10.0, 5 - std::floor(std::log10(std::abs(number))));
  return std::round(number * scale) / scale;
}

Json evidence_json(const HeadEvidence& evidence) {
  Json mass = Json::array();
  for (const double share : evidence.mass) mass.push_back(rounded(share));
  return {{"mass", std::move(mass)},
          {"window_95", evidence.windows[0]},
          {"window_99", evidence.windows[1]},
          {"window_999", evidence.windows[2]},
          {"prefix_shift", evidence.prefix_shift ? Json(rounded(*evidence.prefix_shift)) : Json()},
          {"effect_kl", rounded(evidence.effect_kl)},
          {"effect_heads", evidence.effect_heads}};
}

Json text_json(const MeasuredText& text) {
  return {{"text", text.description},        {"sha256", text.sha256},
          {"tokens", text.tokens},           {"context_tokens", text.context_tokens},
          {"page_tokens", text.page_tokens}, {"dense_f16_bytes", text.dense_bytes}};
}

Json trial_json(const ProfileTrial& trial) {
  const Divergence& found = trial.divergence;
  return {{"kv_bytes", trial.kv_bytes},
          {"kv_bytes_read", trial.kv_bytes_read},
          {"positions", found.positions},
          {"kl_mean", rounded(found.kl_mean)},
          {"kl_p99", rounded(found.kl_p99)},
          {"kl_p999", rounded(found.kl_p999)},
          {"same_top1", rounded(found.same_top1)},
          {"perplexity_ratio", rounded(found.perplexity_ratio)}};
}

Json heads_json(const ProfileFile& file) {
  Json heads = Json::array();
  const HeadProfile& profile = file.profile;
  for (std::size_t i = 0; i < profile.policies.size(); ++i) {
    Json head = {{"layer", static_cast<int>(i) / profile.kv_heads},
                 {"kv_head", static_cast<int>(i) % profile.kv_heads}};
    head.update(policy_json(profile.policies[i]));
    if (file.calibration) head["evidence"] = evidence_json(file.heads[i]);
    heads.push_back(std::move(head));
  }
  return heads;
}

// Names of models and files need not be UTF-8.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Objects that hold no other, each on a line of its own: a head is a line.
void print(const Json& json, int depth, std::string& out) {
  const auto holds_objects = [](const Json& part) {
    return part.is_object() || (part.is_array() && !part.empty() && part.front().is_object());
  };
  const bool opens =
      depth < 2 && json.is_structured() && std::any_of(json.begin(), json.end(), holds_objects);
  if (!opens && depth > 0 && !(depth == 1 && json.is_array() && !json.empty())) {
    out += dumped(json);
    return;
  }
  out += json.is_object() ? "{\n" : "[\n";
  std::size_t left = json.size();
  for (const auto& [key, value] : json.items()) {
    out.append(static_cast<std::size_t>(depth + 1) * 2, ' ');
    if (json.is_object()) out += dumped(Json(key)) + ": ";
    print(value, depth + 1, out);
    out += --left > 0 ? ",\n" : "\n";
  }
  out.append(static_cast<std::size_t>(depth) * 2, ' ');
  out += json.is_object() ? "}" : "]";
}

}  // namespace

Result<ProfileFile> parse_profile(std::string_view json) {
  const Json root = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return invalid("it is not a JSON object");
  return parse_root(Fields(root));
}

std::string to_json(const ProfileFile& file) {
  Json root = {{"format", kFormat},
               {"version", kVersion},
               {"model",
                {{"name", file.model_name},
                 {"fingerprint", file.fingerprint},
                 {"layers", file.profile.layers},
                 {"kv_heads", file.profile.kv_heads}}},
               {"search", nullptr},
               {"validation", nullptr}};
  if (file.calibration) {
    root["search"] = text_json(*file.calibration);
    root["search"]["budget_kl"] = file.budget_kl;
    root["search"]["curve"] = Json::array();
    for (const ProfileTrial& trial : file.curve) {
      root["search"]["curve"].push_back(trial_json(trial));
    }
  }
  if (file.validated) {
    root["validation"] = text_json(*file.validation);
    root["validation"].update(trial_json(*file.validated));
  }
  if (file.reuse) {
    root["reuse"] = {{"text", file.reuse->description},
                     {"policy", file.reuse->policy},
                     {"ratio", rounded(file.reuse->ratio)},
                     {"questions", file.reuse->questions},
                     {"page_tokens", file.reuse->page_tokens},
                     {"kl_mean", rounded(file.reuse->kl_mean)},
                     {"same_top1", rounded(file.reuse->same_top1)}};
  }
  root["heads"] = heads_json(file);
  std::string out;
  print(root, 0, out);
  return out + "\n";
}

}  // namespace redknot
