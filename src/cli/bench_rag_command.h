// SPDX-License-Identifier: Apache-2.0
// `redknot bench rag`: what reuse of documents costs and saves, against dense attention. Its
// options lie in those of `redknot bench`; bench_command.cc adds the verb, main.cc calls it from
// the main thread. The functions at the end are pure, and only the verb calls them.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/computation.h"
#include "cli/exit_code.h"
#include "eval/rag_trial.h"
#include "redknot/redknot.h"

namespace redknot::cli {

// Dense attention with other pages and in other steps: what rounding alone does.
inline constexpr char kNoiseArm[] = "noise";

// What is asked if nobody says; a profile's file keeps what reuse costs for these.
inline const std::vector<std::string> kUsualKinds = {"one_hop", "two_hop", "alias", "continuation",
                                                     "correction"};

struct BenchRagOptions : ComputationOptions {
  BenchRagOptions() { page_tokens = 16; }

  std::string model;
  std::string profile;
  int documents = 8;
  int length = 256;
  int questions = 40;
  int per_set = 8;
  double new_rate = 0;
  std::string text = "corpus";
  std::vector<std::string> question_files;  // instead of it
  bool raw = false;                         // no chat template
  std::vector<std::string> kinds;           // empty: kUsualKinds, or with `code` that
  std::optional<std::string> code;          // folder for the kind "code"
  std::vector<std::string> arms = {"dense",     "prefix",  "none", "boundary",
                                   "deviation", "elastic", "knot"};
  std::vector<double> ratios = {0.05, 0.1, 0.15, 0.2, 0.4};
  std::string canonical = "prefix";
  std::uint64_t seed = 1;
  std::string kv = "auto";
  std::optional<std::string> json;
  std::optional<std::string> samples;
  std::optional<std::string> write_questions;
  std::optional<std::string> svg;
};

// Adds the verb to that of `redknot bench`, which need not be given a model of its own then.
CLI::App* add_bench_rag(CLI::App& bench, BenchRagOptions& options);

// Why these options do not go together; empty if they do.
std::string wrong_combination(const BenchRagOptions& options);
Result<ExitCode> bench_rag(const BenchRagOptions& options);

// What answers of a kind are worth, a line of a table in Markdown for each row; its heading; and
// what they cost, a table of its own.
std::string rag_heading();
std::string rag_rows(const std::vector<eval::RagRow>& rows);
std::string rag_costs(const std::vector<eval::RagRow>& rows);

// One prompt under one arm, as a line of JSON without its end.
std::string rag_sample_json(const eval::RagArm& arm, const eval::RagSample& sample, int prompt);

// The rows as JSON, and as a picture: accuracy or, without questions that can be right, KL against
// TTFT, a line a policy.
std::string rag_json(const std::vector<eval::RagRow>& rows, const BenchRagOptions& options,
                     const Engine& engine);
std::string rag_picture(const std::vector<eval::RagRow>& rows);

}  // namespace redknot::cli
