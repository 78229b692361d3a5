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
        state(static_cast<std::size_t>(group * (padded_dim(shape.head_dim) + 2))),
        slots(static_cast<std::size_t>(group)),
        scratch(attend_scratch_floats(group, shape.head_dim, shape.page_tokens)) {}
  std::vector<float> queries, state;
  std::vector<SlotRange> slots;
  std::vector<float> scratch;

  // The state over no keys, in this memory.
  AttentionState cleared(int group, int dim) {
    const std::ptrdiff_t outputs = static_cast<std::ptrdiff_t>(group) * padded_dim(dim);
    float* output = state.data();
    std::fill_n(output, outputs, 0.0f);
    std::fill_n(output + outputs, group, -std::numeric_limits<float>::infinity());
    std::fill_n(output + outputs + group, group, 0.0f);
    return {output, output + outputs, output + outputs + group};
  }
};

std::vector<int> distance_bins(int context_tokens) {
  std::vector<int> bins = {0, 0};
  for (int begin = 1; begin < context_tokens; begin *= 2) bins.push_back(begin);
  bins.push_back(context_tokens);
  return bins;
}

AttentionMass::AttentionMass(EngineCore& core, int rows_per_step)
    : core_(core),
      rows_per_step_(rows_per_step),
      rope_(core.model().config().rope),
      bins_(distance_bins(core.context_tokens())) {
  const ModelConfig& config = core.model().config();
  sums_.resize(static_cast<std::size_t>(config.layers) * config.kv_heads * (bins_.size() - 1));
}

double* AttentionMass::sums(int layer, int kv_head) {
  const int heads = core_.model().config().kv_heads;
  return sums_.data() + (static_cast<std::size_t>(layer) * heads + kv_head) * (bins_.size() - 1);
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
    for (const Query& query : chosen) add_mass(layer, query, kv_head, queries);
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

void AttentionMass::add_mass(int layer, const Query& query, int kv_head, const float* queries) {
  const auto group = static_cast<std::size_t>(core_.model().config().group_size());
  const int dim = core_.model().config().head_dim;
  const int position = query.sequence->positions[static_cast<std::size_t>(query.row)];
  Scratch memory(static_cast<int>(group), core_.pages().shape());
  load(query, kv_head, queries, memory.queries.data());
  const std::size_t bins = bins_.size() - 1;
  std::vector<double> logs(group * bins);  // base 2
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const AttentionState state = memory.cleared(static_cast<int>(group), dim);
    const PageTable& table = query.sequence->table(layer, kv_head);
    attend(table, keys_of(bins_, bin, position), memory, state);
    for (std::size_t i = 0; i < group; ++i) {
      logs[i * bins + bin] = state.maximum[i] + std::log2(static_cast<double>(state.sum[i]));
    }
  }
  for (std::size_t i = 0; i < group; ++i) {
    add_shares(std::span(logs).subspan(i * bins, bins), sums(layer, kv_head));
  }
}

HeadEvidence AttentionMass::evidence(int layer, int kv_head) const {
  const double* found = const_cast<AttentionMass*>(this)->sums(layer, kv_head);
  HeadEvidence evidence;
  evidence.mass.assign(found, found + bins_.size() - 1);
  const double total = std::accumulate(evidence.mass.begin(), evidence.mass.end(), 0.0);
  if (total == 0) return evidence;
  for (double& share : evidence.mass) share /= total;
  for (std::size_t i = 0; i < kWindowShares.size(); ++i) {
    evidence.windows[i] = window_holding(kWindowShares[i], bins_, evidence.mass);
  }
  return evidence;
}

}  // namespace redknot
