// SPDX-License-Identifier: Apache-2.0
// `redknot bench serve`: open-loop load on a server that speaks OpenAI's dialect. Its options lie
// in those of `redknot bench`; bench_command.cc adds the verb, main.cc calls it from the main
// thread, which carries the load. The two functions at the end are pure, and only the verb calls
// them.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "load/load_run.h"
#include "load/report.h"
#include "load/workload.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct BenchServeOptions {
  std::string url = "http://127.0.0.1:8080";
  std::string model;                       // a file: it is served for the time of the load
  std::vector<std::string> serve_options;  // behind "--", for that server
  std::string mix = "unique";
  std::string rate = "inf";
  std::string questions, trace;
  std::string order = "new";           // of the documents of questions
  std::string documents_in = "field";  // or the user's message
  std::string endpoint = "chat";
  bool insecure = false;
  load::WorkloadOptions workload;
  load::LoadOptions load;
  load::Objectives objectives;
  std::optional<std::string> json, svg;
  std::vector<std::string> beside;  // NAME=FILE,FILE
};

// Adds the verb to that of `redknot bench`, which need not be given a model of its own then.
CLI::App* add_bench_serve(CLI::App& bench, BenchServeOptions& options);

Result<ExitCode> bench_serve(const BenchServeOptions& options);

// What was measured, as text for people and as JSON.
std::string serve_table(const load::Report& report, const load::LoadResult& result,
                        const load::Objectives& objectives);
std::string serve_json(const load::Report& report, const load::LoadResult& result,
                       const BenchServeOptions& options, bool interrupted);

}  // namespace redknot::cli
