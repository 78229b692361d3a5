// SPDX-License-Identifier: Apache-2.0
// What values an option takes, checked while the command line is read. Stricter than CLI11's own
// conversions, which take "010" for eight, "-1" for 2^64 - 1, and "nan" for a number in any range.
// Plain functions without state; each verb calls them when it adds its options. Main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::cli {

inline constexpr int kMaxTokens = 1 << 24;  // of any count of tokens on the command line
inline constexpr int kMaxThreads = 1024;

CLI::Validator integer_in(std::int64_t least, std::int64_t most);
CLI::Validator real_in(double least, double most);
CLI::Validator bytes();  // "1048576", "512M", "4GiB": made a whole number
CLI::Validator one_of(std::vector<std::string> names);
CLI::Validator logit_bias();

// "15043+1.5", "15043-inf": a token id, and what is added to its logit.
Result<std::pair<int, float>> parse_logit_bias(std::string_view text);

// Options that several verbs share, with the same meaning and the same words.
void add_threads(CLI::App& app, int& threads);
void add_page_tokens(CLI::App& app, int& page_tokens);
void add_kv(CLI::App& app, std::string& kv);
// The same in llama.cpp's words, for keys and for values: --cache-type-k and --cache-type-v.
void add_cache_types(CLI::App& app, std::string& kv);
void add_model(CLI::App& app, std::string& model);
void add_profile_file(CLI::App& app, std::string& profile);
void add_record(CLI::App& app, std::string& file);

}  // namespace redknot::cli
