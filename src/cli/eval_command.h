// SPDX-License-Identifier: Apache-2.0
// `redknot eval`: how many questions with known answers a model answers rightly.
#pragma once

#include "cli/eval_options.h"
#include "cli/exit_code.h"
#include "redknot/redknot.h"

namespace redknot::cli {

Result<ExitCode> eval(const EvalOptions& options);

}  // namespace redknot::cli
