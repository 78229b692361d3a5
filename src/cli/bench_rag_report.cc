// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/bench_rag_command.h"
#include "cli/output.h"
#include "cli/svg.h"

namespace redknot::cli {
namespace {

using Json = nlohmann::ordered_json;
using eval::RagRow;

bool has_answers(const std::vector<RagRow>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const RagRow& row) { return row.kind != "all"; });
}

std::string arm_name(const RagRow& row) {
  if (row.is_default) return row.arm + ", default";
  return row.ratio > 0 ? format("%s %g %%", row.arm.c_str(), 100 * row.ratio) : row.arm;
}

struct Line {
  const char* arm;
  const char* colour;
};
constexpr std::array<Line, 7> kLines = {{{"dense", "#24292f"},
                                         {"prefix", "#57606a"},
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
  double value(const RagRow& row) const { return answers_ ? 100 * row.exact_match : row.kl_mean; }
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

std::string rag_table(const std::vector<RagRow>& rows) {
  const bool answers = has_answers(rows);
  double dense = 0;
  for (const RagRow& row : rows) {
    if (row.kind == "all" && row.arm == "dense") dense = row.ttft_p50_s;
  }
  std::string out =
      "| arm | computed again | TTFT p50 | p95 | dense / arm | GFLOP | private KV | shared KV | "
      "KL | same top-1 |";
  out += answers ? " right | against dense |\n" : "\n";
  out += "|---|---|---|---|---|---|---|---|---|---|";
  out += answers ? "---|---|\n" : "\n";
  for (const RagRow& row : rows) {
    if (row.kind != "all") continue;
    out += format("| %s | %.1f %% | %.3f s | %.3f s | %.1f | %.2f | %s | %s | %.4f | %.3f |",
                  arm_name(row).c_str(), 100 * row.recomputed, row.ttft_p50_s, row.ttft_p95_s,
                  dense / row.ttft_p50_s, row.flops / 1e9,
                  human_bytes(static_cast<std::size_t>(row.kv_private_bytes)).c_str(),
                  human_bytes(static_cast<std::size_t>(row.kv_shared_bytes)).c_str(), row.kl_mean,
                  row.same_top1);
    if (answers) {
      out += format(" %.1f %% | %+.1f [%+.1f, %+.1f] |", 100 * row.exact_match,
                    100 * row.against_dense, 100 * row.against_dense_interval.low,
                    100 * row.against_dense_interval.high);
    }
    out += "\n";
  }
  if (!answers) return out;
  out +=
      "\n| arm | kind | n | right | against dense | KL | same top-1 "
      "|\n|---|---|---|---|---|---|---|\n";
  for (const RagRow& row : rows) {
    if (row.kind == "all") continue;
    out += format("| %s | %s | %d | %.1f %% [%.1f, %.1f] | %+.1f [%+.1f, %+.1f] | %.4f | %.3f |\n",
                  arm_name(row).c_str(), row.kind.c_str(), row.n, 100 * row.exact_match,
                  100 * row.exact_match_interval.low, 100 * row.exact_match_interval.high,
                  100 * row.against_dense, 100 * row.against_dense_interval.low,
                  100 * row.against_dense_interval.high, row.kl_mean, row.same_top1);
  }
  return out;
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
    one["exact_match"] = answers ? Json(row.exact_match) : Json();
    one["ci95"] =
        answers ? Json({row.exact_match_interval.low, row.exact_match_interval.high}) : Json();
    one["against_dense"] = answers ? Json(row.against_dense) : Json();
    one["against_dense_ci95"] =
        answers ? Json({row.against_dense_interval.low, row.against_dense_interval.high}) : Json();
    one["n"] = row.n;
    list.push_back(std::move(one));
  }
  const Stats stats = engine.stats();
  const Json out = {{"model", engine.model().name}, {"documents", options.documents},
                    {"length", options.length},     {"new", options.new_rate},
                    {"text", options.text},         {"canonical", options.canonical},
                    {"seed", options.seed},         {"page_tokens", options.page_tokens},
                    {"threads", stats.threads},     {"kernels", stats.kernels},
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
