// SPDX-License-Identifier: Apache-2.0
#include "engine/engine_core.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/profile_choice.h"
#include "model/fingerprint.h"
#include "runtime/activation_choice.h"

namespace redknot {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxStepTokens = 1 << 16;
constexpr int kMaxSequences = 1 << 16;
constexpr int kMaxRunning = 1 << 12;
constexpr int kMaxWaiting = 1 << 20;
constexpr int kMaxSegmentTokens = 1 << 28;

Status check_range(const char* option, long long value, long long least, long long most) {
  if (value >= least && value <= most) return Done{};
  return invalid("open engine: ", option, " is ", value, ", not in ", least, "..", most);
}

Status check_options(const EngineOptions& options) {
  REDKNOT_RETURN_IF_ERROR(check_range("threads", options.threads, 0, kMaxThreads));
  REDKNOT_RETURN_IF_ERROR(
      check_range("context_tokens", options.context_tokens, 0, kMaxContextTokens));
  REDKNOT_RETURN_IF_ERROR(
      check_range("max_step_tokens", options.max_step_tokens, 1, kMaxStepTokens));
  REDKNOT_RETURN_IF_ERROR(check_range("max_running", options.max_running, 1, kMaxRunning));
  REDKNOT_RETURN_IF_ERROR(check_range("max_waiting", options.max_waiting, 1, kMaxWaiting));
  REDKNOT_RETURN_IF_ERROR(check_range("tenants", options.tenants, 1, kMaxWaiting));
  REDKNOT_RETURN_IF_ERROR(
      check_range("segment_tokens", options.segment_tokens, -1, kMaxSegmentTokens));
  return check_range("max_sequences", options.max_sequences, 1, kMaxSequences);
}

Result<PageOptions> page_options(const EngineOptions& options, const CoreOptions& core,
                                 const Model& model, const HeadProfile& profile,
                                 int context_tokens) {
  PageOptions pool{.shape = page_shape(profile, options.page_tokens, model.config().head_dim),
                   .page_count = {}};
  pool.shape.key_bounds |= core.key_bounds;
  const Status page_tokens = check_page_tokens(options.page_tokens);
  if (!page_tokens.ok()) return page_tokens.error().within("open engine");
  if (core.pages) {
    pool.page_count = core.pages(model, profile, context_tokens);
  } else {
    REDKNOT_TRY(pool.page_count, pool_pages(options, profile, pool.shape, context_tokens));
  }
  return pool;
}

}  // namespace

KvFormat auto_kv_format(const Model& model) {
  const DType weights = model.weights().layers.front().key.dtype;
  return is_integer(packed_format(weights)) ? KvFormat::kF16 : KvFormat::kF32;
}

struct EngineCore::Parts {
  Model model;
  const Kernels* kernels;
  std::unique_ptr<ThreadPool> threads;
  PackedWeights weights;
  HeadProfile profile;
  std::string model_identity;
  std::optional<ProfileSummary> profile_summary;
  std::unique_ptr<PageAllocator> pages;
  std::unique_ptr<CpuBackend> backend;
  int context_tokens;
  TransformerOptions step;
};

EngineCore::EngineCore(Parts parts)
    : model_(std::move(parts.model)),
      kernels_(*parts.kernels),
      threads_(std::move(parts.threads)),
      weights_(std::move(parts.weights)),
      profile_(std::move(parts.profile)),
      domain_(domain_of({.model = parts.model_identity,
                         .kernels = std::string(kernels_.name),
                         .activations = parts.step.activations},
                        profile_, parts.pages->shape())),
      profile_summary_(parts.profile_summary),
      pages_(std::move(parts.pages)),
      backend_(std::move(parts.backend)),
      context_tokens_(parts.context_tokens) {
  backend_->connect(model_.config(), weights_, kernels_, *threads_, parts.step);
}

Result<std::unique_ptr<EngineCore>> EngineCore::open(const EngineOptions& options,
                                                     const CoreOptions& core) {
  REDKNOT_RETURN_IF_ERROR(check_options(options));
  const Kernels* kernels = find_kernels(options.kernels);
  if (kernels == nullptr) {
    std::string known;
    for (const Kernels* one : available_kernels()) known += concat(" ", one->name);
    return unsupported("open engine: kernels \"", options.kernels,
                       "\" do not run on this CPU; these do:", known);
  }
  REDKNOT_TRY(Model model, Model::open(options.model));
  const ModelConfig& config = model.config();
  const int context = options.context_tokens == 0 ? config.context_tokens : options.context_tokens;
  auto threads =
      std::make_unique<ThreadPool>(options.threads == 0 ? available_cores() : options.threads);
  HeadProfile profile = dense_profile(options, model);
  std::string identity;
  std::optional<ProfileSummary> summary;
  if (core.profile) {
    REDKNOT_TRY(profile, core.profile(model));
  } else if (!options.profile.empty()) {
    REDKNOT_TRY(ProfileFile file, open_profile(options, model, *threads));
    summary = summarize(file);
    profile = std::move(file.profile);
    identity = std::move(file.fingerprint);  // of this model
  }
  if (identity.empty()) identity = quick_identity(model);
  const auto activations = choose_activations(options.activations, model.weights(), *kernels);
  if (!activations.ok()) return activations.error().within("open engine");
  // Memory first: an answer that there is too little should not take the time of packing.
  REDKNOT_TRY(const PageOptions pages, page_options(options, core, model, profile, context));
  REDKNOT_TRY(std::unique_ptr<PageAllocator> allocator, PageAllocator::create(pages));
  REDKNOT_TRY(std::unique_ptr<CpuBackend> backend, CpuBackend::create(pages));
  // No step can hold more tokens than all sequences together.
  const std::int64_t most_tokens = std::int64_t{context} * options.max_sequences;
  TransformerOptions step{.activations = *activations};
  step.max_rows = static_cast<int>(
      options.kv_bytes > 0 ? options.max_step_tokens
                           : std::min<std::int64_t>(options.max_step_tokens, most_tokens));
  if (core.max_rows > 0) step.max_rows = core.max_rows;
  step.max_logit_rows =
      core.logit_rows ? core.logit_rows(model) : std::max(kLeastLogitRows, options.max_running);
  REDKNOT_TRY(PackedWeights weights, PackedWeights::pack(model, *threads, options.progress));
  return std::unique_ptr<EngineCore>(new EngineCore(
      {std::move(model), kernels, std::move(threads), std::move(weights), std::move(profile),
       std::move(identity), summary, std::move(allocator), std::move(backend), context, step}));
}

}  // namespace redknot
