// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/bench_rag_command.h"
#include "cli/output.h"
#include "cli/svg.h"

namespace redknot::cli {
namespace {

using Json = nlohmann::ordered_json;
using eval::PairedMean;
using eval::RagRow;

bool has_answers(const std::vector<RagRow>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const RagRow& row) { return row.kind != "all"; });
}

std::string arm_name(const std::string& arm, double ratio, bool is_default) {
  if (is_default) return arm + ", default";
  return ratio > 0 ? format("%s %g %%", arm.c_str(), 100 * ratio) : arm;
}

std::string arm_name(const RagRow& row) { return arm_name(row.arm, row.ratio, row.is_default); }

// "78.0 %", and "+0.3 [-0.8, +1.4]" points against dense.
std::string percent_cells(const PairedMean& found) {
  return format(" %.1f %% | %+.1f [%+.1f, %+.1f] |", 100 * found.mean, 100 * found.against_dense,
                100 * found.against_dense_interval.low, 100 * found.against_dense_interval.high);
}

std::string nats_cells(const std::optional<PairedMean>& found) {
  if (!found) return " - | - |";
  return format(" %.3f | %+.3f [%+.3f, %+.3f] |", found->mean, found->against_dense,
                found->against_dense_interval.low, found->against_dense_interval.high);
}

Json paired_json(const PairedMean& found) {
  return {{"mean", found.mean},
          {"ci95", {found.interval.low, found.interval.high}},
          {"against_dense", found.against_dense},
          {"against_dense_ci95",
           {found.against_dense_interval.low, found.against_dense_interval.high}}};
}

struct Line {
  const char* arm;
  const char* colour;
};
constexpr std::array<Line, 8> kLines = {{{"dense", "#24292f"},
                                         {"prefix", "#57606a"},
                                         {kNoiseArm, "#8c959f"},
                                         {"none", "#cf222e"},
                                         {"boundary", "#9a6700"},
                                         {"deviation", "#8250df"},
                                         {"elastic", "#2da44e"},
                                         {"knot", "#0969da"}}};

// Where a row stands in the picture.
class Axes {
 public:
  explicit Axes(const std::vector<RagRow>& rows) : answers_(has_answers(rows)) {
    for (const RagRow& row : rows) {
      if (row.kind != "all") continue;
      least_x_ = std::min(least_x_, std::log10(row.ttft_p50_s));
      most_x_ = std::max(most_x_, std::log10(row.ttft_p50_s));
      least_y_ = std::min(least_y_, value(row));
      most_y_ = std::max(most_y_, value(row));
    }
    const double x_margin = std::max(0.05, (most_x_ - least_x_) * 0.08);
    const double y_margin = std::max(1e-6, (most_y_ - least_y_) * 0.08);
    least_x_ -= x_margin;
    most_x_ += x_margin;
    least_y_ -= y_margin;
    most_y_ += y_margin;
  }
  double value(const RagRow& row) const {
    return answers_ ? 100 * row.exact_match.mean : row.kl_mean;
  }
  const char* name() const { return answers_ ? "answers right, %" : "KL to dense, nats a token"; }
  double x(double seconds) const {
    return kLeft + (std::log10(seconds) - least_x_) / (most_x_ - least_x_) * kWidth;
  }
  double y(double value) const { return kTop + (most_y_ - value) / (most_y_ - least_y_) * kHeight; }
  double least_x() const { return std::pow(10, least_x_); }
  double most_x() const { return std::pow(10, most_x_); }
  double least_y() const { return least_y_; }
  double most_y() const { return most_y_; }

  static constexpr double kLeft = 60, kTop = 20, kWidth = 460, kHeight = 280;

 private:
  bool answers_;
  double least_x_ = 1e9, most_x_ = -1e9, least_y_ = 1e9, most_y_ = -1e9;
};

void draw_axes(Svg& svg, const Axes& axes) {
  const double bottom = Axes::kTop + Axes::kHeight;
  for (int tick = 0; tick <= 4; ++tick) {
    const double value = axes.least_y() + (axes.most_y() - axes.least_y()) * tick / 4;
    svg.line(Axes::kLeft, axes.y(value), Axes::kLeft + Axes::kWidth, axes.y(value), "#d0d7de");
    svg.text(Axes::kLeft - 6, axes.y(value) + 4, format("%.3g", value), {.anchor = "end"});
  }
  for (int decade = -4; decade < 5; ++decade) {
    for (const int digit : {1, 2, 5}) {
      const double seconds = digit * std::pow(10, decade);
      if (seconds < axes.least_x() || seconds > axes.most_x()) continue;
      svg.line(axes.x(seconds), Axes::kTop, axes.x(seconds), bottom, "#eaeef2");
      svg.text(axes.x(seconds), bottom + 16, format("%g s", seconds), {.anchor = "middle"});
    }
  }
  svg.text(Axes::kLeft + Axes::kWidth / 2, bottom + 36, "time to first token, median",
           {.anchor = "middle"});
  svg.text(14, Axes::kTop + Axes::kHeight / 2, axes.name(), {.anchor = "middle", .upwards = true});
}

}  // namespace

std::string rag_heading() {
  return "| kind | arm | n | TTFT p50 | right | against dense | partly | against dense | contains "
         "| against dense | expected, nats | against dense | KL | same top-1 |\n"
         "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
}

