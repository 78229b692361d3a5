// SPDX-License-Identifier: Apache-2.0
// The text of --help: description with usage, options in groups with their defaults, footer.
// main.cc hands one formatter to CLI11, which shares it and calls it from the main thread while the
// command line is read. It has no state.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace redknot::cli {

class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

}  // namespace redknot::cli
