// SPDX-License-Identifier: Apache-2.0
#include "cli/progress_printer.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "cli/output.h"

namespace redknot::cli {
namespace {

constexpr auto kSilence = std::chrono::seconds(1);
constexpr auto kBetweenBars = std::chrono::milliseconds(100);
constexpr auto kBetweenLines = std::chrono::seconds(5);
constexpr int kBarCells = 30;
constexpr char kClearLine[] = "\r\x1b[K";

}  // namespace

ProgressPrinter::ProgressPrinter()
    : terminal_(::isatty(STDERR_FILENO) == 1),
      next_(Clock::now() + (terminal_ ? kSilence : kBetweenLines)) {}

ProgressPrinter::~ProgressPrinter() { clear(); }

void ProgressPrinter::clear() {
  if (bar_shown_) std::fputs(kClearLine, stderr);
  bar_shown_ = false;
}

Progress ProgressPrinter::callback() {
  return [this](std::string_view activity, double fraction) { show(activity, fraction); };
}

void ProgressPrinter::show(std::string_view activity, double fraction) {
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  const double done = std::clamp(fraction, 0.0, 1.0);
  const int percent = static_cast<int>(done * 100);
  const std::string what(activity);
  if (!terminal_) {
    note(format("%s: %d %%", what.c_str(), percent));
    next_ = now + kBetweenLines;
    return;
  }
  std::string bar(kBarCells, '.');
  std::fill_n(bar.begin(), static_cast<int>(done * kBarCells), '#');
  std::fprintf(stderr, "%s%s [%s] %d %%", kClearLine, what.c_str(), bar.c_str(), percent);
  bar_shown_ = true;
  next_ = now + kBetweenBars;
}

}  // namespace redknot::cli
