// SPDX-License-Identifier: Apache-2.0
#include "profiler/head_estimates.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

// A head whose estimate is above so many even shares of the budget is worth a trial of its own.
constexpr double kWorthATrial = 2;
// Of the divergence that a group of heads may have without being taken apart: formats to windows.
constexpr double kFormatGroup = 2.5;
// The second window that is tried: the largest candidate of at most this part of the largest.
constexpr int kSecondWindow = 4;

class Estimation {
 public:
  Estimation(const HeadProfile& dense, const EstimateOptions& options, const KlOfProfiles& kl_of)
      : dense_(dense), options_(options), kl_of_(kl_of) {}

  Result<HeadEstimates> estimate() {
    const std::size_t heads = dense_.policies.size();
    out_.heads.resize(heads);
    expect(heads + heads / 2 * (1 + options_.selections.size()) + format_trials());
    REDKNOT_TRY(out_.effects, find_effects(dense_, options_.effects, kl_of_));
    for (std::size_t head = 0; head < heads; ++head) {
      anchors_.push_back({{options_.effects.trial.window_tokens, share(out_.effects[head])}});
    }
    REDKNOT_RETURN_IF_ERROR(try_second_window());
    for (std::size_t head = 0; head < heads; ++head) add_reads(head);
    REDKNOT_RETURN_IF_ERROR(try_selections());
    REDKNOT_RETURN_IF_ERROR(try_formats());
    return std::move(out_);
  }

 private:
  // A window that was tried with a head, and what it cost.
  struct Anchor {
    int window = 0;
    double kl = 0;
  };

  static double share(const HeadEffect& effect) { return effect.kl / effect.group_size; }
  double even_share() const {
    return options_.budget_kl / static_cast<double>(dense_.policies.size());
  }

  HeadPolicy local(int window) const {
    return {.head_class = HeadClass::kLocal,
            .sink_tokens = options_.effects.trial.sink_tokens,
            .window_tokens = window};
  }

  // From the largest window that was tried and is no larger, or else from the smallest.
  double window_kl(std::size_t head, int window) const {
    const std::vector<Anchor>& anchors = anchors_[head];
    const Anchor* from = &anchors.front();
    for (const Anchor& anchor : anchors) {
      if (anchor.window <= window) from = &anchor;
    }
    const double tried = options_.window_error(head, from->window);
    if (tried <= 0 || from->window == window) return from->kl;
    double kl = from->kl * options_.window_error(head, window) / tried;
    // What a larger window costs, a smaller one does, too.
    for (const Anchor& anchor : anchors) {
      if (anchor.window > window) kl = std::max(kl, anchor.kl);
    }
    return kl;
  }

  // Trials of one head's policy each.
  Result<std::vector<double>> try_alone(std::span<const std::size_t> heads, HeadPolicy policy) {
    std::vector<double> out;
    for (std::size_t first = 0; first < heads.size(); first += options_.effects.most_at_once) {
      const std::size_t end = std::min(heads.size(), first + options_.effects.most_at_once);
      std::vector<HeadProfile> profiles;
      for (std::size_t i = first; i < end; ++i) {
        HeadPolicy& own = profiles.emplace_back(dense_).policies[heads[i]];
        policy.kv_format = own.kv_format;
        own = policy;
      }
      REDKNOT_TRY(const std::vector<double> kls, kl_of_(profiles));
      out.insert(out.end(), kls.begin(), kls.end());
    }
    return out;
  }

  // Heads that a window of so many tokens would cost more than is due to them.
  std::vector<std::size_t> hurt_by(int window) const {
    std::vector<std::size_t> heads;
    for (std::size_t head = 0; head < dense_.policies.size(); ++head) {
      if (window_kl(head, window) > kWorthATrial * even_share()) heads.push_back(head);
    }
    return heads;
  }

  int second_window() const {
    int second = 0;
    for (const int window : options_.windows) {
      if (window <= options_.windows.back() / kSecondWindow) second = window;
    }
    return second;
  }

  Status try_second_window() {
    const int window = second_window();
    if (window <= options_.effects.trial.window_tokens) return Done{};
    const std::vector<std::size_t> heads = hurt_by(window);
    expect(heads.size() * (1 + options_.selections.size()) + format_trials());
    REDKNOT_TRY(const std::vector<double> kls, try_alone(heads, local(window)));
    for (std::size_t i = 0; i < heads.size(); ++i) anchors_[heads[i]].push_back({window, kls[i]});
    return Done{};
  }

  // What the head may read, in the dense format.
  void add_reads(std::size_t head) {
    out_.heads[head].push_back({.policy = dense_.policies[head]});
    for (const int window : options_.windows) {
      HeadPolicy policy = local(window);
      policy.kv_format = dense_.policies[head].kv_format;
      out_.heads[head].push_back({.policy = policy, .kl = window_kl(head, window)});
    }
  }

  Status try_selections() {
    if (options_.windows.empty()) return Done{};
    std::vector<std::size_t> heads = hurt_by(second_window());
    expect(heads.size() * options_.selections.size() + format_trials());
    for (const HeadPolicy& selection : options_.selections) {
      REDKNOT_TRY(const std::vector<double> kls, try_alone(heads, selection));
      std::vector<std::size_t> unhurt;
      for (std::size_t i = 0; i < heads.size(); ++i) {
        HeadPolicy policy = selection;
        policy.kv_format = dense_.policies[heads[i]].kv_format;
        out_.heads[heads[i]].push_back({.policy = policy, .kl = kls[i]});
        if (kls[i] <= kWorthATrial * even_share()) unhurt.push_back(heads[i]);
      }
      heads = std::move(unhurt);
    }
    return Done{};
  }

  // Every read in every format.
  Status try_formats() {
    const auto reads = out_.heads;
    expect(format_trials());
    for (const KvFormat format : options_.formats) {
      EffectOptions effects = options_.effects;
      effects.change = [format](HeadPolicy& policy) { policy.kv_format = format; };
      // Formats cost little: all heads at once, and what is left of a group is shared evenly.
      effects.first_group = dense_.policies.size();
      effects.negligible_kl *= kFormatGroup;
      REDKNOT_TRY(const std::vector<HeadEffect> found, find_effects(dense_, effects, kl_of_));
      for (std::size_t head = 0; head < reads.size(); ++head) {
        for (HeadOption option : reads[head]) {
          option.policy.kv_format = format;
          option.format_kl = share(found[head]);
          option.kl += option.format_kl;
          out_.heads[head].push_back(option);
        }
      }
    }
    return Done{};
  }

  void expect(std::size_t trials) const {
    if (options_.to_come) options_.to_come(trials);
  }
  // Some formats are taken apart, most are not.
  std::size_t format_trials() const {
    return options_.formats.size() * (1 + dense_.policies.size() / 4);
  }

  const HeadProfile& dense_;
  const EstimateOptions& options_;
  const KlOfProfiles& kl_of_;
  std::vector<std::vector<Anchor>> anchors_;  // by head, of increasing windows
  HeadEstimates out_;
};

}  // namespace

Result<HeadEstimates> estimate_heads(const HeadProfile& dense, const EstimateOptions& options,
                                     const KlOfProfiles& kl_of) {
  REDKNOT_CHECK(options.window_error != nullptr);
  return Estimation(dense, options, kl_of).estimate();
}

}  // namespace redknot
