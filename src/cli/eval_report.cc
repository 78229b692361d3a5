// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_report.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
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

std::string partial_cell(const Row& row) { return format("%5.1f", row.partial * 100); }

std::string contains_cell(const Row& row) { return format("%5.1f", row.contains * 100); }

std::string gold_cell(const Row& row) {
  return row.gold_log_probability ? format("%7.3f", *row.gold_log_probability) : "-";
}

// "f1", or what the rows' kinds are scored by.
std::string measures_of(const std::vector<Row>& rows) {
  std::set<std::string> names;
  for (const Row& row : rows) names.insert(row.measure);
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

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

std::string difference_cell(const Row& row) {
  const eval::AgainstDense& against = *row.against_dense;
  return format("%+5.1f [%+5.1f, %+5.1f]", against.exact_match * 100,
                against.exact_match_interval.low * 100, against.exact_match_interval.high * 100);
}

std::string gold_difference_cell(const Row& row) {
  const auto& gold = row.against_dense->gold_log_probability;
  if (!gold) return "-";
  return format("%+.3f [%+.3f, %+.3f]", gold->against_dense, gold->against_dense_interval.low,
                gold->against_dense_interval.high);
}

std::string agreement_cell(const Row& row) {
  return format("%5.1f", row.against_dense->agreement * 100);
}

// Each arm's rows, in their order.
std::vector<std::vector<Row>> by_arm(const std::vector<Row>& rows) {
  std::vector<std::vector<Row>> arms;
  for (const Row& row : rows) {
    if (arms.empty() || arms.back().front().arm != row.arm) arms.emplace_back();
    arms.back().push_back(row);
  }
  return arms;
}

// The share of an arm's answers that are those of dense attention; nothing without questions.
std::optional<double> agreement(const std::vector<Row>& rows, const std::string& arm) {
  double same = 0;
  int questions = 0;
  for (const Row& row : rows) {
    if (row.arm != arm || !row.against_dense) continue;
    same += row.against_dense->agreement * row.n;
    questions += row.n;
  }
  if (questions == 0) return std::nullopt;
  return same / questions;
}

// Questions of all kinds and lengths that an arm answers rightly, more than dense attention does.
struct Accuracy {
  double more = 0;
  eval::Interval interval{};
};

// Nothing without questions.
std::optional<Accuracy> accuracy(const EvalReport& report, const std::string& arm) {
  std::vector<double> more;
  double sum = 0;
  for (const Row& row : report.rows) {
    if (row.arm != arm || !row.against_dense) continue;
    for (const double one : row.against_dense->more) {
      more.push_back(one);
      sum += one;
    }
  }
  const auto interval = eval::bootstrap_mean(more, report.seed);
  if (!interval) return std::nullopt;
  return Accuracy{.more = sum / static_cast<double>(more.size()), .interval = *interval};
}

std::string answers_text(const EvalReport& report) {
  const char* const length =
      report.suite == "qa" ? "tokens of documents" : "longest prompt, tokens";
  std::string out;
  for (const std::vector<Row>& rows : by_arm(report.rows)) {
    if (!rows.front().against_dense) {
      out += format("\nExact match in percent [95 %% interval], by %s:\n", length);
      out += table(rows, 20, exact_match_cell);
      out += format("\nPartly right in percent (%s), by %s:\n", measures_of(rows).c_str(), length);
      out += table(rows, 6, partial_cell);
      out += format("\nAnswers that contain the expected one in percent, by %s:\n", length);
      out += table(rows, 6, contains_cell);
      out += format("\nExpected answer, nats a token, by %s:\n", length);
      out += table(rows, 8, gold_cell);
      continue;
    }
    out += format("\n%s: exact match, points more than dense [95 %% interval]:\n",
                  rows.front().arm.c_str());
    out += table(rows, 22, difference_cell);
    const Accuracy all = accuracy(report, rows.front().arm).value();
    out += format("all together: %+.2f [%+.2f, %+.2f]\n", 100 * all.more, 100 * all.interval.low,
                  100 * all.interval.high);
    out += format("\n%s: answers that are those of dense, in percent:\n", rows.front().arm.c_str());
    out += table(rows, 6, agreement_cell);
    out += format("\n%s: expected answer, nats a token more than dense [95 %% interval]:\n",
                  rows.front().arm.c_str());
    out += table(rows, 22, gold_difference_cell);
  }
  return out;
}

std::string divergences_text(const EvalReport& report) {
  const Divergences& found = *report.divergences;
  std::size_t columns = 3;
  for (const ArmDivergence& arm : found.arms) columns = std::max(columns, arm.arm.size());
  std::string out = format(
      "\nAgainst dense f16, %lld positions of %d sequences; dense perplexity %.3f:\n"
      "%-*s  KV bytes of dense   KL mean [95 %% interval]       99 %%   99.9 %%  same top  "
      "perplexity  same answers\n",
      static_cast<long long>(found.arms.front().divergence.positions), found.sequences,
      found.dense_perplexity, static_cast<int>(columns), "arm");
  for (const ArmDivergence& arm : found.arms) {
    const Divergence& d = arm.divergence;
    const auto same = agreement(report.rows, arm.arm);
    out += format("%-*s  %15.1f %%  %.5f [%.5f, %.5f] %8.4f %8.4f  %6.2f %%  x %8.4f  %s\n",
                  static_cast<int>(columns), arm.arm.c_str(),
                  100 * static_cast<double>(arm.kv_bytes) / static_cast<double>(arm.kv_bytes_dense),
                  d.kl_mean, arm.kl_interval.low, arm.kl_interval.high, d.kl_p99, d.kl_p999,
                  100 * d.same_top1, d.perplexity_ratio,
                  same ? format("%8.2f %%", 100 * *same).c_str() : "         -");
  }
  return out;
}

Json arms_json(const EvalReport& report) {
  Json arms = Json::array();
  for (const ArmDivergence& arm : report.divergences->arms) {
    const Divergence& d = arm.divergence;
    const auto same = agreement(report.rows, arm.arm);
    const auto right = accuracy(report, arm.arm);
    const Json right_ci95 = right ? Json{right->interval.low, right->interval.high} : Json();
    arms.push_back({{"arm", arm.arm},
                    {"kl_mean", d.kl_mean},
                    {"kl_ci95", {arm.kl_interval.low, arm.kl_interval.high}},
                    {"kl_p99", d.kl_p99},
                    {"kl_p999", d.kl_p999},
                    {"same_top1", d.same_top1},
                    {"perplexity_ratio", d.perplexity_ratio},
                    {"greedy_agreement", same ? Json(*same) : Json()},
                    {"accuracy_difference", right ? Json(right->more) : Json()},
                    {"accuracy_difference_ci95", right_ci95},
                    {"positions", d.positions},
                    {"kv_bytes", arm.kv_bytes},
                    {"kv_bytes_read", arm.kv_bytes_read},
                    {"kv_bytes_dense", arm.kv_bytes_dense}});
  }
  return arms;
}

Json row_json(const Row& row) {
  Json out = {
      {"arm", row.arm},
      {"kind", row.kind},
      {"context_tokens", row.context_tokens},
      {"n", row.n},
      {"exact_match", row.exact_match},
      {row.measure, row.partial},
      {"contains", row.contains},
      {"gold_log_probability", row.gold_log_probability ? Json(*row.gold_log_probability) : Json()},
      {"ci95", {row.exact_match_interval.low, row.exact_match_interval.high}}};
  if (row.against_dense) {
    const eval::AgainstDense& against = *row.against_dense;
    out["difference"] = against.exact_match;
    out["difference_ci95"] = {against.exact_match_interval.low, against.exact_match_interval.high};
    out["agreement"] = against.agreement;
    if (const auto& gold = against.gold_log_probability) {
      out["gold_difference"] = gold->against_dense;
      out["gold_difference_ci95"] = {gold->against_dense_interval.low,
                                     gold->against_dense_interval.high};
    }
  }
  return out;
}

}  // namespace

