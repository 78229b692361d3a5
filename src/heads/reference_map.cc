// SPDX-License-Identifier: Apache-2.0
#include "heads/reference_map.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json_fields.h"

namespace redknot {
namespace {

using Json = nlohmann::ordered_json;
using Fields = JsonFields<Json>;

constexpr std::int64_t kMost = 1 << 16;  // layers, KV heads
constexpr std::int64_t kMostDistance = 1 << 30;
constexpr int kStandardSink = 4;

constexpr std::array<std::string_view, 5> kLocalNames = {"local", "local_full", "limited",
                                                         "streaming", "sink_dominant"};
constexpr std::array<std::string_view, 3> kGlobalNames = {"global", "retrieval", "dense"};

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// One [layers][KV heads] field.
class Table {
 public:
  static Result<Table> open(const Fields& root, const char* name, std::int64_t layers) {
    REDKNOT_TRY(const Json* rows, root.list(name, kMost));
    if (static_cast<std::int64_t>(rows->size()) != layers) {
      return invalid(root.at(name), " has ", rows->size(), " rows, not ", layers);
    }
    return Table(rows, root.at(name));
  }

  Result<const Json*> at(std::int64_t layer, std::int64_t kv_head, std::int64_t kv_heads) const {
    const Json& row = (*rows_)[static_cast<std::size_t>(layer)];
    if (!row.is_array() || static_cast<std::int64_t>(row.size()) != kv_heads) {
      return invalid(name_, "[", layer, "] is not a list of ", kv_heads, " entries");
    }
    return &row[static_cast<std::size_t>(kv_head)];
  }
  Result<int> tokens(std::int64_t layer, std::int64_t kv_head, std::int64_t kv_heads,
                     std::int64_t least) const {
    REDKNOT_TRY(const Json* entry, at(layer, kv_head, kv_heads));
    const bool fits = entry->is_number_integer() && *entry >= least && *entry <= kMostDistance;
    if (fits) return entry->get<int>();
    return invalid(name_, "[", layer, "][", kv_head, "] is not an integer in ", least, "..",
                   kMostDistance);
  }
  Result<bool> is_local(std::int64_t layer, std::int64_t kv_head, std::int64_t kv_heads) const {
    REDKNOT_TRY(const Json* entry, at(layer, kv_head, kv_heads));
    const std::string name = entry->is_string() ? entry->get<std::string>() : std::string();
    if (contains(kLocalNames, name)) return true;
    if (contains(kGlobalNames, name)) return false;
    return invalid(name_, "[", layer, "][", kv_head, "] is ",
                   entry->dump(-1, ' ', true, Json::error_handler_t::replace),
                   ", no class of heads");
  }
  std::size_t row_size() const {
    return rows_->empty() || !rows_->front().is_array() ? 0 : rows_->front().size();
  }

 private:
  Table(const Json* rows, std::string name) : rows_(rows), name_(std::move(name)) {}
  const Json* rows_;
  std::string name_;
};

Result<HeadProfile> parse_map(const Fields& root) {
  REDKNOT_TRY(const std::int64_t layers, root.integer("num_layers", 1, kMost));
  REDKNOT_TRY(const Table classes, Table::open(root, "kv_head_classification", layers));
  REDKNOT_TRY(const Table windows, Table::open(root, "kv_head_max_distance", layers));
  auto kv_heads = static_cast<std::int64_t>(classes.row_size());
  if (root.has("num_kv_heads")) {
    REDKNOT_TRY(kv_heads, root.integer("num_kv_heads", 1, kMost));
  }
  std::int64_t dense_layers = 0;
  if (root.has("dense_prefix_layers")) {
    REDKNOT_TRY(dense_layers, root.integer("dense_prefix_layers", 0, kMost));
  }
  std::optional<Table> sinks;
  if (root.has("kv_head_sink_size")) {
    REDKNOT_TRY(sinks, Table::open(root, "kv_head_sink_size", layers));
  }
  HeadProfile profile{static_cast<int>(layers), static_cast<int>(kv_heads), {}};
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    for (std::int64_t head = 0; head < kv_heads; ++head) {
      HeadPolicy& policy = profile.policies.emplace_back();
      REDKNOT_TRY(const bool local, classes.is_local(layer, head, kv_heads));
      if (!local || layer < dense_layers) continue;
      policy.head_class = HeadClass::kLocal;
      policy.sink_tokens = kStandardSink;
      REDKNOT_TRY(policy.window_tokens, windows.tokens(layer, head, kv_heads, 1));
      if (!sinks) continue;
      REDKNOT_TRY(policy.sink_tokens, sinks->tokens(layer, head, kv_heads, 0));
    }
  }
  return profile;
}

}  // namespace

Result<HeadProfile> parse_reference_map(std::string_view json) {
  const Json root = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return invalid("it is not a JSON object");
  return parse_map(Fields(root));
}

}  // namespace redknot
