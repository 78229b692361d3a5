// SPDX-License-Identifier: Apache-2.0
// What a load asks and when: everything is drawn from the seed before the first request is sent, so
// that a slow server is asked no less (open loop).
//
// Text is named by a seed and made when it is needed (load/text.h): a trace's prompts would not fit
// in memory all at once. Values; any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "load/question_sets.h"
#include "load/trace.h"
#include "redknot/result.h"

namespace redknot::load {

enum class Mix {
  kUnique,     // prompts that share nothing
  kShared,     // documents that many prompts share, in another order each time, and a question
  kMultiTurn,  // conversations: a turn repeats what was said before
  kQuestions,  // about documents of a file
  kTrace,      // as recorded
};

struct WorkloadOptions {
  Mix mix = Mix::kUnique;
  int prompts = 100;                                      // requests in all; of a file at most
  double rate = std::numeric_limits<double>::infinity();  // requests per second; > 0
  std::uint64_t seed = 1;
  int input_tokens = 256;  // kUnique: of a prompt; kMultiTurn: of the first turn
  int output_tokens = 64;  // of an answer, at most; a trace has its own
  int documents = 32;      // kShared: there are
  int document_tokens = 512;
  int documents_per_prompt = 4;  // <= documents
  double zipf = 1;               // kShared: document d is asked for as often as 1 / d^zipf
  int question_tokens = 24;      // kShared; kMultiTurn: of turns after the first
  int turns = 4;
  double think_s = 1;         // kMultiTurn: mean time from one turn's schedule to the next one's
  double speed = 1;           // kTrace: how many times as fast as it was recorded
  int max_input_tokens = 0;   // kTrace: longer prompts are left out; 0: none are
  bool orders_vary = true;    // kQuestions: each prompt has its documents in another order
  bool first_sights = false;  // kQuestions: make Workload::first_sights, too
};

// A stretch of text of a prompt.
struct TextPart {
  std::uint64_t seed = 0;
  int tokens = 0;
  bool reusable = false;                      // a document: the same text will come again elsewhere
  std::shared_ptr<const std::string> text{};  // what it is; null: made of seed and tokens
};

struct Turn {
  double at_s = 0;  // since the start of the load; not before the answer to the turn before it
  std::vector<TextPart> parts{};
  int output_tokens = 0;
  std::string system{};    // kQuestions
  std::string expected{};  // the answer, where it is known
};

struct Conversation {
  std::vector<Turn> turns{};
};

struct Workload {
  std::vector<Conversation> conversations{};  // in the order of their first turns
  int left_out = 0;                           // lines of the trace over max_input_tokens
  // One for each set of documents that is asked about: in the file's order, with one token as its
  // answer, to be answered before the load so that the documents are known.
  std::vector<Conversation> first_sights{};
  int requests() const;
};

// Arrivals of a Poisson process: exponential gaps with mean 1 / rate, all 0 for an infinite rate.
std::vector<double> poisson_arrivals(int count, double rate, std::uint64_t seed);

// What a mix that comes from a file was read from it: none of the other.
struct Recorded {
  std::vector<TraceRequest> trace{};
  std::vector<QuestionSet> questions{};
};

// kInvalidArgument for options outside of what is said above, or if there is nothing to send.
Result<Workload> make_workload(const WorkloadOptions& options, const Recorded& recorded = {});

}  // namespace redknot::load
