// SPDX-License-Identifier: Apache-2.0
// Files of questions, in all the forms that are read, and what answers to them come to.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "eval/questions_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto tasks = redknot::eval::parse_questions(text, 0, "fuzz");
  if (!tasks.ok()) return 0;
  for (const redknot::corpus::Task& task : *tasks) {
    if (task.answers.empty() || task.sample.turns.size() != 1) std::abort();
    if (task.sample.documents.size() > redknot::eval::kMaxQuestionDocuments) std::abort();
    using redknot::corpus::Scoring;
    for (const Scoring scoring :
         {Scoring::kText, Scoring::kLine, Scoring::kFields, Scoring::kItems}) {
      const auto found = redknot::eval::score(scoring, task.answers, task.answers.front());
      for (const double part : {found.exact_match, found.partial, found.contains}) {
        if (!(part >= 0 && part <= 1)) std::abort();
      }
    }
  }
  return 0;
}
