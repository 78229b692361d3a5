// SPDX-License-Identifier: Apache-2.0
#include "load/trace.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/json_fields.h"
#include "load/json_lines.h"

namespace redknot::load {
namespace {

using Json = nlohmann::json;

// A whole number from 1 to kMaxTraceTokens.
Result<int> token_count(const Json& object, const char* name) {
  const JsonFields fields(object);
  REDKNOT_TRY(const Json* value, fields.required(name));
  if (!value->is_number_integer()) return fields.wrong_type(name, "a whole number");
  const bool huge = value->is_number_unsigned() && value->get<std::uint64_t>() > kMaxTraceTokens;
  if (huge || value->get<std::int64_t>() < 1) {
    return invalid(fields.at(name), " is not in the range 1 to ", kMaxTraceTokens);
  }
  return value->get<int>();
}

Result<double> timestamp(const Json& object) {
  const JsonFields fields(object);
  REDKNOT_TRY(const Json* value, fields.required("timestamp"));
  if (!value->is_number()) return fields.wrong_type("timestamp", "a number");
  const double ms = value->get<double>();
  if (!(ms >= 0 && ms <= kMaxTraceMs)) {
    return invalid("\"timestamp\" is not in the range 0 to ", kMaxTraceMs, " ms");
  }
  return ms;
}

Result<std::vector<std::uint64_t>> block_ids(const Json& object, int input_tokens) {
  const JsonFields fields(object);
  REDKNOT_TRY(const Json* list, fields.required("hash_ids"));
  if (!list->is_array()) return fields.wrong_type("hash_ids", "an array");
  const auto wanted =
      static_cast<std::size_t>((input_tokens + kTraceBlockTokens - 1) / kTraceBlockTokens);
  if (list->size() != wanted) {
    return invalid("\"hash_ids\" has ", list->size(), " entries, but ", input_tokens,
                   " tokens are ", wanted, " blocks of ", kTraceBlockTokens);
  }
  std::vector<std::uint64_t> ids;
  ids.reserve(wanted);
  for (const Json& id : *list) {
    if (!id.is_number_unsigned()) {
      return invalid("\"hash_ids\"[", ids.size(), "] is not a whole number from 0");
    }
    ids.push_back(id.get<std::uint64_t>());
  }
  return ids;
}

Result<TraceRequest> parse_request(const Json& object) {
  TraceRequest out;
  REDKNOT_TRY(out.timestamp_ms, timestamp(object));
  REDKNOT_TRY(out.input_tokens, token_count(object, "input_length"));
  REDKNOT_TRY(out.output_tokens, token_count(object, "output_length"));
  REDKNOT_TRY(out.blocks, block_ids(object, out.input_tokens));
  return out;
}

}  // namespace

Result<std::vector<TraceRequest>> parse_trace(std::string_view text) {
  REDKNOT_TRY(std::vector<TraceRequest> out, parse_lines<TraceRequest>(text, parse_request));
  std::stable_sort(out.begin(), out.end(), [](const TraceRequest& a, const TraceRequest& b) {
    return a.timestamp_ms < b.timestamp_ms;
  });
  return out;
}

Result<std::vector<TraceRequest>> read_trace(const std::filesystem::path& path) {
  REDKNOT_TRY(const std::string text, read_file(path, kMaxTraceBytes));
  auto requests = parse_trace(text);
  if (!requests.ok()) return requests.error().within(concat("read ", path));
  return requests;
}

}  // namespace redknot::load
