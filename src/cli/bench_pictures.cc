// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_pictures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_fields.h"
#include "cli/chart.h"
#include "cli/output.h"

namespace redknot::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxLoadBytes = std::size_t{1} << 30;
constexpr std::size_t kMaxAnswers = std::size_t{1} << 22;
constexpr const char* kColours[] = {"#6e7781", "#1f6feb", "#d1242f", "#2da44e"};

const char* colour_of(std::size_t line) { return kColours[line % std::size(kColours)]; }

const char* colour_of_kv(const std::string& kv) {
  if (kv == "f16") return "#1f6feb";
  if (kv == "q8") return "#d1242f";
  return kv == "f32" ? "#6e7781" : "#2da44e";
}

// 0, step, 2 * step, ... up to what holds the largest value, which `top` becomes.
std::vector<Panel::Tick> ticks_upto(double largest, double& top) {
  const double step = nice_step(largest);
  const int count = std::max(1, static_cast<int>(std::ceil(largest / step)));
  top = step * count;
  std::vector<Panel::Tick> out;
  for (int i = 0; i <= count; ++i) {
    out.push_back({static_cast<double>(i) / count, format("%g", i * step)});
  }
  return out;
}

// All that are of one test.
void draw_speeds(Svg& svg, double left, const std::vector<MeasuredSpeed>& speeds) {
  double fastest = 0, top = 0;
  int deepest = 1;
  std::map<int, Panel::Tick> depths;
  std::map<std::string, std::map<int, const MeasuredSpeed*>> by_kv;
  for (const MeasuredSpeed& speed : speeds) {
    fastest = std::max(fastest, speed.fastest);
    deepest = std::max(deepest, speed.depth);
    by_kv[speed.kv][speed.depth] = &speed;
  }
  for (const MeasuredSpeed& speed : speeds) {
    depths[speed.depth] = {static_cast<double>(speed.depth) / deepest, with_commas(speed.depth)};
  }
  std::vector<Panel::Tick> x_ticks;
  x_ticks.reserve(depths.size());
  for (const auto& [depth, tick] : depths) x_ticks.push_back(tick);
  Panel panel(svg, left);
  const MeasuredSpeed& first = speeds.front();
  const char* const title = first.decode ? "Decode of %d tokens" : "Prefill of %d tokens";
  const std::vector<Panel::Tick> y_ticks = ticks_upto(fastest, top);
  panel.axes(format(title, first.tokens) + ", tokens per second", "tokens in the KV cache before",
             x_ticks, y_ticks);
  std::vector<std::pair<std::string, const char*>> names;
  for (const auto& [kv, by_depth] : by_kv) {
    const char* const colour = colour_of_kv(kv);
    std::vector<Panel::Point> points;
    for (const auto& [depth, speed] : by_depth) {
      const double x = static_cast<double>(depth) / deepest;
      points.emplace_back(x, speed->median / top);
      panel.range(x, speed->slowest / top, speed->fastest / top, colour);
    }
    panel.line(points, colour, /*dots=*/true);
    names.emplace_back(kv + " KV", colour);
  }
  panel.names(names, /*below=*/true);
}

using NamedPoints = std::pair<std::string, std::map<int, double>>;  // speed by requests

std::vector<NamedPoints> speeds_of(const std::vector<NamedLoads>& lines) {
  std::vector<NamedPoints> out;
  for (const NamedLoads& line : lines) {
    std::map<int, std::vector<double>> runs;
    for (const ServedLoad& load : line.loads) {
      runs[load.requests].push_back(load.output_tokens_per_s);
    }
    NamedPoints& points = out.emplace_back(line.name, std::map<int, double>());
    for (const auto& [requests, speeds] : runs) points.second[requests] = median(speeds);
  }
  return out;
}

std::vector<std::pair<std::string, const char*>> names_of(const std::vector<NamedLoads>& lines) {
  std::vector<std::pair<std::string, const char*>> out;
  out.reserve(lines.size());
  for (const NamedLoads& line : lines) out.emplace_back(line.name, colour_of(out.size()));
  return out;
}

