// SPDX-License-Identifier: Apache-2.0
// The command line of `redknot serve`, as it was given: a plain value that main.cc owns, CLI11
// fills and serve_command.cc reads. Nothing here is opened, bound or checked against a model. Main
// thread. Defaults are those of --help.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/computation.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct ServeOptions : ComputationOptions {
  std::string model;
  std::string profile;
  std::string alias;  // what clients call the model; empty: the file's name

  std::string host = "127.0.0.1";
  int port = 8080;
  std::string certificate_file, key_file;  // TLS if both are there
  std::vector<std::string> api_keys;
  std::string api_key_file;
  std::vector<std::string> cors_origins;
  std::string access_log = "-";

  int context_tokens = 4096;
  int parallel = 64;
  std::size_t kv_bytes = 0;  // 0: for four sequences of context_tokens
  int max_queue = 1024;
  double queue_timeout_seconds = 0;
  int max_tokens = -1;

  std::string generation_config = "auto";
  std::string reuse = "prefix";
  std::string recovery = "knot";
  std::optional<double> ratio;
  std::string chat_template_file;
  bool share_cache = false;
  std::size_t tenant_kv_bytes = 0;

  std::size_t max_header_bytes = std::size_t{16} << 10;
  std::size_t max_body_bytes = std::size_t{32} << 20;
  int max_connections = 4096;
  int max_streams = 1024;
  int idle_seconds = 75;
  int write_seconds = 30;
  int drain_seconds = 30;

  std::string kv = "auto";
  std::string record;  // file that steps are written to; empty: none
};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_serve(CLI::App& app, ServeOptions& options);

}  // namespace redknot::cli
