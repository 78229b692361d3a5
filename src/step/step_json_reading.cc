// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/error.h"
#include "step/json_entries.h"
#include "step/step_json.h"

namespace redknot {
namespace {

constexpr std::size_t kWordDigits = 16;

// Words of 16 hexadecimal digits, one behind the other.
Result<std::vector<std::uint64_t>> read_words(const Fields& fields, const char* name) {
  REDKNOT_TRY(const std::string text, fields.text(name));
  std::vector<std::uint64_t> words;
  for (std::size_t at = 0; at < text.size(); at += kWordDigits) {
    const char* const begin = text.data() + at;
    const char* const end = begin + std::min(kWordDigits, text.size() - at);
    std::uint64_t word = 0;
    const auto [rest, error] = std::from_chars(begin, end, word, 16);
    if (error != std::errc() || rest != end || rest != begin + kWordDigits) {
      return corrupt(fields.at(name), " is not made of 16 hexadecimal digits a word");
    }
    words.push_back(word);
  }
  return words;
}

Result<std::uint64_t> read_word(const Fields& fields, const char* name) {
  REDKNOT_TRY(const std::vector<std::uint64_t> words, read_words(fields, name));
  if (words.size() != 1) return corrupt(fields.at(name), " is not one word");
  return words.front();
}

Status read_real(const Fields& fields, const char* name, float& out) {
  REDKNOT_TRY(const std::int64_t bits, fields.integer(name, 0, kMostId));
  out = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  return Done{};
}

Status read_slices(const Fields& fields, StepPlan& plan) {
  return read_each(fields, "slices", [&plan](const Json& json) {
    Entries entries(json, 5, "slices");
    plan.slices.push_back({.sequence = SequenceId{entries.id()},
                           .first_row = entries.count(),
                           .rows = entries.count(),
                           .measure = static_cast<Measure>(entries.integer(0, 2)),
                           .returns_logits = entries.flag()});
    return entries.status();
  });
}

Status read_groups(const Fields& fields, StepPlan& plan) {
  return read_each(fields, "ffn_groups", [&plan](const Json& json) {
    Entries entries(json, 7, "ffn_groups");
    plan.ffn_groups.push_back({.first_row = entries.count(),
                               .rows = entries.count(),
                               .recent_rows = entries.any_int(),
                               .sparse = {.dense_until = entries.any_int(),
                                          .mass = entries.real(),
                                          .deep_start = entries.any_int(),
                                          .mass_deep = entries.real()}});
    return entries.status();
  });
}

Status read_page_ops(const Fields& fields, StepPlan& plan) {
  return read_each(fields, "page_ops", [&plan](const Json& json) {
    Entries entries(json, 10, "page_ops");
    PageOp op{.kind = static_cast<PageOp::Kind>(entries.integer(0, 5)),
              .sequence = SequenceId{entries.id()},
              .head = entries.any_int()};
    op.entry = {.page = PageId{entries.id()},
                .frame = FrameId{entries.id()},
                .position = entries.any_int(),
                .tokens = entries.any_int(),
                .shift = entries.any_int(),
                .reused = entries.flag()};
    op.from = FrameId{entries.id()};
    plan.page_ops.push_back(op);
    return entries.status();
  });
}

Result<Sampling> read_sampling(const Fields& fields) {
  Sampling out;
  REDKNOT_RETURN_IF_ERROR(read_real(fields, "temperature", out.temperature));
  REDKNOT_RETURN_IF_ERROR(read_int(fields, "top_k", kLeastInt, kMostInt, out.top_k));
  REDKNOT_RETURN_IF_ERROR(read_real(fields, "top_p", out.top_p));
  REDKNOT_RETURN_IF_ERROR(read_real(fields, "min_p", out.min_p));
  REDKNOT_RETURN_IF_ERROR(read_real(fields, "repetition_penalty", out.repetition_penalty));
  REDKNOT_RETURN_IF_ERROR(read_real(fields, "frequency_penalty", out.frequency_penalty));
  REDKNOT_RETURN_IF_ERROR(read_real(fields, "presence_penalty", out.presence_penalty));
  REDKNOT_RETURN_IF_ERROR(
      read_int(fields, "penalty_tokens", kLeastInt, kMostInt, out.penalty_tokens));
  REDKNOT_RETURN_IF_ERROR(read_each(fields, "logit_bias", [&out](const Json& json) {
    Entries entries(json, 2, "logit_bias");
    const int token = entries.any_int();
    out.logit_bias.emplace_back(token, entries.real());
    return entries.status();
  }));
  REDKNOT_TRY(out.seed, read_word(fields, "seed"));
  REDKNOT_RETURN_IF_ERROR(
      read_int(fields, "log_probabilities", kLeastInt, kMostInt, out.log_probabilities));
  return out;
}

Status read_samples(const Fields& fields, StepPlan& plan) {
  return read_each(fields, "samples", [&plan](const Json& json) -> Status {
    const Fields own(json, "samples[]");
    RowSample sample;
    REDKNOT_RETURN_IF_ERROR(read_int(own, "row", 0, kMostInt, sample.row));
    REDKNOT_RETURN_IF_ERROR(read_int(own, "position", kLeastInt, kMostInt, sample.position));
    REDKNOT_TRY(const Fields sampling, own.object("sampling"));
    REDKNOT_TRY(sample.sampling, read_sampling(sampling));
    REDKNOT_RETURN_IF_ERROR(read_tokens(own, "history", sample.history));
    REDKNOT_TRY(sample.allowed, read_words(own, "allowed"));
    plan.samples.push_back(std::move(sample));
    return Done{};
  });
}

Status read_sampled(const Fields& fields, RecordedStep& step) {
  REDKNOT_RETURN_IF_ERROR(read_each(fields, "sampled", [&step](const Json& json) -> Status {
    Entries entries(json, 4, "sampled");
    SampledToken sampled{.token = entries.token(), .usable = entries.flag()};
    sampled.log_probability = entries.real();
    const Json& top = entries.list();
    REDKNOT_RETURN_IF_ERROR(entries.status());
    if (!top.is_array()) return corrupt("an entry of sampled does not end with a list");
    for (const Json& json_of_one : top) {
      Entries one(json_of_one, 2, "sampled");
      const TokenId token = one.token();
      sampled.top.push_back({.token = token, .log_probability = one.real()});
      REDKNOT_RETURN_IF_ERROR(one.status());
    }
    step.sampled.push_back(std::move(sampled));
    return Done{};
  }));
  if (step.sampled.size() == step.plan.samples.size()) return Done{};
  return corrupt("\"sampled\" has ", step.sampled.size(), " entries, \"samples\" ",
                 step.plan.samples.size());
}

Status read_results(const Fields& fields, RecordedStep& step) {
  REDKNOT_RETURN_IF_ERROR(read_each(fields, "results", [&step](const Json& json) -> Status {
    const Fields own(json, "results[]");
    RecordedSlice slice;
    REDKNOT_TRY(const std::uint64_t flops, read_word(own, "flops"));
    slice.flops = std::bit_cast<double>(flops);
    REDKNOT_TRY(slice.logits, own.text("logits"));
    REDKNOT_RETURN_IF_ERROR(read_each(own, "deviations", [&slice](const Json& entry) -> Status {
      const std::optional<std::int64_t> bits = integer_of(entry);
      if (!bits || *bits < 0 || *bits > kMostId) return corrupt("a deviation is not 32 bits");
      slice.deviations.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(*bits)));
      return Done{};
    }));
    REDKNOT_RETURN_IF_ERROR(read_each(own, "page_mass", [&slice](const Json& entry) -> Status {
      const std::optional<std::int64_t> mass = integer_of(entry);
      if (!mass) return corrupt("an entry of page_mass is no integer");
      slice.page_mass.push_back(*mass);
      return Done{};
    }));
    step.slices.push_back(std::move(slice));
    return Done{};
  }));
  if (step.slices.size() == step.plan.slices.size()) return Done{};
  return corrupt("\"results\" has ", step.slices.size(), " entries, \"slices\" ",
                 step.plan.slices.size());
}

