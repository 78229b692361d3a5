// SPDX-License-Identifier: Apache-2.0
// Options about documents that are reused, with the same words wherever they are taken. The verb
// whose options these are part of owns them; the functions turn names into the public header's
// values. All of it happens on the main thread, before anything is opened.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::cli {

struct ReuseOptions {
  std::string reuse = "prefix";
  std::string recovery = "knot";
  std::optional<double> ratio;
  std::string canonical = "prefix";
};

inline const std::vector<std::string> kRecoveryNames(kRecoveryPolicyNames.begin(),
                                                     kRecoveryPolicyNames.end());

// Adds --reuse, --recovery, --ratio and --canonical; the latter three need --reuse segment.
void add_reuse(CLI::App& app, ReuseOptions& options);

Reuse reuse_from_name(const std::string& name);
CanonicalContext canonical_from_name(const std::string& name);

// The ratio is that of the policy, of elastic the mass whose tokens pass feed-forward networks;
// nothing for the library's own.
RecoveryOptions recovery_from_name(const std::string& name, std::optional<double> ratio);

}  // namespace redknot::cli
