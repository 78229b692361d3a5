// SPDX-License-Identifier: Apache-2.0
#include "corpus/task.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "corpus/code_tasks.h"
#include "corpus/generated_tasks.h"

namespace redknot::corpus {

namespace {

constexpr std::array<std::string_view, 4> kScorings = {"f1", "edit_similarity", "fields", "items"};

}  // namespace

std::string_view name_of(Scoring scoring) { return kScorings[static_cast<std::size_t>(scoring)]; }

std::optional<Scoring> scoring_named(std::string_view name) {
  const auto* const found = std::find(kScorings.begin(), kScorings.end(), name);
  if (found == kScorings.end()) return std::nullopt;
  return static_cast<Scoring>(found - kScorings.begin());
}

Task task_of(Sample sample, std::size_t turn) {
  REDKNOT_CHECK(turn < sample.turns.size());
  sample.turns.resize(turn + 1);
  const Turn& asked = sample.turns.back();
  Task task{.kind = std::string(name_of(asked.kind)), .answers = {asked.answer}};
  task.sample = std::move(sample);
  return task;
}

Result<Task> make_task(Kind kind, const TaskOptions& options, const CountTokens& count,
                       Random& random) {
  switch (kind) {
    case Kind::kExtraction:
      return make_extraction(options, count, random);
    case Kind::kKeys:
      return make_keys(options, count, random);
    case Kind::kVariables:
      return make_variables(options, count, random);
    case Kind::kFrequentWords:
      return make_frequent_words(options, count, random);
    case Kind::kCode:
      if (options.code == nullptr) return invalid("make a task of code: without a folder of it");
      return options.code->task(options, count, random);
    default:
      break;
  }
  SampleOptions about{.split = Split::kTest, .document_tokens = options.document_tokens};
  about.mix[static_cast<std::size_t>(kind)] = 1;
  REDKNOT_TRY(Sample sample, make_sample(about, count, random));
  const std::size_t last = sample.turns.size() - 1;
  return task_of(std::move(sample), last);
}

}  // namespace redknot::corpus
