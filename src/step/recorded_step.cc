// SPDX-License-Identifier: Apache-2.0
#include "step/recorded_step.h"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/sha256.h"

namespace redknot {
namespace {

bool has_logit_rows(const StepPlan& plan, const StepSlice& slice) {
  const auto first =
      std::lower_bound(plan.logit_rows.begin(), plan.logit_rows.end(), slice.first_row);
  return first != plan.logit_rows.end() && *first < slice.first_row + slice.rows;
}

std::string digest_of(std::span<const float> logits) {
  if (logits.empty()) return {};
  Sha256 digest;
  digest.add(std::as_bytes(logits));
  return hex(std::move(digest).finish());
}

bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

bool same_floats(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float one, float other) { return same_bits(one, other); });
}

bool same_probabilities(const SampledToken& a, const SampledToken& b) {
  const auto same = [](const TokenLogProbability& one, const TokenLogProbability& other) {
    return one.token == other.token && same_bits(one.log_probability, other.log_probability);
  };
  return same_bits(a.log_probability, b.log_probability) &&
         std::equal(a.top.begin(), a.top.end(), b.top.begin(), b.top.end(), same);
}

std::string said(const SampledToken& sampled) {
  return sampled.usable ? std::to_string(static_cast<int>(sampled.token)) : "no token";
}

std::optional<std::string> sample_difference(const SampledToken& record,
                                             const SampledToken& replayed) {
  if (record.usable != replayed.usable || record.token != replayed.token) {
    return concat("sampled ", said(replayed), ", recorded ", said(record));
  }
  if (!same_probabilities(record, replayed)) return "log-probabilities differ";
  return std::nullopt;
}

std::optional<std::string> slice_difference(const RecordedSlice& record,
                                            const RecordedSlice& replayed) {
  if (record.logits != replayed.logits) return "logits differ";
  if (!same_floats(record.deviations, replayed.deviations)) return "deviations differ";
  if (record.page_mass != replayed.page_mass) return "the attention given to pages differs";
  if (!same_bits(record.flops, replayed.flops)) {
    return concat("took ", replayed.flops, " flops, recorded ", record.flops);
  }
  return std::nullopt;
}

std::string of_sequence(const StepSlice& slice, const std::string& what) {
  return concat("sequence ", static_cast<std::uint32_t>(slice.sequence), ": ", what);
}

}  // namespace

StepPlan with_all_logits(StepPlan plan) {
  for (StepSlice& slice : plan.slices) slice.returns_logits = has_logit_rows(plan, slice);
  return plan;
}

RecordedStep recorded(StepPlan plan, const StepResult& result) {
  RecordedStep out{.plan = std::move(plan), .sampled = result.sampled};
  for (const SliceResult& slice : result.slices) {
    out.slices.push_back({.flops = slice.flops,
                          .logits = digest_of(slice.logits),
                          .deviations = slice.deviations,
                          .page_mass = slice.page_mass});
  }
  return out;
}

std::optional<std::string> first_difference(const RecordedStep& record,
                                            const RecordedStep& replayed) {
  REDKNOT_CHECK(record.sampled.size() == replayed.sampled.size());
  REDKNOT_CHECK(record.slices.size() == replayed.slices.size());
  std::size_t sample = 0;
  for (std::size_t i = 0; i < record.slices.size(); ++i) {
    const StepSlice& slice = record.plan.slices[i];
    const int end = slice.first_row + slice.rows;
    for (; sample < record.sampled.size() && record.plan.samples[sample].row < end; ++sample) {
      const auto found = sample_difference(record.sampled[sample], replayed.sampled[sample]);
      if (found) return of_sequence(slice, *found);
    }
    const auto found = slice_difference(record.slices[i], replayed.slices[i]);
    if (found) return of_sequence(slice, *found);
  }
  return std::nullopt;
}

}  // namespace redknot
