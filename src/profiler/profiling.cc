// SPDX-License-Identifier: Apache-2.0
#include "profiler/profiling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "model/fingerprint.h"
#include "profiler/attention_mass.h"
#include "profiler/head_effects.h"
#include "profiler/policy_search.h"
#include "profiler/prefix_shift.h"
#include "profiler/text_digest.h"
#include "profiler/trials.h"

namespace redknot {
namespace {

// What a head gives behind another prefix differs by so much, or its stored keys and values may
// stand for those that recovered tokens would give. On the default model the half of the heads that
// is above recovers what all of them do.
constexpr double kContextBoundShift = 0.3;

void mark_context_bound(ProfileFile& file) {
  for (std::size_t head = 0; head < file.heads.size(); ++head) {
    const std::optional<double> shift = file.heads[head].prefix_shift;
    file.profile.policies[head].context_bound = !shift || *shift >= kContextBoundShift;
  }
}

constexpr int kMassRowsPerStep = 64;
// The end of a text behind two prefixes, and how much of it is compared.
constexpr int kShiftTokens = 64;
constexpr int kShiftCompared = 32;
// Of the budget, what the search may use: predictions on other text move a little more than on the
// text that policies were chosen on.
constexpr double kSearchShare = 0.8;
// Shares of the work, about, at which the parts end.
constexpr double kMassDone = 0.05, kEffectsDone = 0.5, kSearchDone = 0.95;

MeasuredText describe(const CalibrationText& text) {
  TextDigest digest;
  for (const ComparedText& sequence : text.sequences) digest.add(sequence);
  return std::move(digest).describe(text.description);
}

class Profiling {
 public:
  Profiling(const ProfilingOptions& options, DenseComparison& comparison, TrialJournal& journal,
            const CalibrationText& calibration, const CalibrationText& validation)
      : options_(options),
        comparison_(comparison),
        calibration_(calibration),
        validation_(validation),
        fingerprint_(fingerprint(comparison.model(), comparison.core().thread_pool())),
        trials_(comparison, journal, calibration.sequences, base(calibration), kMostKeptFloats),
        proof_(comparison, journal, validation.sequences, base(validation), 0) {}

  Result<ProfilingResult> make() {
    ProfileFile& file = result_.file;
    file.model_name = comparison_.model().config().name;
    file.fingerprint = fingerprint_;
    file.budget_kl = options_.budget_kl;
    file.calibration = described(calibration_);
    file.validation = described(validation_);
    REDKNOT_RETURN_IF_ERROR(check_trial());
    measure_evidence();
    REDKNOT_RETURN_IF_ERROR(measure_effects());
    REDKNOT_RETURN_IF_ERROR(choose());
    report("validating", kSearchDone);
    file.validated =
        ProfileTrial{.kv_bytes = bytes(file.profile), .kv_bytes_read = bytes_read(file.profile)};
    REDKNOT_TRY(file.validated->divergence, proof_.whole(file.profile));
    result_.made = trials_.made() + proof_.made();
    result_.found = trials_.found() + proof_.found();
    return std::move(result_);
  }

 private:
  // All that a trial depends on beside the profile.
  std::string base(const CalibrationText& text) const {
    return concat(fingerprint_, " ", describe(text).sha256, " ", comparison_.core().kernels().name,
                  " ", name(comparison_.core().activations()), " ", options_.engine.page_tokens);
  }

  std::size_t bytes(const HeadProfile& profile) const {
    return kv_bytes(profile, comparison_.core().pages().shape(), comparison_.context_tokens());
  }

  MeasuredText described(const CalibrationText& text) const {
    MeasuredText out = describe(text);
    out.page_tokens = comparison_.core().pages().shape().page_tokens;
    out.dense_bytes = bytes(comparison_.dense());
    return out;
  }

  std::size_t bytes_read(const HeadProfile& profile) const {
    return kv_bytes_read(profile, comparison_.core().pages().shape(), comparison_.context_tokens());
  }

