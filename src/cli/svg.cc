// SPDX-License-Identifier: Apache-2.0
#include "cli/svg.h"

#include <utility>

#include "base/utf8.h"
#include "cli/output.h"

namespace redknot::cli {
namespace {

std::string end_of(const char* element, std::string_view title) {
  if (title.empty()) return "/>\n";
  return "><title>" + escaped(title) + "</title></" + element + ">\n";
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : valid_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

Svg::Svg(double width, double height)
    : out_(format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
                  "viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\">\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                  width, height, width, height)) {}

void Svg::rect(double x, double y, double width, double height, const char* fill, double opacity,
               std::string_view title) {
  out_ += format(
              "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
              "fill-opacity=\"%.3f\"",
              x, y, width, height, fill, opacity) +
          end_of("rect", title);
}

void Svg::circle(double x, double y, double radius, const char* fill, std::string_view title) {
  out_ += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"", x, y, radius, fill) +
          end_of("circle", title);
}

void Svg::line(double x1, double y1, double x2, double y2, const char* stroke, bool dashed) {
  out_ += format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"%s/>\n", x1,
                 y1, x2, y2, stroke, dashed ? " stroke-dasharray=\"3 3\"" : "");
}

void Svg::polyline(const std::vector<std::pair<double, double>>& points, const char* stroke) {
  out_ += "<polyline points=\"";
  for (const auto& [x, y] : points) out_ += format("%.1f,%.1f ", x, y);
  out_ += format("\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", stroke);
}

void Svg::text(double x, double y, std::string_view words, const SvgText& style) {
  const std::string turned =
      style.upwards ? format(" transform=\"rotate(-90 %.1f %.1f)\"", x, y) : std::string();
  out_ += format("<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" text-anchor=\"%s\" fill=\"%s\"%s>",
                 x, y, style.size, style.anchor, style.colour, turned.c_str()) +
          escaped(words) + "</text>\n";
}

std::string Svg::finish() && { return std::move(out_) + "</svg>\n"; }

}  // namespace redknot::cli
