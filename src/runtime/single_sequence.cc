// SPDX-License-Identifier: Apache-2.0
#include "runtime/single_sequence.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

// [first, count)
std::vector<int> rows_from(int first, std::size_t count) {
  const int rows = std::max(static_cast<int>(count) - first, 0);
  std::vector<int> out(static_cast<std::size_t>(rows));
  std::iota(out.begin(), out.end(), first);
  return out;
}

// The tables have changed already: what is left to do is to copy what was shared.
void copy_pages(const std::vector<PageOp>& ops, PageMemory& memory) {
  for (const PageOp& op : ops) {
    if (op.kind == PageOp::Kind::kCopy) memory.copy(op.from, op.entry.frame);
  }
}

}  // namespace

SingleSequence::SingleSequence(const SequenceHost& host, const HeadProfile& profile)
    : state_(std::make_unique<State>(host, profile)) {}

SingleSequence SingleSequence::fork() const {
  SingleSequence copy(state_->host, kv().profile());
  copy.kv().begin_with(kv());
  return copy;
}

Status SingleSequence::reserve(int tokens) {
  REDKNOT_RETURN_IF_ERROR(kv().extend(tokens));
  kv().forget(length());
  return Done{};
}

std::vector<float> SingleSequence::advance(std::span<const TokenId> tokens, int first_logit) {
  const std::vector<int> rows = rows_from(first_logit, tokens.size());
  const Part part{.sequence = this, .tokens = tokens, .logit_rows = rows};
  return advance_together({&part, 1});
}

std::vector<float> SingleSequence::compute(int first, std::span<const TokenId> tokens,
                                           int first_logit) {
  const std::vector<int> rows = rows_from(first_logit, tokens.size());
  const Part part{.sequence = this, .tokens = tokens, .logit_rows = rows};
  return run({&part, 1}, {&first, 1});
}

std::vector<float> SingleSequence::advance_together(std::span<const Part> parts) {
  std::vector<int> first;
  for (const Part& part : parts) {
    first.push_back(part.sequence->length());
    REDKNOT_CHECK(part.sequence->kv().extend(static_cast<int>(part.tokens.size())).ok());
  }
  std::vector<float> logits = run(parts, first);
  for (const Part& part : parts) part.sequence->kv().forget(part.sequence->length());
  return logits;
}

std::vector<float> SingleSequence::run(std::span<const Part> parts, std::span<const int> first) {
  std::vector<TokenId> tokens;
  std::vector<int> logit_rows;
  std::vector<std::vector<int>> positions(parts.size());
  std::vector<SequenceRows> rows;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    State& state = *parts[i].sequence->state_;
    copy_pages(std::exchange(state.ops, {}), state.host.backend.memory());
    const int first_row = static_cast<int>(tokens.size());
    for (const int row : parts[i].logit_rows) logit_rows.push_back(first_row + row);
    tokens.insert(tokens.end(), parts[i].tokens.begin(), parts[i].tokens.end());
    positions[i].resize(parts[i].tokens.size());
    std::iota(positions[i].begin(), positions[i].end(), first[i]);
    rows.push_back(
        {.tables = &state.kv.tables(), .positions = positions[i], .first_row = first_row});
  }
  const StepOutput output = parts.front().sequence->state_->host.backend.transformer().run(
      {.tokens = tokens, .sequences = rows, .logit_rows = logit_rows});
  return {output.logits.begin(), output.logits.end()};
}

}  // namespace redknot
