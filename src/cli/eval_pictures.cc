// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_pictures.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <system_error>

#include "cli/chart.h"
#include "cli/output.h"
#include "cli/replaced_file.h"
#include "cli/svg.h"
#include "profiler/attention_mass.h"

namespace redknot::cli {
namespace {

constexpr const char* kGlobalColour = "#0a3069";
constexpr const char* kRetrievalColour = "#8250df";
constexpr const char* kLocalColour = "#2da44e";

const char* colour_of(const HeadPolicy& policy) {
  switch (policy.head_class) {
    case HeadClass::kGlobal:
      return kGlobalColour;
    case HeadClass::kRetrieval:
      return kRetrievalColour;
    case HeadClass::kLocal:
      break;
  }
  return kLocalColour;
}

// The smaller a window, the paler: 16 tokens and fewer to 4,096 and more.
double opacity_of(const HeadPolicy& policy) {
  if (policy.head_class != HeadClass::kLocal) return 1;
  return std::clamp((std::log2(policy.window_tokens) - 3) / 9, 0.1, 1.0);
}

std::string words_of(const HeadPolicy& policy) {
  std::string out(name(policy.head_class));
  if (policy.head_class != HeadClass::kGlobal) {
    out += format(" %d+%d", policy.sink_tokens, policy.window_tokens);
  }
  if (policy.top_pages > 0) out += format(", %d pages", policy.top_pages);
  return out + ", " + std::string(name(policy.kv_format));
}

std::string head_name(const HeadProfile& profile, std::size_t head) {
  const int index = static_cast<int>(head);
  return format("layer %d, KV head %d", index / profile.kv_heads, index % profile.kv_heads);
}

// One profile's grid: a row a layer, a column a KV head; a white dot for 8-bit pages.
void draw_map(Svg& svg, const NamedProfile& profile, double left, double top, double cell) {
  const HeadProfile& heads = profile.file.profile;
  svg.text(left, top - 24, profile.arm, {.size = 13, .colour = kInk});
  for (std::size_t i = 0; i < heads.policies.size(); ++i) {
    const HeadPolicy& policy = heads.policies[i];
    const double x = left + cell * static_cast<double>(static_cast<int>(i) % heads.kv_heads);
    const double y = top + cell * static_cast<double>(static_cast<int>(i) / heads.kv_heads);
    const std::string title = head_name(heads, i) + ": " + words_of(policy);
    svg.rect(x, y, cell - 1, cell - 1, colour_of(policy), opacity_of(policy), title);
    if (key_element(policy.kv_format) == KvElement::kInt8) {
      svg.circle(x + cell / 2, y + cell / 2, cell / 8, "white", title);
    }
  }
}

void draw_legend(Svg& svg, double left, double y) {
  struct Entry {
    const char *colour, *words;
    double opacity;
  };
  constexpr Entry kEntries[] = {{kGlobalColour, "global", 1},
                                {kRetrievalColour, "retrieval", 1},
                                {kLocalColour, "local, window of 1024", 7.0 / 9},
                                {kLocalColour, "local, window of 64", 3.0 / 9}};
  for (const Entry& entry : kEntries) {
    svg.rect(left, y, 12, 12, entry.colour, entry.opacity);
    svg.text(left + 17, y + 10, entry.words);
    y += 18;
  }
  svg.rect(left, y, 12, 12, "#8c959f");
  svg.circle(left + 6, y + 6, 2.5, "white");
  svg.text(left + 17, y + 10, "8-bit pages");
}

double percent(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

// Where a point with no divergence at all is drawn: on the lowest line.
LogScale kl_scale(const Divergences& found, const std::vector<NamedProfile>& profiles, double low,
                  double high) {
  double least = 1e-3, most = 1e-2;
  const auto take = [&](double kl) {
    if (!(kl > 0) || !std::isfinite(kl)) return;
    least = std::min(least, std::max(kl, 1e-8));
    most = std::max(most, kl);
  };
  for (const ArmDivergence& arm : found.arms) take(arm.divergence.kl_mean);
  for (const NamedProfile& profile : profiles) {
    for (const ProfileTrial& trial : profile.file.curve) take(trial.divergence.kl_mean);
  }
  return {least, most, low, high};
}

// The plane of KL against bytes.
class TradeOff {
 public:
  static constexpr double kLeft = 80, kRight = 700, kTop = 48, kBottom = 400;
  explicit TradeOff(const LogScale& scale) : scale_(scale) {}
  double x(double percent) const { return kLeft + percent / 105 * (kRight - kLeft); }
  // No divergence is drawn on the lowest line.
  double y(double kl) const { return scale_.at(std::max(kl, scale_.least())); }
  const LogScale& scale() const { return scale_; }

 private:
  LogScale scale_;
};

void draw_trade_off_axes(Svg& svg, const TradeOff& at) {
  constexpr double kLeft = TradeOff::kLeft, kRight = TradeOff::kRight;
  constexpr double kTop = TradeOff::kTop, kBottom = TradeOff::kBottom;
  svg.text(kLeft, 24, "Divergence from dense attention against KV bytes",
           {.size = 14, .colour = kInk});
  for (int power = at.scale().first(); power <= at.scale().last(); ++power) {
    const double y = at.y(std::pow(10, power));
    svg.line(kLeft, y, kRight, y, kRule);
    svg.text(kLeft - 8, y + 4, format("1e%d", power), {.anchor = "end"});
  }
  for (int share = 0; share <= 100; share += 20) {
    svg.line(at.x(share), kTop, at.x(share), kBottom, kRule);
    svg.text(at.x(share), kBottom + 18, format("%d %%", share), {.anchor = "middle"});
  }
  svg.text((kLeft + kRight) / 2, kBottom + 38, "KV bytes, of dense f16", {.anchor = "middle"});
  svg.text(24, (kTop + kBottom) / 2, "mean KL, nats a token",
           {.anchor = "middle", .upwards = true});
  svg.text(kLeft, kBottom + 64,
           "red: measured here, with 95 % intervals; grey: tried by the search, on its own text; "
           "no divergence: on the lowest line");
}

// Where things are in the picture of masses and effects.
struct MassLayout {
  explicit MassLayout(const NamedProfile& profile) {
    const std::vector<HeadEvidence>& heads = profile.file.heads;
    for (const HeadEvidence& head : heads) columns = std::max(columns, head.mass.size());
    row = std::clamp(900.0 / static_cast<double>(heads.size()), 6.0, 16.0);
    effects = left + cell * static_cast<double>(columns) + 30;
    bottom = top + row * static_cast<double>(heads.size());
  }
  LogScale scale() const { return {1e-5, 1, effects, effects + 220}; }

  std::size_t columns = 1;
  double row = 0, effects = 0, bottom = 0;
  double cell = 26, left = 64, top = 76;
};

void draw_mass_axes(Svg& svg, const NamedProfile& profile, const MassLayout& at) {
  svg.text(at.left, 22, "Attention mass by distance in tokens, from; darker: more (square root)",
           {.size = 13, .colour = kInk});
  svg.text(at.effects, 40, "KL when it loses what is far", {.size = 13, .colour = kInk});
  const std::vector<int> bins = distance_bins(profile.file.calibration->context_tokens);
  for (std::size_t i = 0; i < at.columns; ++i) {
    const std::string from = i < bins.size() ? std::to_string(bins[i]) : std::string();
    svg.text(at.left + at.cell * (static_cast<double>(i) + 0.65), at.top - 6,
             i == 0 ? "sink" : from, {.size = 9, .upwards = true});
  }
  const LogScale scale = at.scale();
  for (int power = scale.first(); power <= scale.last(); ++power) {
    const double x = scale.at(std::pow(10, power));
    svg.line(x, at.top, x, at.bottom, kRule);
    svg.text(x, at.top - 6, format("1e%d", power), {.anchor = "middle", .size = 9});
  }
}

// One head, at the height y.
void draw_mass_row(Svg& svg, const NamedProfile& profile, const MassLayout& at, std::size_t head,
                   double y) {
  const HeadProfile& policies = profile.file.profile;
  const HeadPolicy& policy = policies.policies[head];
  const HeadEvidence& evidence = profile.file.heads[head];
  const std::string title = head_name(policies, head) + ": ";
  const double height = at.row - 1;
  if (at.row >= 9) {
    const int index = static_cast<int>(head);
    svg.text(at.left - 18, y + at.row - 3,
             format("%d.%d", index / policies.kv_heads, index % policies.kv_heads),
             {.anchor = "end", .size = 9});
  }
  svg.rect(at.left - 13, y, 9, height, colour_of(policy), opacity_of(policy),
           title + words_of(policy));
  for (std::size_t i = 0; i < evidence.mass.size(); ++i) {
    const double share = std::clamp(evidence.mass[i], 0.0, 1.0);
    svg.rect(at.left + at.cell * static_cast<double>(i), y, at.cell - 1, height, "#0550ae",
             std::sqrt(share), title + format("%.4f", share));
  }
  const bool alone = evidence.effect_heads == 1;
  const double effect = std::max(evidence.effect_kl, 1e-9);
  svg.rect(at.effects, y, std::max(1.0, at.scale().at(effect) - at.effects), height,
           alone ? "#d1242f" : "#8c959f", 1,
           title + format("%.6f, %d heads together", evidence.effect_kl, evidence.effect_heads));
}

}  // namespace

std::string head_map(const std::vector<NamedProfile>& profiles) {
  int layers = 1, columns = 1;
  for (const NamedProfile& profile : profiles) {
    layers = std::max(layers, profile.file.profile.layers);
    columns = std::max(columns, profile.file.profile.kv_heads);
  }
  const double cell = std::clamp(640.0 / layers, 9.0, 24.0);
  const double panel = std::max(cell * columns + 40, 170.0);
  const double top = 56, left = 56;
  const double width = left + panel * static_cast<double>(profiles.size()) + 170;
  Svg svg(width, std::max(top + cell * layers + 40, 200.0));
  for (int layer = 0; layer < layers; ++layer) {
    if (layers > 24 && layer % 4 != 0) continue;
    svg.text(left - 8, top + cell * (layer + 0.5) + 4, std::to_string(layer), {.anchor = "end"});
  }
  svg.text(16, top + cell * layers / 2, "layer", {.anchor = "middle", .upwards = true});
  double x = left;
  for (const NamedProfile& profile : profiles) {
    draw_map(svg, profile, x, top, cell);
    svg.text(x, top + cell * layers + 16, "KV heads");
    x += panel;
  }
  draw_legend(svg, x, top);
  return std::move(svg).finish();
}

std::string mass_by_distance(const NamedProfile& profile) {
  const std::vector<HeadEvidence>& heads = profile.file.heads;
  std::vector<std::size_t> order(heads.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return heads[a].effect_kl > heads[b].effect_kl;
  });
  const MassLayout layout(profile);
  Svg svg(layout.effects + 260, layout.bottom + 30);
  draw_mass_axes(svg, profile, layout);
  for (std::size_t place = 0; place < order.size(); ++place) {
    draw_mass_row(svg, profile, layout, order[place],
                  layout.top + layout.row * static_cast<double>(place));
  }
  svg.text(layout.left, layout.bottom + 22,
           "layer.head, in order of effect; red: the head alone, grey: a group of heads together");
  return std::move(svg).finish();
}

std::string kl_against_bytes(const Divergences& found, const std::vector<NamedProfile>& profiles) {
  const TradeOff at(kl_scale(found, profiles, TradeOff::kBottom, TradeOff::kTop));
  Svg svg(TradeOff::kRight + 40, TradeOff::kBottom + 84);
  draw_trade_off_axes(svg, at);
  for (const NamedProfile& profile : profiles) {
    for (const ProfileTrial& trial : profile.file.curve) {
      const double share = percent(trial.kv_bytes, profile.file.calibration->dense_bytes);
      const double kl = trial.divergence.kl_mean;
      svg.circle(at.x(share), at.y(kl), 2.5, "#c4cad0", format("tried: KL %.5f", kl));
    }
  }
  for (const ArmDivergence& arm : found.arms) {
    const double kl = arm.divergence.kl_mean;
    const double x = at.x(percent(arm.kv_bytes, arm.kv_bytes_dense));
    svg.line(x, at.y(arm.kl_interval.low), x, at.y(arm.kl_interval.high), "#d1242f");
    svg.circle(x, at.y(kl), 5, "#d1242f", format("%s: KL %.5f", arm.arm.c_str(), kl));
    const bool far_right = x > TradeOff::kRight - 120;
    svg.text(far_right ? x - 9 : x + 9, at.y(kl) - 7, arm.arm,
             {.anchor = far_right ? "end" : "start", .size = 12, .colour = kInk});
  }
  return std::move(svg).finish();
}

Status make_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (!error) {
    for (const char* name : {"index.html", "heads.svg", "kl.svg", "mass.svg"}) {
      REDKNOT_RETURN_IF_ERROR(check_replaceable(directory / name));
    }
    return Done{};
  }
  return Error(ErrorCode::kIo, "create directory " + directory.string() + ": " + error.message());
}

