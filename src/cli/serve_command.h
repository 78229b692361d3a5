// SPDX-License-Identifier: Apache-2.0
// `redknot serve`: the engine behind HTTP, until it is told to end. main.cc calls it from the main
// thread, which waits for the signal and then drains; the engine, the service and the HTTP server
// belong to the call, and each brings its own threads.
#pragma once

#include "cli/exit_code.h"
#include "cli/serve_options.h"
#include "redknot/result.h"

namespace redknot::cli {

Result<ExitCode> serve(const ServeOptions& options);

}  // namespace redknot::cli
