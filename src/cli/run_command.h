// SPDX-License-Identifier: Apache-2.0
// `redknot run`: one request to an engine of its own, streamed to standard output. main.cc calls it
// from the main thread, which reads the answer's pieces and writes them; the engine and all files
// that are written belong to the call.
#pragma once

#include "cli/exit_code.h"
#include "cli/run_options.h"
#include "redknot/redknot.h"

namespace redknot::cli {

// kSuccess or kInterrupted, or why it failed.
Result<ExitCode> run(const RunOptions& options);

}  // namespace redknot::cli