void draw_throughput(Svg& svg, double left, const std::vector<NamedLoads>& lines) {
  const std::vector<NamedPoints> speeds = speeds_of(lines);
  double largest = 0, most = 2, top = 0;
  for (const auto& [name, points] : speeds) {
    for (const auto& [requests, speed] : points) {
      largest = std::max(largest, speed);
      most = std::max<double>(most, requests);
    }
  }
  const auto x_of = [most](int requests) {
    return std::log2(std::max(requests, 1)) / std::log2(most);
  };
  std::map<int, Panel::Tick> counts;
  for (const auto& [name, points] : speeds) {
    for (const auto& [requests, speed] : points) {
      counts[requests] = {x_of(requests), std::to_string(requests)};
    }
  }
  std::vector<Panel::Tick> x_ticks;
  x_ticks.reserve(counts.size());
  for (const auto& [requests, tick] : counts) x_ticks.push_back(tick);
  Panel panel(svg, left);
  const std::vector<Panel::Tick> y_ticks = ticks_upto(largest, top);
  panel.axes("Answers' tokens per second", "requests of a run", x_ticks, y_ticks);
  for (std::size_t i = 0; i < speeds.size(); ++i) {
    std::vector<Panel::Point> places;
    for (const auto& [requests, speed] : speeds[i].second) {
      places.emplace_back(x_of(requests), speed / top);
    }
    panel.line(places, colour_of(i), /*dots=*/true);
  }
  panel.names(names_of(lines), /*below=*/false);
}

void draw_first_tokens(Svg& svg, double left, const std::vector<NamedLoads>& lines) {
  std::vector<std::vector<double>> times;
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (const NamedLoads& line : lines) {
    std::vector<double>& all = times.emplace_back();
    for (const ServedLoad& load : line.loads) {
      for (const double ms : load.ttft_ms) all.push_back(std::max(ms, 1e-3));
    }
    std::sort(all.begin(), all.end());
    if (all.empty()) continue;
    least = std::min(least, all.front());
    most = std::max(most, all.back());
  }
  if (most == 0) return;
  const LogScale scale(least, most, 0, 1);
  std::vector<Panel::Tick> x_ticks, y_ticks;
  for (int power = scale.first(); power <= scale.last(); ++power) {
    const double ms = std::pow(10, power);
    x_ticks.push_back({scale.at(ms), format("%g", ms / 1000)});
  }
  for (int i = 0; i <= 4; ++i) y_ticks.push_back({i / 4.0, format("%d %%", 25 * i)});
  Panel panel(svg, left);
  panel.axes("Requests with their first token within", "seconds", x_ticks, y_ticks);
  for (std::size_t i = 0; i < times.size(); ++i) {
    std::vector<Panel::Point> points;
    const auto count = static_cast<double>(times[i].size());
    for (const double ms : times[i]) {
      points.emplace_back(scale.at(ms), static_cast<double>(points.size() + 1) / count);
    }
    panel.line(points, colour_of(i), /*dots=*/false);
  }
  panel.names(names_of(lines), /*below=*/false);
}

Result<ServedLoad> parse_load(std::string_view text) {
  const Json root = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return invalid("it is not a JSON object");
  const JsonFields fields(root);
  REDKNOT_TRY(const std::int64_t requests, fields.integer("requests", 1, kMaxAnswers));
  ServedLoad out{.requests = static_cast<int>(requests)};
  REDKNOT_TRY(out.output_tokens_per_s, fields.number("output_tokens_per_s"));
  REDKNOT_TRY(const Json* answers, fields.list("answers", kMaxAnswers));
  for (const Json& answer : *answers) {
    if (const Json& ms = member_of(answer, "ttft_ms"); ms.is_number()) {
      out.ttft_ms.push_back(ms.get<double>());
    }
  }
  return out;
}

}  // namespace

std::string speed_picture(const std::vector<MeasuredSpeed>& speeds) {
  std::map<std::pair<bool, int>, std::vector<MeasuredSpeed>> tests;
  for (const MeasuredSpeed& speed : speeds) {
    tests[{speed.decode, speed.tokens}].push_back(speed);
  }
  Svg svg(Panel::kWidth * static_cast<double>(tests.size()), Panel::kHeight);
  double left = 0;
  for (const auto& [test, its_speeds] : tests) {
    draw_speeds(svg, left, its_speeds);
    left += Panel::kWidth;
  }
  return std::move(svg).finish();
}

Result<ServedLoad> read_served_load(const std::filesystem::path& path) {
  REDKNOT_TRY(const std::string text, read_file(path, kMaxLoadBytes));
  auto load = parse_load(text);
  if (!load.ok()) return load.error().within(concat("read ", path));
  return load;
}

std::string serving_picture(const std::vector<NamedLoads>& lines) {
  Svg svg(2 * Panel::kWidth, Panel::kHeight);
  draw_throughput(svg, 0, lines);
  draw_first_tokens(svg, Panel::kWidth, lines);
  return std::move(svg).finish();
}

}  // namespace redknot::cli
