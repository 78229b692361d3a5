// SPDX-License-Identifier: Apache-2.0
#include "cli/computation.h"

#include <algorithm>

#include "cli/option_checks.h"
#include "cli/output.h"

namespace redknot::cli {

void add_computation(CLI::App& app, ComputationOptions& options) {
  add_threads(app, options.threads);
  add_page_tokens(app, options.page_tokens);
  app.add_option("-b,--batch-size", options.max_step_tokens,
                 "Most tokens computed in one step; longer prompts are computed in chunks.")
      ->type_name("TOKENS")
      ->transform(integer_in(1, 65536))
      ->capture_default_str()
      ->group("Computation");
  app.add_option("--kernels", options.kernels,
                 "Which compute kernels: auto (the best this CPU runs), reference (plain loops, "
                 "slow), avx2 or avx512.")
      ->type_name("NAME")
      ->check(one_of({"auto", "reference", "avx2", "avx512"}))
      ->capture_default_str()
      ->group("Computation");
  app.add_option("--activations", options.activations,
                 "What activations are rounded to before they are multiplied with weights: 8 or 16 "
                 "bits with a scale per 32 (quantised weights); bf16 (BF16 weights, and a CPU with "
                 "AVX512-BF16); exact (no rounding, products in single precision). auto is 8 for a "
                 "model with quantised weights, else exact.")
      ->type_name("FORMAT")
      ->check(one_of({"auto", "8", "16", "exact", "bf16"}))
      ->capture_default_str()
      ->group("Computation");
}

ComputationOptions perturbed(const ComputationOptions& options) {
  ComputationOptions other = options;
  other.page_tokens = options.page_tokens == 16 ? 64 : 16;
  other.max_step_tokens = std::max(1, options.max_step_tokens / 3);
  return other;
}

EngineOptions engine_options(const ComputationOptions& options, const std::string& model,
                             const std::string& profile) {
  EngineOptions out;
  out.model = model;
  out.profile = profile;
  out.threads = options.threads;
  out.page_tokens = options.page_tokens;
  out.max_step_tokens = options.max_step_tokens;
  if (options.kernels != "auto") out.kernels = options.kernels;
  out.activations = activation_format(options.activations);
  return out;
}

}  // namespace redknot::cli
