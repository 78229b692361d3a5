// SPDX-License-Identifier: Apache-2.0
// What the process ends with. Every verb returns one of these, or an error, to main.cc, which ends
// the process with it; interrupt.cc ends it with kInterrupted at once. The numbers are part of the
// command line's contract, as --help prints it.
#pragma once

namespace redknot::cli {

enum class ExitCode {
  kSuccess = 0,
  kFailure = 1,        // the attempt failed: file, model, memory, output
  kUsage = 2,          // the command line is wrong; nothing was attempted
  kInterrupted = 130,  // Ctrl-C (128 + SIGINT)
};

// For the end of every --help.
inline constexpr char kExitCodesHelp[] =
    "Exit codes:\n"
    "  0    success\n"
    "  1    failure; the reason is on standard error as \"redknot: attempt: cause\"\n"
    "  2    wrong command line\n"
    "  130  interrupted (Ctrl-C)\n";

}  // namespace redknot::cli
