// SPDX-License-Identifier: Apache-2.0
#include "cli/reuse_options.h"

#include "cli/option_checks.h"

namespace redknot::cli {

void add_reuse(CLI::App& app, ReuseOptions& o) {
  auto* reuse = app.add_option(
      "--reuse", o.reuse,
      "prefix: attention to everything. segment: every document is computed by itself, as it "
      "would be to be shared by other prompts in any order, and what it missed is recovered.");
  auto* recovery = app.add_option(
      "--recovery", o.recovery,
      "With --reuse segment: which tokens are computed again in their place. none; boundary: the "
      "first of each document; deviation: those that differ most behind the first layer; elastic: "
      "all, but for local heads and most feed-forward networks; knot: those that the question "
      "looks at.");
  auto* ratio = app.add_option("--ratio", o.ratio,
                               "With --reuse segment: the share of tokens that is computed again; "
                               "of elastic, the share of attention whose tokens pass feed-forward "
                               "networks. Default: 0.08, of knot 256 tokens where "
                               "that is more and no more than an eighth; of elastic 0.5.");
  auto* canonical = app.add_option(
      "--canonical", o.canonical,
      "With --reuse segment: what documents are computed behind. prefix: what stands before the "
      "first of them; bare: nothing, so that prompts that begin differently share them.");
  reuse->type_name("MODE")->check(one_of({"prefix", "segment"}))->capture_default_str();
  recovery->type_name("POLICY")->check(one_of(kRecoveryNames))->capture_default_str();
  ratio->type_name("SHARE")->transform(real_in(0, 1));
  canonical->type_name("CONTEXT")->check(one_of({"prefix", "bare"}))->capture_default_str();
  for (CLI::Option* option : {recovery, ratio, canonical}) option->needs(reuse);
  for (CLI::Option* option : {reuse, recovery, ratio, canonical}) option->group("Documents");
  app.parse_complete_callback([&o, recovery, ratio, canonical] {
    if (o.reuse == "segment") return;
    for (const CLI::Option* option : {recovery, ratio, canonical}) {
      if (option->count() == 0) continue;
      throw CLI::ValidationError(option->get_name(), "needs --reuse segment");
    }
  });
}

Reuse reuse_from_name(const std::string& name) {
  return name == "segment" ? Reuse::kSegment : Reuse::kPrefix;
}

CanonicalContext canonical_from_name(const std::string& name) {
  return name == "bare" ? CanonicalContext::kBare : CanonicalContext::kPrefix;
}

RecoveryOptions recovery_from_name(const std::string& name, std::optional<double> ratio) {
  RecoveryOptions out;
  out.policy = recovery_policy(name).value();
  out.ratio = ratio;
  if (out.policy == RecoveryPolicy::kElastic && ratio) {
    out.elastic.mass = out.elastic.mass_deep = *ratio;
  }
  return out;
}

}  // namespace redknot::cli
