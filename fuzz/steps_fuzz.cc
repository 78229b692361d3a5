// SPDX-License-Identifier: Apache-2.0
// Files of recorded steps. What was read must be the same written and read again, and a plan is
// refused or can be applied to page tables.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

#include "runtime/plan_checker.h"
#include "step/step_file.h"
#include "step/step_json.h"

namespace {

constexpr int kMostFrames = 1 << 16;  // so that nothing is slow

bool is_small(const redknot::StepFileHeader& header) {
  for (const int count : header.pages.page_count) {
    if (count > kMostFrames) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  auto reader = redknot::StepReader::read(std::make_unique<std::istringstream>(text), "input");
  if (!reader.ok()) return 0;
  const redknot::StepFileHeader& header = reader->header();
  const std::string written = redknot::to_json(header);
  const auto again = redknot::parse_step_header(written);
  if (!again.ok() || redknot::to_json(*again) != written) std::abort();
  if (!is_small(header)) return 0;
  redknot::PlanChecker checker({.profile = header.profile,
                                .pages = header.pages,
                                .vocabulary_size = header.vocabulary_size,
                                .max_rows = header.max_rows,
                                .max_logit_rows = header.max_logit_rows});
  bool can_be_run = true;
  while (true) {
    const auto step = reader->next();
    if (!step.ok() || !*step) return 0;
    const std::string line = redknot::to_json(**step);
    const auto read = redknot::parse_step(line);
    if (!read.ok() || redknot::to_json(*read) != line) std::abort();
    can_be_run = can_be_run && checker.check((*step)->plan).ok();
  }
}