std::string rag_rows(const std::vector<RagRow>& rows) {
  std::string out;
  for (const RagRow& row : rows) {
    out += format("| %s | %s | %d | %.3f s |", row.kind.c_str(), arm_name(row).c_str(), row.n,
                  row.ttft_p50_s) +
           percent_cells(row.exact_match) + percent_cells(row.partial) +
           percent_cells(row.contains) + nats_cells(row.gold_log_probability) +
           format(" %.4f | %.3f |\n", row.kl_mean, row.same_top1);
  }
  return out;
}

std::string rag_costs(const std::vector<RagRow>& rows) {
  if (rows.empty()) return {};
  std::string out =
      "\n| arm | n | recovered tokens | computed again | TTFT p50 | p95 | dense / arm | GFLOP | "
      "private KV | shared KV | KL | same top-1 |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  const double dense = rows.front().ttft_p50_s;
  for (const RagRow& row : rows) {
    out += format(
        "| %s | %d | %.0f | %.1f %% | %.3f s | %.3f s | %.1f | %.2f | %s | %s | %.4f | "
        "%.3f |\n",
        arm_name(row).c_str(), row.n, row.recovered_tokens, 100 * row.recomputed, row.ttft_p50_s,
        row.ttft_p95_s, dense / row.ttft_p50_s, row.flops / 1e9,
        human_bytes(static_cast<std::size_t>(row.kv_private_bytes)).c_str(),
        human_bytes(static_cast<std::size_t>(row.kv_shared_bytes)).c_str(), row.kl_mean,
        row.same_top1);
  }
  return out;
}

std::string rag_sample_json(const eval::RagArm& arm, const eval::RagSample& sample, int prompt) {
  const Json out = {{"kind", sample.kind},
                    {"prompt", prompt},
                    {"arm", arm_name(arm.name, arm.ratio, arm.is_default)},
                    {"prompt_tokens", sample.usage.prompt_tokens},
                    {"recovered_tokens", sample.usage.recovered_tokens},
                    {"ttft_s", sample.ttft_s},
                    {"exact_match", sample.score.exact_match},
                    {std::string(name_of(sample.scoring)), sample.score.partial},
                    {"contains", sample.score.contains},
                    {"gold_log_probability",
                     sample.gold_log_probability ? Json(*sample.gold_log_probability) : Json()},
                    {"kl_mean", sample.kl_sum / std::max(1, sample.tokens)},
                    {"answer", sample.answer}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string rag_json(const std::vector<RagRow>& rows, const BenchRagOptions& options,
                     const Engine& engine) {
  const bool answers = has_answers(rows);
  Json list = Json::array();
  for (const RagRow& row : rows) {
    Json one = {{"arm", row.arm},
                {"kind", row.kind},
                {"ratio", row.ratio},
                {"default", row.is_default},
                {"recomputed", row.recomputed},
                {"ttft_p50_s", row.ttft_p50_s},
                {"ttft_p95_s", row.ttft_p95_s},
                {"flops", row.flops},
                {"kv_private_bytes", row.kv_private_bytes},
                {"kv_shared_bytes", row.kv_shared_bytes},
                {"hit_rate", row.hit_rate},
                {"kl_mean", row.kl_mean},
                {"same_top1", row.same_top1}};
    const PairedMean& right = row.exact_match;
    one["exact_match"] = answers ? Json(right.mean) : Json();
    one["ci95"] = answers ? Json({right.interval.low, right.interval.high}) : Json();
    one["against_dense"] = answers ? Json(right.against_dense) : Json();
    one["against_dense_ci95"] =
        answers ? Json({right.against_dense_interval.low, right.against_dense_interval.high})
                : Json();
    if (answers) {
      one[row.measure] = paired_json(row.partial);
      one["contains"] = paired_json(row.contains);
      one["gold_log_probability"] =
          row.gold_log_probability ? paired_json(*row.gold_log_probability) : Json();
    }
    one["recovered_tokens"] = row.recovered_tokens;
    one["n"] = row.n;
    list.push_back(std::move(one));
  }
  const Stats stats = engine.stats();
  const Json out = {{"model", engine.model().name},
                    {"documents", options.documents},
                    {"length", options.length},
                    {"new", options.new_rate},
                    {"text", options.text},
                    {"canonical", options.canonical},
                    {"questions", options.question_files},
                    {"seed", options.seed},
                    {"page_tokens", options.page_tokens},
                    {"threads", stats.threads},
                    {"kernels", stats.kernels},
                    {"rows", std::move(list)}};
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string rag_picture(const std::vector<RagRow>& rows) {
  Svg svg(680, 350);
  const Axes axes(rows);
  draw_axes(svg, axes);
  double legend = Axes::kTop + 10;
  for (const Line& line : kLines) {
    const RagRow* last = nullptr;
    for (const RagRow& row : rows) {
      if (row.kind != "all" || row.arm != line.arm) continue;
      const double x = axes.x(row.ttft_p50_s), y = axes.y(axes.value(row));
      if (row.is_default) {
        svg.circle(x, y, 7, line.colour, arm_name(row));
        continue;
      }
      if (last != nullptr) {
        svg.line(axes.x(last->ttft_p50_s), axes.y(axes.value(*last)), x, y, line.colour);
      }
      svg.circle(x, y, 4, line.colour, arm_name(row));
      last = &row;
    }
    if (last == nullptr) continue;
    svg.circle(Axes::kLeft + Axes::kWidth + 24, legend - 4, 4, line.colour);
    svg.text(Axes::kLeft + Axes::kWidth + 34, legend, line.arm);
    legend += 18;
  }
  return std::move(svg).finish();
}

}  // namespace redknot::cli
