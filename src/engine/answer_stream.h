// SPDX-License-Identifier: Apache-2.0
// One answer under way: what becomes of a sequence, said as pieces of a generation.
//
// It owns all that makes text of tokens and decides when that text ends: detokenizer, stop strings
// and constraint; and what a generation is told of itself: its times, counts and usage. It says
// which tokens may follow before they are sampled, and knows nothing of pages or of other answers.
// The step loop owns one for each sequence that waits or runs; all of it belongs to its thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "engine/answer_constraint.h"
#include "engine/loop_messages.h"
#include "engine/stop_matcher.h"
#include "kv/page_shape.h"
#include "sched/sequence_event.h"
#include "step/step_plan.h"
#include "text/detokenizer.h"

namespace redknot {

// What all answers of an engine have in common.
struct AnswerModel {
  const text::Tokenizer* tokenizer = nullptr;  // null: pieces carry no text
  int vocabulary_size = 0;
  PageShape pages{};
};

class AnswerStream {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // The model must outlive it.
  AnswerStream(Arrival arrival, const AnswerModel& model);

  const Request& request() const { return arrival_.request; }
  Generation::State& generation() { return *arrival_.state; }
  bool has_begun() const { return has_begun_; }
  // When it has waited as long as it wants to; nothing once it has begun, or if it has no limit.
  std::optional<Time> latest_begin() const;
  // Whether so many logits wait for their reader that its sequence had better pause.
  bool is_ahead_of_reader() const;

  // Adds to a sample of its sequence what its constraint allows. An error of the constraint is kept
  // and ends the answer with its next event.
  void close(RowSample& sample);

  // What an event of its sequence says to the reader, if anything. It is to be sent.
  std::optional<Piece> take(SequenceEvent event);
  // The last piece of an answer that ends with an error.
  Piece fail(Error error);
  // The pages of its sequence are counted for the first pieces and the last one.
  bool tells_pages(const Piece& piece) const;
  // Notes what its sequence took so far, and queues a piece for the reader.
  void send(Piece piece, const SequenceUsage& took);

  int generated() const { return generated_; }           // tokens, so far
  bool has_whole_prompt() const { return has_prompt_; }  // all of it is computed

 private:
  // From submission, as far as it has come.
  struct Seconds {
    double queue = 0, prompt = 0;
    double latest_token = 0;
  };

  // Fills in the piece of a token, or of none that could follow.
  void take_token(const SequenceEvent& event, Piece& piece);
  // An error if no token can follow: the constraint's, or that of one that could not be sampled.
  Status why_none(const SequenceEvent& event) const;
  void note_time();
  // Whether the model ends its answer with the token.
  bool is_end(TokenId token) const;
  // Ends the text: what was held back, too.
  void finish(Piece& piece, FinishReason reason);
  void add_probabilities(const SampledToken& sampled, Piece& piece) const;
  std::string text_of(TokenId token) const;

  const Arrival arrival_;
  const AnswerModel& model_;

  // From tokens to text.
  std::optional<text::Detokenizer> detokenizer_;
  StopMatcher stop_;
  std::optional<AnswerConstraint> constraint_;
  Status constrained_ = Done{};  // what the constraint said when it was asked last

  // How far it has come.
  bool has_begun_ = false;
  bool has_prompt_ = false;
  int generated_ = 0;
  Seconds seconds_{};
};

}  // namespace redknot
