// SPDX-License-Identifier: Apache-2.0
// A picture in SVG, put together shape by shape; lengths in pixels, y downwards. Svg owns the text
// so far. Functions that draw make one on their stack and
// finish it; one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace redknot::cli {

// Text as it may stand in XML and in HTML: & < > " escaped, bytes that are not UTF-8 and control
// characters but the line break replaced.
std::string escaped(std::string_view text);

struct SvgText {
  const char* anchor = "start";  // "middle", "end"
  int size = 11;
  const char* colour = "#57606a";
  bool upwards = false;  // turned by 90 degrees
};

class Svg {
 public:
  Svg(double width, double height);

  // A title is shown by viewers that point at the shape.
  void rect(double x, double y, double width, double height, const char* fill, double opacity = 1,
            std::string_view title = {});
  void circle(double x, double y, double radius, const char* fill, std::string_view title = {});
  void line(double x1, double y1, double x2, double y2, const char* stroke, bool dashed = false);
  // Through these points, twice as thick as a line.
  void polyline(const std::vector<std::pair<double, double>>& points, const char* stroke);
  void text(double x, double y, std::string_view words, const SvgText& style = {});
  std::string finish() &&;

 private:
  std::string out_;
};

}  // namespace redknot::cli
