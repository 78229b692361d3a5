// SPDX-License-Identifier: Apache-2.0
// Recorded steps as text: a header and steps are one line of JSON each, docs/adr/0018 says of which
// fields. Numbers with a fraction are written as their bits, so that all of them come back as they
// were, NaN too; 64-bit ones as 16 hexadecimal digits, which every reader of JSON can hold.
//
// Pure functions, called by step_file.h; any thread.
#pragma once

#include <string>
#include <string_view>

#include "redknot/result.h"
#include "step/recorded_step.h"

namespace redknot {

// Raised with every field that is added or changes its meaning.
inline constexpr int kStepFileVersion = 3;

// Without a newline.
std::string to_json(const StepFileHeader& header);
std::string to_json(const RecordedStep& step);

// kCorrupt for anything that to_json() does not write, kUnsupported for another version. What is
// read has all its fields in the ranges of their types, and as many results as it has slices and
// samples; whether the plan can be run is for runtime/plan_checker.h to say.
Result<StepFileHeader> parse_step_header(std::string_view line);
Result<RecordedStep> parse_step(std::string_view line);

}  // namespace redknot