Result<RecordedStep> read_step(const Fields& fields) {
  RecordedStep step;
  StepPlan& plan = step.plan;
  REDKNOT_RETURN_IF_ERROR(read_tokens(fields, "tokens", plan.tokens));
  REDKNOT_RETURN_IF_ERROR(read_ints(fields, "positions", plan.positions));
  REDKNOT_RETURN_IF_ERROR(read_slices(fields, plan));
  REDKNOT_RETURN_IF_ERROR(read_ints(fields, "logit_rows", plan.logit_rows));
  REDKNOT_RETURN_IF_ERROR(read_ints(fields, "depths", plan.depths));
  REDKNOT_RETURN_IF_ERROR(read_groups(fields, plan));
  REDKNOT_RETURN_IF_ERROR(read_samples(fields, plan));
  REDKNOT_RETURN_IF_ERROR(read_page_ops(fields, plan));
  REDKNOT_RETURN_IF_ERROR(read_sampled(fields, step));
  REDKNOT_RETURN_IF_ERROR(read_results(fields, step));
  return step;
}

}  // namespace

Result<RecordedStep> parse_step(std::string_view line) {
  const Json json = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return corrupt("it is not a JSON object");
  Result<RecordedStep> step = read_step(Fields(json, ""));
  if (!step.ok()) return as_corrupt(step.error());
  return step;
}

}  // namespace redknot
