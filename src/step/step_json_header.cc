// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "step/json_entries.h"
#include "step/step_json.h"

namespace redknot {
namespace {

constexpr int kMostLayers = 1 << 16;
constexpr int kMostKvHeads = 1 << 16;
constexpr int kMostTokens = 1 << 30;
constexpr int kMostRows = 1 << 16;
constexpr int kMostLogitRows = 1 << 12;

Status read_profile(const Fields& fields, HeadProfile& profile) {
  REDKNOT_RETURN_IF_ERROR(read_int(fields, "layers", 1, kMostLayers, profile.layers));
  REDKNOT_RETURN_IF_ERROR(read_int(fields, "kv_heads", 1, kMostKvHeads, profile.kv_heads));
  REDKNOT_RETURN_IF_ERROR(read_each(fields, "heads", [&profile](const Json& json) -> Status {
    Entries entries(json, 6, "heads");
    HeadPolicy policy{.head_class = static_cast<HeadClass>(entries.integer(0, 2))};
    policy.sink_tokens = static_cast<int>(entries.integer(0, kMostTokens));
    const int least_window = policy.head_class == HeadClass::kGlobal ? 0 : 1;
    policy.window_tokens = static_cast<int>(entries.integer(least_window, kMostTokens));
    policy.kv_format = static_cast<KvFormat>(entries.integer(0, kKvFormatCount - 1));
    const int least_pages = policy.head_class == HeadClass::kRetrieval ? 1 : 0;
    policy.top_pages = static_cast<int>(entries.integer(least_pages, kMostTokens));
    policy.context_bound = entries.flag();
    profile.policies.push_back(policy);
    return entries.status();
  }));
  const std::int64_t heads = std::int64_t{profile.layers} * profile.kv_heads;
  if (static_cast<std::int64_t>(profile.policies.size()) == heads) return Done{};
  return corrupt("\"heads\" has ", profile.policies.size(), " entries, not ", heads);
}

Status read_pages(const Fields& fields, PageOptions& pages) {
  PageShape& shape = pages.shape;
  REDKNOT_RETURN_IF_ERROR(read_int(fields, "head_dim", 1, kMostInt, shape.head_dim));
  REDKNOT_RETURN_IF_ERROR(read_int(fields, "page_tokens", 1, kMostInt, shape.page_tokens));
  REDKNOT_TRY(shape.key_bounds, fields.boolean("key_bounds", false));
  std::vector<int> counts;
  REDKNOT_RETURN_IF_ERROR(read_ints(fields, "page_count", counts));
  if (counts.size() > pages.page_count.size()) {  // fewer: before there were all formats
    return corrupt("\"page_count\" has ", counts.size(), " entries");
  }
  std::copy(counts.begin(), counts.end(), pages.page_count.begin());
  return check(pages);
}

Result<StepFileHeader> read_header(const Fields& fields) {
  StepFileHeader header;
  REDKNOT_TRY(header.model, fields.text("model"));
  REDKNOT_TRY(header.kernels, fields.text("kernels"));
  REDKNOT_TRY(const std::string activations, fields.text("activations"));
  const std::optional<ActivationFormat> format = activation_format(activations);
  if (!format) return corrupt("\"activations\" is \"", activations, "\"");
  header.activations = *format;
  REDKNOT_RETURN_IF_ERROR(read_profile(fields, header.profile));
  REDKNOT_RETURN_IF_ERROR(read_pages(fields, header.pages));
  REDKNOT_RETURN_IF_ERROR(
      read_int(fields, "vocabulary_size", 1, kMostTokens, header.vocabulary_size));
  REDKNOT_RETURN_IF_ERROR(read_int(fields, "max_rows", 1, kMostRows, header.max_rows));
  REDKNOT_RETURN_IF_ERROR(
      read_int(fields, "max_logit_rows", 1, kMostLogitRows, header.max_logit_rows));
  return header;
}

}  // namespace

Result<StepFileHeader> parse_step_header(std::string_view line) {
  const Json json = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return corrupt("it is not a JSON object");
  const Fields fields(json, "");
  const Result<std::string> format = fields.text("format");
  if (!format.ok() || *format != "redknot steps") return corrupt("it is no file of steps");
  const Result<std::int64_t> version = fields.integer("version", 0, kMostInt);
  if (!version.ok()) return as_corrupt(version.error());
  if (*version != kStepFileVersion) {
    return unsupported("it is of version ", *version, ", not ", kStepFileVersion);
  }
  Result<StepFileHeader> header = read_header(fields);
  if (!header.ok()) return as_corrupt(header.error());
  return header;
}

}  // namespace redknot
