// SPDX-License-Identifier: Apache-2.0
#include "profiler/profiling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "model/fingerprint.h"
#include "profiler/attention_mass.h"
#include "profiler/head_estimates.h"
#include "profiler/policy_search.h"
#include "profiler/prefix_shift.h"
#include "profiler/text_digest.h"
#include "profiler/trials.h"
#include "profiler/work_estimate.h"

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

constexpr int kMassRowsPerStep = 32;
// The end of a text behind two prefixes, how much of it is compared, and of how many tokens with
// its prefix.
constexpr int kShiftTokens = 64;
constexpr int kShiftCompared = 32;
constexpr int kMostShiftTokens = 1024;
// Where predictions on other text move by more than the budget, it is searched again with as much
// less and a little, so often.
constexpr double kSearchAgain = 0.95;
constexpr int kMostSearches = 3;
// Trials of whole profiles that a search takes, about, and one that goes on from another.
constexpr double kUsualTrials = 5, kTrialsAgain = 2;
// Floats of dense logits that are kept: 1 GiB.
constexpr std::size_t kMostSearchFloats = std::size_t{256} << 20;

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
        clock_(options.progress),
        trials_(comparison, journal, calibration.sequences, search_options()),
        proof_(comparison, journal, validation.sequences, proof_options()),
        mass_(comparison.core(), kMassRowsPerStep, comparison.context_tokens() / 2) {}

  Result<ProfilingResult> make() {
    ProfileFile& file = result_.file;
    file.model_name = comparison_.model().config().name;
    file.fingerprint = fingerprint_;
    file.budget_kl = options_.budget_kl;
    file.calibration = described(calibration_);
    file.validation = described(validation_);
    REDKNOT_RETURN_IF_ERROR(check_trial());
    expect_work();
    measure_evidence();
    measure_shift();
    REDKNOT_TRY(const HeadEstimates estimates, estimate());
    REDKNOT_RETURN_IF_ERROR(choose_and_validate(estimates.heads));
    result_.made = trials_.made() + proof_.made();
    result_.found = trials_.found() + proof_.found();
    return std::move(result_);
  }

 private:
  // All that a trial depends on beside the profile.
  std::string base(const CalibrationText& text) const {
    return concat(fingerprint_, " ", describe(text).sha256, " ", text.sequences[0].most_compared,
                  " ", options_.tokens_behind, " ", comparison_.core().kernels().name, " ",
                  name(comparison_.core().activations()), " ", options_.engine.page_tokens);
  }

  TrialOptions search_options() {
    return {.base = base(calibration_),
            .tokens_behind = options_.tokens_behind,
            .most_kept = kMostSearchFloats,
            .passed = [this](std::size_t tokens) { clock_.done(kind_, tokens); }};
  }

  TrialOptions proof_options() {
    return {.base = base(validation_), .passed = [this](std::size_t tokens) {
              clock_.done(WorkKind::kValidation, 2 * tokens);  // dense, too
            }};
  }

  // Before anything is known of how many trials it takes.
  void expect_work() {
    const auto tokens = static_cast<double>(trials_.tokens());
    clock_.expect(WorkKind::kDense, tokens);
    clock_.expect(WorkKind::kShift, 2.0 * shift_tokens() * texts());
    clock_.expect(WorkKind::kEffects, 2.0 * heads() * static_cast<double>(trials_.tokens_behind()));
    clock_.expect(WorkKind::kWhole, kUsualTrials * tokens);
    clock_.expect(WorkKind::kValidation, 2.0 * static_cast<double>(proof_.tokens()));
  }

  double texts() const { return static_cast<double>(calibration_.sequences.size()); }
  double heads() const { return static_cast<double>(comparison_.dense().policies.size()); }

  void begin(WorkKind kind, const char* activity) {
    kind_ = kind;
    clock_.begin(activity);
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

  // Attention mass of every head, on the dense passes that trials go on from.
  void measure_evidence() {
    begin(WorkKind::kDense, "measuring attention");
    const ModelConfig& config = comparison_.model().config();
    comparison_.core().backend().transformer().show(&mass_);
    trials_.pass_dense();
    comparison_.core().backend().transformer().show(nullptr);
    for (int layer = 0; layer < config.layers; ++layer) {
      for (int head = 0; head < config.kv_heads; ++head) {
        result_.file.heads.push_back(mass_.evidence(layer, head));
      }
    }
  }

  // Of each text, what is passed twice to compare its end behind two prefixes; 0: texts are too few
  // or too short.
  int shift_tokens() const {
    const auto& texts = calibration_.sequences;
    std::size_t shortest = kMostShiftTokens;
    for (const ComparedText& text : texts) shortest = std::min(shortest, text.tokens.size());
    return texts.size() < 2 || shortest < 2 * kShiftTokens ? 0 : static_cast<int>(shortest);
  }

  // The beginning of each sequence, and its end behind the beginning of the next.
  void measure_shift() {
    const int end = shift_tokens();
    if (end == 0) return;
    begin(WorkKind::kShift, "measuring what outputs depend on");
    const ModelConfig& config = comparison_.model().config();
    const auto& texts = calibration_.sequences;
    PrefixShift shift(config, end - kShiftCompared, end);
    comparison_.core().backend().transformer().show(&shift);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto first = std::span(texts[i].tokens).first(static_cast<std::size_t>(end));
      std::vector<TokenId> second(first.begin(), first.end());
      const std::vector<TokenId>& other = texts[(i + 1) % texts.size()].tokens;
      std::copy_n(other.begin(), end - kShiftTokens, second.begin());
      shift.begin_first();
      comparison_.pass_dense(first);
      shift.begin_second();
      comparison_.pass_dense(second);
      clock_.done(WorkKind::kShift, 2 * first.size());
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

  // Heads by far mass, the least first.
  std::vector<int> order() const {
    const std::vector<HeadEvidence>& heads = result_.file.heads;
    std::vector<int> order(heads.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return far_mass(heads[static_cast<std::size_t>(a)]) <
             far_mass(heads[static_cast<std::size_t>(b)]);
    });
    return order;
  }

  // Of windows between two that were looked at, on the line between them in logarithms; a window of
  // the whole context has none.
  double window_error(std::size_t head, int window) const {
    const std::vector<int> bins = distance_bins(comparison_.context_tokens());
    const auto kv_heads = static_cast<std::size_t>(comparison_.model().config().kv_heads);
    const std::vector<double> errors =
        mass_.window_errors(static_cast<int>(head / kv_heads), static_cast<int>(head % kv_heads));
    std::size_t bin = 1;
    while (bin + 2 < bins.size() && bins[bin + 2] <= window) ++bin;
    const double at = errors[bin - 1];
    if (bin + 2 >= bins.size() || window <= bins[bin + 1]) return at;
    if (bin + 3 == bins.size()) {
      return at * (bins[bin + 2] - window) / static_cast<double>(bins[bin + 2] - bins[bin + 1]);
    }
    const double way = std::log2(static_cast<double>(window) / bins[bin + 1]);
    return at > 0 ? at * std::pow(errors[bin] / at, way) : at;
  }

  Result<HeadEstimates> estimate() {
    begin(WorkKind::kEffects, "measuring what heads do");
    EstimateOptions options{
        .budget_kl = options_.budget_kl, .selections = selections(), .formats = options_.formats};
    options.effects = {.trial = options_.trial,
                       .negligible_kl = options_.budget_kl / 50,
                       .order = order(),
                       .most_at_once = options_.most_at_once};
    for (const int window : options_.windows) {
      if (window < comparison_.context_tokens()) options.windows.push_back(window);
    }
    options.window_error = [this](std::size_t head, int window) {
      return window_error(head, window);
    };
    options.to_come = [this](std::size_t trials) {
      clock_.expect(WorkKind::kEffects,
                    static_cast<double>(trials) * static_cast<double>(trials_.tokens_behind()));
    };
    REDKNOT_TRY(HeadEstimates found, estimate_heads(comparison_.dense(), options,
                                                    [this](std::span<const HeadProfile> profiles) {
                                                      return trials_.effects(profiles);
                                                    }));
    clock_.expect(WorkKind::kEffects, 0);
    for (std::size_t i = 0; i < found.effects.size(); ++i) {
      result_.file.heads[i].effect_kl = found.effects[i].kl;
      result_.file.heads[i].effect_heads = found.effects[i].group_size;
    }
    return found;
  }

  // A quarter, an eighth and a sixteenth of the pages, beside a window of two.
  std::vector<HeadPolicy> selections() const {
    const int page_tokens = options_.engine.page_tokens;
    const int pages = comparison_.context_tokens() / page_tokens;
    std::vector<HeadPolicy> out;
    for (const int share : {4, 8, 16}) {
      if (pages < 2 * share) continue;
      out.push_back({.head_class = HeadClass::kRetrieval,
                     .sink_tokens = options_.trial.sink_tokens,
                     .window_tokens = 2 * page_tokens,
                     .top_pages = pages / share});
    }
    return out;
  }

  Status choose_and_validate(const std::vector<std::vector<HeadOption>>& heads) {
    double budget_kl = options_.budget_kl;
    std::optional<EstimateWorth> worth;
    for (int search = 1;; ++search) {
      REDKNOT_TRY(worth, choose(heads, budget_kl, worth));
      REDKNOT_RETURN_IF_ERROR(validate());
      const double proved_kl = result_.file.validated->divergence.kl_mean;
      if (!(proved_kl > options_.budget_kl) || search == kMostSearches) return Done{};
      budget_kl *= kSearchAgain * options_.budget_kl / proved_kl;
      clock_.expect(WorkKind::kWhole, kTrialsAgain * static_cast<double>(trials_.tokens()));
      clock_.expect(WorkKind::kValidation, 2.0 * static_cast<double>(proof_.tokens()));
    }
  }

  // What estimates were worth in the end.
  Result<EstimateWorth> choose(const std::vector<std::vector<HeadOption>>& heads, double budget_kl,
                               std::optional<EstimateWorth> worth) {
    begin(WorkKind::kWhole, "choosing policies");
    PolicySearchOptions options{.budget_kl = budget_kl, .heads = heads, .worth = worth};
    options.bytes = [this](const HeadProfile& profile) { return bytes(profile); };
    options.bytes_read = [this](const HeadProfile& profile) { return bytes_read(profile); };
    options.divergence = [this, limit = options.budget_kl](const HeadProfile& profile) {
      return trials_.whole(profile, limit);
    };
    REDKNOT_TRY(PolicySearchResult found, search_policies(comparison_.dense(), std::move(options)));
    clock_.expect(WorkKind::kWhole, 0);
    if (!std::isfinite(found.trials.front().divergence.kl_mean)) {
      return Error(ErrorCode::kCorrupt, "measure predictions: the model's logits are not finite");
    }
    std::erase_if(found.trials, [](const ProfileTrial& trial) {
      return !std::isfinite(trial.divergence.kl_mean);
    });
    result_.chosen = found.trial;
    result_.file.profile = std::move(found.profile);
    mark_context_bound(result_.file);
    std::vector<ProfileTrial>& curve = result_.file.curve;
    curve.insert(curve.end(), found.trials.begin() + (curve.empty() ? 0 : 1), found.trials.end());
    return found.worth;
  }

  Status validate() {
    begin(WorkKind::kValidation, "validating");
    ProfileFile& file = result_.file;
    file.validated =
        ProfileTrial{.kv_bytes = bytes(file.profile), .kv_bytes_read = bytes_read(file.profile)};
    REDKNOT_TRY(file.validated->divergence, proof_.whole(file.profile));
    return Done{};
  }

  const ProfilingOptions& options_;
  DenseComparison& comparison_;
  const CalibrationText& calibration_;
  const CalibrationText& validation_;
  std::string fingerprint_;
  WorkClock clock_;
  WorkKind kind_ = WorkKind::kDense;  // of what trials_ passes
  Trials trials_, proof_;
  AttentionMass mass_;
  ProfilingResult result_;
};

}  // namespace

Result<ProfilingResult> make_profile(const ProfilingOptions& options,
                                     const CalibrationText& calibration,
                                     const CalibrationText& validation) {
  REDKNOT_CHECK(!calibration.sequences.empty() && !validation.sequences.empty());
  REDKNOT_TRY(
      DenseComparison comparison,
      DenseComparison::open(options.engine, static_cast<int>(calibration.sequences.size())));
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
