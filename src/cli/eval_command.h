// SPDX-License-Identifier: Apache-2.0
// `redknot eval`: how many questions with known answers a model answers rightly, and with --profile
// how far a head profile moves predictions. main.cc calls it from the main thread; engines, the
// report and all files that are written belong to the call.
#pragma once

#include "cli/eval_options.h"
#include "cli/exit_code.h"
#include "redknot/redknot.h"

namespace redknot::cli {

Result<ExitCode> eval(const EvalOptions& options);

}  // namespace redknot::cli