  Status check_trial() const {
    HeadProfile local = comparison_.dense();
    for (HeadPolicy& policy : local.policies) policy = options_.trial;
    if (bytes(local) < bytes(comparison_.dense())) return Done{};
    return invalid("measure heads: ", options_.trial.sink_tokens, " first tokens and a window of ",
                   options_.trial.window_tokens, " leave out no page of ",
                   comparison_.context_tokens(), " tokens");
  }

  void report(const char* activity, double fraction) const {
    if (options_.progress) options_.progress(activity, fraction);
  }

  // Attention mass and prefix shift of every head, on dense passes.
  void measure_evidence() {
    const ModelConfig& config = comparison_.model().config();
    AttentionMass mass(comparison_.core(), kMassRowsPerStep);
    comparison_.core().backend().transformer().show(&mass);
    double done = 0;
    for (const ComparedText& text : calibration_.sequences) {
      report("measuring attention", kMassDone * done++ / calibration_.sequences.size());
      comparison_.pass_dense(text.tokens);
    }
    comparison_.core().backend().transformer().show(nullptr);
    for (int layer = 0; layer < config.layers; ++layer) {
      for (int head = 0; head < config.kv_heads; ++head) {
        result_.file.heads.push_back(mass.evidence(layer, head));
      }
    }
    measure_shift();
  }

  // The end of each sequence behind its own beginning and behind that of the next. Left out for
  // fewer than two sequences, or too short ones.
  void measure_shift() {
    const ModelConfig& config = comparison_.model().config();
    const auto& texts = calibration_.sequences;
    std::size_t shortest = texts[0].tokens.size();
    for (const ComparedText& text : texts) shortest = std::min(shortest, text.tokens.size());
    if (texts.size() < 2 || shortest < 2 * kShiftTokens) return;
    const int end = static_cast<int>(shortest);
    PrefixShift shift(config, end - kShiftCompared, end);
    comparison_.core().backend().transformer().show(&shift);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::span<const TokenId> first = std::span(texts[i].tokens).first(shortest);
      std::vector<TokenId> second(first.begin(), first.end());
      const std::vector<TokenId>& other = texts[(i + 1) % texts.size()].tokens;
      std::copy_n(other.begin(), shortest - kShiftTokens, second.begin());
      shift.begin_first();
      comparison_.pass_dense(first);
      shift.begin_second();
      comparison_.pass_dense(second);
    }
    comparison_.core().backend().transformer().show(nullptr);
    for (std::size_t i = 0; i < result_.file.heads.size(); ++i) {
      const int head = static_cast<int>(i);
      result_.file.heads[i].prefix_shift =
          shift.shift(head / config.kv_heads, head % config.kv_heads);
    }
  }

  // The mass that a head has beyond the trial's window.
  double far_mass(const HeadEvidence& head) const {
    const std::vector<int> bins = distance_bins(comparison_.context_tokens());
    double sum = 0;
    for (std::size_t bin = 1; bin < head.mass.size(); ++bin) {
      if (bins[bin] >= options_.trial.window_tokens) sum += head.mass[bin];
    }
    return sum;
  }

  Status measure_effects() {
    std::vector<HeadEvidence>& heads = result_.file.heads;
    EffectOptions options{.trial = options_.trial, .negligible_kl = options_.budget_kl / 50};
    options.order.resize(heads.size());
    std::iota(options.order.begin(), options.order.end(), 0);
    std::stable_sort(options.order.begin(), options.order.end(), [&](int a, int b) {
      return far_mass(heads[static_cast<std::size_t>(a)]) <
             far_mass(heads[static_cast<std::size_t>(b)]);
    });
    options.most_at_once = options_.most_at_once;
    options.settled = [&](std::size_t count) {
      report("measuring what heads do", kMassDone + (kEffectsDone - kMassDone) *
                                                        static_cast<double>(count) /
                                                        static_cast<double>(heads.size()));
    };
    REDKNOT_TRY(effects_, find_effects(comparison_.dense(), options,
                                       [this](std::span<const HeadProfile> profiles) {
                                         return trials_.effects(profiles);
                                       }));
    for (std::size_t i = 0; i < heads.size(); ++i) {
      heads[i].effect_kl = effects_[i].kl;
      heads[i].effect_heads = effects_[i].group_size;
    }
    return Done{};
  }

