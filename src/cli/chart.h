// SPDX-License-Identifier: Apache-2.0
// What pictures of measurements share: scales, and a panel of axes with lines in it.
//
// The verbs that measure draw with it into an Svg of their own, on their one thread, once all
// is measured. Scales are values; a Panel borrows the picture.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/svg.h"

namespace redknot::cli {

inline constexpr const char* kInk = "#24292f";
inline constexpr const char* kRule = "#d0d7de";

// A scale of logarithms between two powers of ten.
class LogScale {
 public:
  // From the powers around `least` and `most`, which become `low` and `high`.
  LogScale(double least, double most, double low, double high);
  double at(double value) const;  // what lies outside is drawn at the ends
  int first() const { return static_cast<int>(least_); }
  int last() const { return static_cast<int>(most_); }
  double least() const;

 private:
  double least_, most_, low_, high_;
};

// Requires at least one value.
double median(std::vector<double> values);

// A step of 1, 2 or 5 times a power of ten that cuts 0..largest into at most five parts.
double nice_step(double largest);

// "8,192"
std::string with_commas(int number);

// Axes at a place in a picture. Points are shares from 0 to 1: x grows to the right, y upwards.
class Panel {
 public:
  static constexpr double kWidth = 420, kHeight = 300;
  using Point = std::pair<double, double>;
  struct Tick {
    double share = 0;
    std::string words{};
  };

  Panel(Svg& svg, double left) : svg_(svg), left_(left) {}

  void axes(const std::string& title, const std::string& x_name, const std::vector<Tick>& x_ticks,
            const std::vector<Tick>& y_ticks);
  void line(const std::vector<Point>& points, const char* colour, bool dots);
  // From the least to the greatest at one place.
  void range(double share, double low, double high, const char* colour);
  // The names of lines: side by side from the left, or below each other on the right.
  void names(const std::vector<std::pair<std::string, const char*>>& lines, bool below);

 private:
  double x(double share) const;
  double y(double share) const;

  Svg& svg_;
  double left_;
};

}  // namespace redknot::cli
