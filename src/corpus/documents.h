// SPDX-License-Identifier: Apache-2.0
// A world put into prose.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/names.h"
#include "corpus/random.h"
#include "corpus/world.h"

namespace redknot::corpus {

struct WritingOptions {
  Split split = Split::kTrain;
  bool easy = false;          // the subject's name in every sentence
  int budget_tokens = 512;    // all documents together
  int document_tokens = 100;  // filler is added until a document has about that many
};

// Where a document may stand among the others.
struct DocumentOrder {
  int subject = 0;         // documents of a subject keep their order
  bool continues = false;  // it stands right behind the one before it
};

struct WrittenDocument {
  std::string text;
  DocumentOrder order;
};

// Writes documents of one subject after the other until the budget is full, marks their facts as
// stated, and corrects some. Documents come in random order, but a continuation follows the
// document that it continues, and a correction comes later than what it corrects.
std::vector<WrittenDocument> write_documents(const WritingOptions& options,
                                             const std::function<int(std::string_view)>& count,
                                             World& world, NameMaker& names, Random& random);

}  // namespace redknot::corpus