  // A sixteenth, an eighth and a quarter of the pages, beside a window of two.
  std::vector<HeadPolicy> selections() const {
    const int page_tokens = options_.engine.page_tokens;
    const int pages = comparison_.context_tokens() / page_tokens;
    std::vector<HeadPolicy> out;
    for (const int share : {16, 8, 4}) {
      if (pages < 2 * share) continue;
      out.push_back({.head_class = HeadClass::kRetrieval,
                     .sink_tokens = options_.trial.sink_tokens,
                     .window_tokens = 2 * page_tokens,
                     .top_pages = pages / share});
    }
    return out;
  }

  Status choose() {
    PolicySearchOptions options{.budget_kl = kSearchShare * options_.budget_kl,
                                .sink_tokens = options_.trial.sink_tokens};
    for (const int window : options_.windows) {
      if (window < comparison_.context_tokens()) options.windows.push_back(window);
    }
    options.try_q8 = options_.try_q8;
    options.selections = selections();
    options.bytes = [this](const HeadProfile& profile) { return bytes(profile); };
    options.bytes_read = [this](const HeadProfile& profile) { return bytes_read(profile); };
    options.divergence = [this](const HeadProfile& profile) { return trials_.whole(profile); };
    options.progress = [this](double fraction) {
      report("choosing policies", kEffectsDone + (kSearchDone - kEffectsDone) * fraction);
    };
    REDKNOT_TRY(PolicySearchResult found, search_policies(comparison_.dense(), effects_, options));
    if (!std::isfinite(found.trials.front().divergence.kl_mean)) {
      return Error(ErrorCode::kCorrupt, "measure predictions: the model's logits are not finite");
    }
    std::erase_if(found.trials, [](const ProfileTrial& trial) {
      return !std::isfinite(trial.divergence.kl_mean);
    });
    result_.chosen = found.trial;
    result_.file.profile = std::move(found.profile);
    mark_context_bound(result_.file);
    result_.file.curve = std::move(found.trials);
    return Done{};
  }

  const ProfilingOptions& options_;
  DenseComparison& comparison_;
  const CalibrationText& calibration_;
  const CalibrationText& validation_;
  std::string fingerprint_;
  Trials trials_, proof_;
  std::vector<HeadEffect> effects_;
  ProfilingResult result_;
};

}  // namespace

Result<ProfilingResult> make_profile(const ProfilingOptions& options,
                                     const CalibrationText& calibration,
                                     const CalibrationText& validation) {
  REDKNOT_CHECK(!calibration.sequences.empty() && !validation.sequences.empty());
  REDKNOT_TRY(DenseComparison comparison, DenseComparison::open(options.engine));
  REDKNOT_TRY(TrialJournal journal, TrialJournal::open(options.journal));
  REDKNOT_TRY(ProfilingResult result,
              Profiling(options, comparison, journal, calibration, validation).make());
  return result;
}

Result<ProfileFile> unvalidated_profile(const std::filesystem::path& path, HeadProfile profile) {
  REDKNOT_TRY(const Model model, Model::open(path));
  const ModelConfig& config = model.config();
  if (profile.layers != config.layers || profile.kv_heads != config.kv_heads) {
    return invalid("it is for ", profile.layers, " layers x ", profile.kv_heads,
                   " KV heads, the model has ", config.layers, " x ", config.kv_heads);
  }
  ThreadPool threads(available_cores());
  ProfileFile file{.model_name = config.name, .fingerprint = fingerprint(model, threads)};
  file.profile = std::move(profile);
  return file;
}

}  // namespace redknot