Status write_pictures(const std::filesystem::path& directory, const EvalReport& report,
                      const std::vector<NamedProfile>& profiles) {
  REDKNOT_RETURN_IF_ERROR(replace_file(directory / "heads.svg", head_map(profiles)));
  REDKNOT_RETURN_IF_ERROR(
      replace_file(directory / "kl.svg", kl_against_bytes(*report.divergences, profiles)));
  std::string pictures =
      "<img src=\"kl.svg\" alt=\"KL against bytes\">\n<h2>Heads</h2>\n"
      "<img src=\"heads.svg\" alt=\"What each head keeps\">\n";
  for (const NamedProfile& profile : profiles) {
    if (profile.file.heads.empty()) continue;
    REDKNOT_RETURN_IF_ERROR(replace_file(directory / "mass.svg", mass_by_distance(profile)));
    pictures +=
        "<h2>What heads look at, and what it does</h2>\n"
        "<img src=\"mass.svg\" alt=\"Attention mass by distance\">\n";
    break;  // that of one is enough: most of it is the model's
  }
  const std::string title = "Head profiles of " + escaped(report.model);
  return replace_file(directory / "index.html",
                      "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>" +
                          title +
                          "</title>\n<style>body { font-family: sans-serif; margin: 2em; }"
                          "</style>\n<h1>" +
                          title + "</h1>\n" + pictures + "<h2>Numbers</h2>\n<pre>\n" +
                          escaped(report_text(report)) + "</pre>\n</html>\n");
}

}  // namespace redknot::cli