std::string row_text(const Row& row) {
  std::string out =
      format("%s, %s, %d tokens: n %d, exact match %s, %s %.1f, contains %.1f", row.arm.c_str(),
             row.kind.c_str(), row.context_tokens, row.n, exact_match_cell(row).c_str(),
             row.measure.c_str(), 100 * row.partial, 100 * row.contains);
  if (row.gold_log_probability) out += format(", expected %.3f nats", *row.gold_log_probability);
  return out + "\n";
}

// "200"; "37 to 200" where some were not asked all, or files have fewer.
std::string counts_of(const std::vector<Row>& rows) {
  int least = rows.empty() ? 0 : rows.front().n, most = least;
  for (const Row& row : rows) {
    least = std::min(least, row.n);
    most = std::max(most, row.n);
  }
  return least == most ? format("%d", least) : format("%d to %d", least, most);
}

std::string report_text(const EvalReport& report) {
  std::string out = format(
      "\n%s: suite %s, n = %s, seed %llu, %s KV, dense attention, %s prompts\n",
      report.model.c_str(), report.suite.c_str(), counts_of(report.rows).c_str(),
      static_cast<unsigned long long>(report.seed), report.kv.c_str(), report.prompts.c_str());
  if (report.skipped) {
    out += format("lines skipped because they are too long: %d\n", *report.skipped);
  }
  out += answers_text(report);
  return report.divergences ? out + divergences_text(report) : out;
}

std::string report_json(const EvalReport& report) {
  Json rows = Json::array();
  for (const Row& row : report.rows) {
    rows.push_back(row_json(row));
    if (report.skipped) rows.back()["skipped"] = *report.skipped;
  }
  Json out = {{"suite", report.suite},
              {"model", report.model},
              {"seed", report.seed},
              {"rows", std::move(rows)}};
  if (report.divergences) {
    out["dense_perplexity"] = report.divergences->dense_perplexity;
    out["arms"] = arms_json(report);
  }
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace redknot::cli
