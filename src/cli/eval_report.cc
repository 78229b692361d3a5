// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_report.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/output.h"

namespace redknot::cli {
namespace {

using Json = nlohmann::ordered_json;
using eval::Row;

std::string exact_match_cell(const Row& row) {
  return format("%5.1f [%5.1f, %5.1f]", row.exact_match * 100, row.exact_match_interval.low * 100,
                row.exact_match_interval.high * 100);
}

std::string f1_cell(const Row& row) { return format("%5.1f", row.f1 * 100); }

// Rows of a kind follow each other; kinds keep their order, lengths ascend.
std::string table(const std::vector<Row>& rows, int cell_columns,
                  const std::function<std::string(const Row&)>& cell) {
  std::size_t kind_columns = 0;
  std::set<int> lengths;
  for (const Row& row : rows) {
    kind_columns = std::max(kind_columns, row.kind.size());
    lengths.insert(row.context_tokens);
  }
  std::string out(kind_columns, ' ');
  for (const int length : lengths) out += format("  %*d", cell_columns, length);
  const std::string* kind = nullptr;
  for (const Row& row : rows) {
    if (kind == nullptr || *kind != row.kind) {
      out += "\n" + row.kind + std::string(kind_columns - row.kind.size(), ' ');
    }
    kind = &row.kind;
    out += format("  %*s", cell_columns, cell(row).c_str());
  }
  return out + "\n";
}

}  // namespace

std::string report_text(const EvalReport& report) {
  const char* const length =
      report.suite == "qa" ? "tokens of documents" : "longest prompt, tokens";
  std::string out = format(
      "%s: suite %s, n = %d, seed %llu, %s KV, dense attention, %s prompts\n", report.model.c_str(),
      report.suite.c_str(), report.rows.empty() ? 0 : report.rows.front().n,
      static_cast<unsigned long long>(report.seed), report.kv.c_str(), report.prompts.c_str());
  if (report.skipped)
    out += format("lines skipped because they are too long: %d\n", *report.skipped);
  out += format("\nExact match in percent [95 %% interval], by %s:\n", length);
  out += table(report.rows, 20, exact_match_cell);
  out += format("\nF1 in percent, by %s:\n", length);
  return out + table(report.rows, 6, f1_cell);
}

std::string report_json(const EvalReport& report) {
  Json rows = Json::array();
  for (const Row& row : report.rows) {
    rows.push_back({{"arm", row.arm},
                    {"kind", row.kind},
                    {"context_tokens", row.context_tokens},
                    {"n", row.n},
                    {"exact_match", row.exact_match},
                    {"f1", row.f1},
                    {"ci95", {row.exact_match_interval.low, row.exact_match_interval.high}}});
    if (report.skipped) rows.back()["skipped"] = *report.skipped;
  }
  const Json out = {{"suite", report.suite},
                    {"model", report.model},
                    {"seed", report.seed},
                    {"rows", std::move(rows)}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace redknot::cli
