// SPDX-License-Identifier: Apache-2.0
#include "profiler/attention_mass.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "base/check.h"
#include "runtime/page_read.h"

namespace redknot {
namespace {

constexpr std::array kWindowShares = {0.95, 0.99, 0.999};

// Key positions of a bin for a query, those of the sink left out but for bin 0.
PositionRange keys_of(const std::vector<int>& bins, std::size_t bin, int position) {
  if (bin == 0) return {0, std::min(kSinkTokens, position + 1)};
  return {std::max(kSinkTokens, position - bins[bin + 1] + 1), position - bins[bin] + 1};
}

// Adds 2^log over the sum of all of them.
void add_shares(std::span<const double> logs, double* sums) {
  const double most = *std::max_element(logs.begin(), logs.end());
  double total = 0;
  for (const double log : logs) total += std::exp2(log - most);
  for (std::size_t i = 0; i < logs.size(); ++i) sums[i] += std::exp2(logs[i] - most) / total;
}

// The smallest window that holds the share of the mass outside the sink.
int window_holding(double share, const std::vector<int>& bins, const std::vector<double>& mass) {
  const double all = std::accumulate(mass.begin() + 1, mass.end(), 0.0);
  double left = share * all;
  for (std::size_t bin = 1; bin < mass.size(); ++bin) {
    if (mass[bin] < left) {
      left -= mass[bin];
      continue;
    }
    const double part = mass[bin] > 0 ? left / mass[bin] : 0;
    return bins[bin] + std::max(1, static_cast<int>(std::ceil(part * (bins[bin + 1] - bins[bin]))));
  }
  return bins.back();
}

}  // namespace

// One thread's memory for the queries of one KV head.
struct AttentionMass::Scratch {
  Scratch(int group, const PageShape& shape)
      : queries(static_cast<std::size_t>(group * shape.head_dim)),
        slots(static_cast<std::size_t>(group)),
        scratch(attend_scratch_floats(group, shape.head_dim, shape.page_tokens)) {}
  std::vector<float> queries;
  std::vector<SlotRange> slots;
  std::vector<float> scratch;
};

// The state of `bin` in the memory of as many as there are bins.
AttentionState AttentionMass::state_of(std::vector<float>& states, std::size_t bin) const {
  const ModelConfig& config = core_.model().config();
  const std::ptrdiff_t group = config.group_size();
  const std::ptrdiff_t outputs = group * padded_dim(config.head_dim);
  float* output = states.data() + static_cast<std::ptrdiff_t>(bin) * (outputs + 2 * group);
  return {output, output + outputs, output + outputs + group};
}

// States over no keys, one for each bin.
std::vector<float> AttentionMass::empty_states() const {
  const ModelConfig& config = core_.model().config();
  const int group = config.group_size();
  std::vector<float> states(bins() *
                            static_cast<std::size_t>(group * (padded_dim(config.head_dim) + 2)));
  for (std::size_t bin = 0; bin < bins(); ++bin) {
    std::fill_n(state_of(states, bin).maximum, group, -std::numeric_limits<float>::infinity());
  }
  return states;
}

std::vector<int> distance_bins(int context_tokens) {
  std::vector<int> bins = {0, 0};
  for (int begin = 1; begin < context_tokens; begin *= 2) bins.push_back(begin);
  bins.push_back(context_tokens);
  return bins;
}

AttentionMass::AttentionMass(EngineCore& core, int rows_per_step, int first_judged)
    : core_(core),
      rows_per_step_(rows_per_step),
      rope_(core.model().config().rope),
      bins_(distance_bins(core.context_tokens())),
      first_judged_(first_judged) {
  const ModelConfig& config = core.model().config();
  sums_.resize(static_cast<std::size_t>(config.layers) * config.kv_heads * bins());
  errors_.resize(sums_.size());
}

std::size_t AttentionMass::first_of(int layer, int kv_head) const {
  const int heads = core_.model().config().kv_heads;
  return (static_cast<std::size_t>(layer) * heads + kv_head) * bins();
}

void AttentionMass::attended(int layer, std::span<const SequenceRows> sequences,
                             const float* queries, const float*) {
  std::vector<Query> chosen;
  for (const SequenceRows& sequence : sequences) {
    const int rows = static_cast<int>(sequence.positions.size());
    if (rows == 0) continue;
    rope_.prepare(sequence.positions.front(), sequence.positions.back() + 1);
    const int count = std::min(rows, rows_per_step_);
    for (int i = 0; i < count; ++i) {
      chosen.push_back({&sequence, static_cast<int>((2LL * i + 1) * rows / (2 * count))});
    }
  }
  // A head's sums are added up by one thread, in one order.
  core_.thread_pool().parallel_for(core_.model().config().kv_heads, [&](int kv_head, int) {
    for (const Query& query : chosen) add_query(layer, query, kv_head, queries);
  });
}

// The queries of the KV head's group, rotated and scaled.
void AttentionMass::load(const Query& query, int kv_head, const float* queries, float* out) const {
  const ModelConfig& config = core_.model().config();
  const int group = config.group_size(), dim = config.head_dim;
  const int position = query.sequence->positions[static_cast<std::size_t>(query.row)];
  const auto scale = static_cast<float>(std::numbers::log2e / std::sqrt(static_cast<double>(dim)));
  const std::ptrdiff_t row = query.sequence->first_row + query.row;
  for (int i = 0; i < group; ++i) {
    const std::ptrdiff_t head = static_cast<std::ptrdiff_t>(kv_head) * group + i;
    core_.kernels().rotate(queries + (row * config.query_heads + head) * dim, rope_.at(position),
                           dim, scale, out + static_cast<std::ptrdiff_t>(i) * dim);
  }
}

// Adds the keys at some positions to the state.
void AttentionMass::attend(const PageTable& table, const PositionRange& keys, Scratch& memory,
                           const AttentionState& state) const {
  for (const PageRef& page : table) {
    const int begin = std::max(keys.begin, page.position) - page.position;
    const int end = std::min(keys.end, page.end()) - page.position;
    if (begin >= end) continue;
    std::fill(memory.slots.begin(), memory.slots.end(), SlotRange{0, begin, end});
    core_.kernels().attend_page({.page = page_view(core_.backend().memory(), page.frame),
                                 .rows = static_cast<int>(memory.slots.size()),
                                 .queries = memory.queries.data(),
                                 .slots = memory.slots.data(),
                                 .state = state,
                                 .scratch = memory.scratch.data()});
  }
}

void AttentionMass::add_query(int layer, const Query& query, int kv_head, const float* queries) {
  const auto group = static_cast<std::size_t>(core_.model().config().group_size());
  const int position = query.sequence->positions[static_cast<std::size_t>(query.row)];
  Scratch memory(static_cast<int>(group), core_.pages().shape());
  load(query, kv_head, queries, memory.queries.data());
  std::vector<float> states = empty_states();
  std::vector<double> logs(group * bins());  // base 2
  for (std::size_t bin = 0; bin < bins(); ++bin) {
    const AttentionState state = state_of(states, bin);
    const PageTable& table = query.sequence->table(layer, kv_head);
    attend(table, keys_of(bins_, bin, position), memory, state);
    for (std::size_t i = 0; i < group; ++i) {
      logs[i * bins() + bin] = state.maximum[i] + std::log2(static_cast<double>(state.sum[i]));
    }
  }
  const std::size_t first = first_of(layer, kv_head);
  for (std::size_t i = 0; i < group; ++i) {
    add_shares(std::span(logs).subspan(i * bins(), bins()), sums_.data() + first);
  }
  if (position >= first_judged_) add_errors(states, errors_.data() + first);
}

void AttentionMass::add_errors(std::vector<float>& states, double* errors) const {
  const int group = core_.model().config().group_size(), dim = core_.model().config().head_dim;
  for (std::size_t bin = 1; bin < bins(); ++bin) {
    core_.kernels().merge_state(state_of(states, bin - 1), group, dim, state_of(states, bin));
  }
  const AttentionState whole = state_of(states, bins() - 1);
  for (std::size_t bin = 1; bin + 1 < bins(); ++bin) {
    const AttentionState seen = state_of(states, bin);
    for (int row = 0; row < group; ++row) {
      const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(row) * padded_dim(dim);
      for (int i = 0; i < dim; ++i) {
        const double difference = seen.output[at + i] / static_cast<double>(seen.sum[row]) -
                                  whole.output[at + i] / static_cast<double>(whole.sum[row]);
        errors[bin] += difference * difference;
      }
    }
  }
}

std::vector<double> AttentionMass::window_errors(int layer, int kv_head) const {
  const auto first = errors_.begin() + static_cast<std::ptrdiff_t>(first_of(layer, kv_head));
  return {first + 1, first + static_cast<std::ptrdiff_t>(bins())};
}

HeadEvidence AttentionMass::evidence(int layer, int kv_head) const {
  const auto found = sums_.begin() + static_cast<std::ptrdiff_t>(first_of(layer, kv_head));
  HeadEvidence evidence;
  evidence.mass.assign(found, found + static_cast<std::ptrdiff_t>(bins()));
  const double total = std::accumulate(evidence.mass.begin(), evidence.mass.end(), 0.0);
  if (total == 0) return evidence;
  for (double& share : evidence.mass) share /= total;
  for (std::size_t i = 0; i < kWindowShares.size(); ++i) {
    evidence.windows[i] = window_holding(kWindowShares[i], bins_, evidence.mass);
  }
  return evidence;
}

}  // namespace redknot
