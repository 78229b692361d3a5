// SPDX-License-Identifier: Apache-2.0
// `redknot serve`: the engine behind HTTP, until it is told to end.
#pragma once

#include "cli/exit_code.h"
#include "cli/serve_options.h"
#include "redknot/result.h"

namespace redknot::cli {

Result<ExitCode> serve(const ServeOptions& options);

}  // namespace redknot::cli
