// SPDX-License-Identifier: Apache-2.0
#include "cli/chart.h"

#include <algorithm>
#include <cmath>

#include "cli/output.h"

namespace redknot::cli {
namespace {

constexpr double kLeft = 56, kRight = 16, kTop = 48, kBottom = 44;  // margins of a panel

}  // namespace

LogScale::LogScale(double least, double most, double low, double high)
    : least_(std::floor(std::log10(least))),
      most_(std::max(least_ + 1, std::ceil(std::log10(most)))),
      low_(low),
      high_(high) {}

double LogScale::at(double value) const {
  const double share = (std::log10(value) - least_) / (most_ - least_);
  return low_ + (share > 0 ? std::min(share, 1.0) : 0.0) * (high_ - low_);
}

double LogScale::least() const { return std::pow(10, least_); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double nice_step(double largest) {
  if (!(largest > 0)) return 1;
  const double power = std::pow(10, std::floor(std::log10(largest / 5)));
  for (const double times : {1, 2, 5}) {
    if (times * power * 5 >= largest) return times * power;
  }
  return 10 * power;
}

std::string with_commas(int number) {
  std::string out = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3) {
    out.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return out;
}

double Panel::x(double share) const { return left_ + kLeft + share * (kWidth - kLeft - kRight); }
double Panel::y(double share) const {
  return kHeight - kBottom - share * (kHeight - kTop - kBottom);
}

void Panel::axes(const std::string& title, const std::string& x_name,
                 const std::vector<Tick>& x_ticks, const std::vector<Tick>& y_ticks) {
  svg_.text(x(0), 22, title, {.size = 13, .colour = kInk});
  for (const Tick& tick : y_ticks) {
    svg_.line(x(0), y(tick.share), x(1), y(tick.share), kRule);
    svg_.text(x(0) - 6, y(tick.share) + 4, tick.words, {.anchor = "end"});
  }
  for (const Tick& tick : x_ticks) {
    svg_.text(x(tick.share), kHeight - kBottom + 16, tick.words, {.anchor = "middle"});
  }
  svg_.text((x(0) + x(1)) / 2, kHeight - 10, x_name, {.anchor = "middle"});
}

void Panel::line(const std::vector<Point>& points, const char* colour, bool dots) {
  std::vector<Point> places;
  places.reserve(points.size());
  for (const auto& [share_x, share_y] : points) places.emplace_back(x(share_x), y(share_y));
  svg_.polyline(places, colour);
  if (!dots) return;
  for (const auto& [at_x, at_y] : places) svg_.circle(at_x, at_y, 3, colour);
}

void Panel::range(double share, double low, double high, const char* colour) {
  svg_.line(x(share), y(low), x(share), y(high), colour);
}

void Panel::names(const std::vector<std::pair<std::string, const char*>>& lines, bool below) {
  double at_x = x(0), at_y = kTop;
  for (const auto& [name, colour] : lines) {
    if (below) {
      svg_.text(x(1), at_y, name, {.anchor = "end", .size = 12, .colour = colour});
      at_y += 14;
    } else {
      svg_.text(at_x, kTop - 9, name, {.size = 12, .colour = colour});
      at_x += 8 * static_cast<double>(name.size()) + 12;
    }
  }
}

}  // namespace redknot::cli
