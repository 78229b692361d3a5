// SPDX-License-Identifier: Apache-2.0
// The corpus: documents about invented people, companies, cities and events, and questions about
// them whose answers are known exactly. Training text and evaluation questions both come from here,
// so that the two cannot drift. Seeded; equal seeds give equal samples on every machine.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/documents.h"
#include "corpus/names.h"
#include "corpus/random.h"
#include "redknot/result.h"

namespace redknot::corpus {

enum class Kind {
  kOneHop,        // a fact of one document
  kTwoHop,        // "where does the sister of X live?", over two documents
  kComparison,    // which of two came first
  kCounting,      // how many subjects share a value
  kAlias,         // a name that one document defines and another uses
  kContinuation,  // a document that says "she" of the subject of the document before it
  kCorrection,    // the latest of several documents wins
  kQuote,         // the sentence that says it, word for word
  kNotStated,     // no document says it
  kChat,          // a further question about the subject of the turn before
  kKeyValue,      // a value of a JSON object of UUIDs
  kPasskey,       // five digits in filler
  // Not of samples, but of tasks (task.h): no training has them.
  kExtraction,     // facts of several documents into JSON of a schema
  kKeys,           // a key among keys
  kVariables,      // variables that are assigned a value through others
  kFrequentWords,  // the three most frequent of coded words
  kCode,           // the next line of a file, other files of its repository as documents
};
inline constexpr int kKinds = 12;     // of samples
inline constexpr int kAllKinds = 17;  // and of tasks

std::string_view name_of(Kind kind);                    // "one_hop"
std::optional<Kind> kind_named(std::string_view name);  // of name_of

// What a sample is like. Only kProse has aliases, continuations and corrections.
enum class Style {
  kProse,  // documents of 50 to 600 tokens with filler and pronouns, perhaps a system text
  kEasy,   // documents of a few sentences, each with its subject's name; short names
  kDense,  // the same with names of any length, and all subjects have the same two or three facts,
           // so that only the name tells which document answers
};
inline constexpr std::array kStyles = {Style::kProse, Style::kEasy, Style::kDense};
std::string_view name_of(Style style);                    // "prose", "easy", "dense"
std::optional<Style> style_named(std::string_view name);  // of name_of

struct Turn {
  Kind kind = Kind::kOneHop;
  std::string question;
  std::string answer;
};

struct Sample {
  std::string system{};                  // may be empty
  std::vector<std::string> documents{};  // in the order of the prompt
  std::vector<Turn> turns{};
  std::vector<DocumentOrder> order{};  // of the documents; empty: any will do
};

// How many tokens a text has; the generator calls it for every document.
using CountTokens = std::function<int(std::string_view)>;

struct SampleOptions {
  Split split = Split::kTrain;
  Style style = Style::kProse;
  int document_tokens = 512;         // all documents together, at most and nearly
  int turns = 1;                     // at most; fewer when the documents answer no more
  std::array<double, kKinds> mix{};  // how often each kind is asked, relative
};

// A sample with one turn at least; kInvalidArgument if no question of the mix fits the budget. For
// kChat, its turn follows another about the same subject.
Result<Sample> make_sample(const SampleOptions& options, const CountTokens& count, Random& random);

// Puts the documents in another order that says the same: those of a subject keep theirs, and a
// continuation stays behind what it continues.
void shuffle_documents(Sample& sample, Random& random);

// The sample up to and with question `turn`, and all answers before it, in the format that the
// default model is trained on; ends where the answer begins. Special tokens are in the text.
std::string prompt_text(const Sample& sample, std::size_t turn);
// How an answer follows its prompt.
std::string answer_text(const Turn& turn);

}  // namespace redknot::corpus
