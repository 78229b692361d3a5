// SPDX-License-Identifier: Apache-2.0
#include "engine/profile_choice.h"

#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "engine/engine_core.h"
#include "heads/visibility.h"
#include "kv/peak_pages.h"
#include "kv/sequence_kv.h"
#include "model/fingerprint.h"
#include "sched/page_needs.h"
#include "sched/recovery_strategy.h"

namespace redknot {
namespace {

// So that a quotient that should be whole is not one less.
constexpr double kRounding = 1 + 1e-12;

Status check_model(const ProfileFile& file, const Model& model, ThreadPool& threads) {
  const ModelConfig& config = model.config();
  if (file.profile.layers != config.layers || file.profile.kv_heads != config.kv_heads) {
    return invalid("it is for a model of ", file.profile.layers, " layers x ",
                   file.profile.kv_heads, " KV heads, this one has ", config.layers, " x ",
                   config.kv_heads);
  }
  const std::string found = fingerprint(model, threads);
  if (file.fingerprint == found) return Done{};
  return invalid("it was measured on another model (\"", file.model_name, "\", ", file.fingerprint,
                 "; this one is ", found, "); redknot profile makes one for this model");
}

}  // namespace

HeadProfile dense_profile(const EngineOptions& options, const Model& model) {
  return uniform_profile(model.config().layers, model.config().kv_heads,
                         {.kv_format = options.kv.value_or(auto_kv_format(model))});
}

Result<ProfileFile> open_profile(const EngineOptions& options, const Model& model,
                                 ThreadPool& threads) {
  REDKNOT_TRY(const std::string text, read_file(options.profile, kMaxProfileBytes));
  const std::string attempt = concat("open head profile ", options.profile);
  auto file = parse_profile(text);
  if (!file.ok()) return file.error().within(attempt);
  const Status matches = check_model(*file, model, threads);
  if (!matches.ok()) return matches.error().within(attempt);
  const bool other_formats = options.kv.has_value();
  if (other_formats) {
    for (HeadPolicy& policy : file->profile.policies) policy.kv_format = *options.kv;
  }
  // Of other sizes, pages that are selected hold more or fewer tokens.
  const bool other_pages = file->validation && selects_pages(file->profile) &&
                           file->validation->page_tokens != options.page_tokens;
  if (other_formats || other_pages) {  // not what was measured
    file->validated.reset();
    file->validation.reset();
  }
  if (other_formats || (file->reuse && file->reuse->page_tokens != options.page_tokens)) {
    file->reuse.reset();
  }
  return file;
}

ProfileSummary summarize(const ProfileFile& file) {
  ProfileSummary summary;
  for (const HeadPolicy& policy : file.profile.policies) {
    switch (policy.head_class) {
      case HeadClass::kGlobal:
        ++summary.global_heads;
        break;
      case HeadClass::kLocal:
        ++summary.local_heads;
        break;
      case HeadClass::kRetrieval:
        ++summary.retrieval_heads;
        break;
    }
  }
  summary.reuse_validated = file.reuse.has_value();
  summary.validated = file.validated.has_value();
  if (!summary.validated) return summary;
  summary.kl_mean = file.validated->divergence.kl_mean;
  summary.context_tokens = file.validation->context_tokens;
  summary.kv_bytes = file.validated->kv_bytes;
  summary.dense_kv_bytes = file.validation->dense_bytes;
  return summary;
}

HeadKv describe(const HeadPolicy& policy) {
  return {.dtype = policy.kv_format,
          .local = policy.head_class == HeadClass::kLocal,
          .sink_tokens = policy.sink_tokens,
          .window_tokens = policy.window_tokens,
          .top_pages = selected_pages(policy),
          .recovers = knot_strategy().recomputes(policy)};
}

Result<std::array<int, kKvFormatCount>> pool_pages(const EngineOptions& options,
                                                   const HeadProfile& profile,
                                                   const PageShape& shape, int context_tokens) {
  const auto one = peak_pages(profile, shape, context_tokens, options.max_step_tokens);
  const auto one_bytes = static_cast<double>(shape.bytes(one));
  const double sequences = options.kv_bytes > 0 ? static_cast<double>(options.kv_bytes) / one_bytes
                                                : options.max_sequences;
  const int shared = options.segment_tokens < 0 ? context_tokens : options.segment_tokens;
  const auto segments = segment_pages(profile, shape, options.kv_bytes > 0 ? 0 : shared);
  std::array<int, kKvFormatCount> pages{};
  for (const KvFormat format : kKvFormats) {
    if (one[index_of(format)] == 0) continue;
    const double count =
        std::floor(sequences * one[index_of(format)] * kRounding) + segments[index_of(format)];
    if (count < 1) {
      return invalid("open engine: kv_bytes is ", options.kv_bytes, ", too little for one page of ",
                     shape.bytes(format), " bytes of every format in use");
    }
    if (count > std::numeric_limits<int>::max()) {
      return exhausted("open engine: ", options.max_sequences, " sequences of ", context_tokens,
                       " tokens and ", shared, " tokens of segments need ", count, " KV pages");
    }
    pages[index_of(format)] = static_cast<int>(count);
  }
  return pages;
}

}  // namespace redknot
