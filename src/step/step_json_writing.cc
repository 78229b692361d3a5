// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>

#include "step/step_json.h"

namespace redknot {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::uint32_t bits(float number) { return std::bit_cast<std::uint32_t>(number); }

void append_digits(std::uint64_t word, std::string& out) {
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(word));
  out += digits;
}

std::string digits(std::uint64_t word) {
  std::string out;
  append_digits(word, out);
  return out;
}

template <typename Id>
std::uint32_t number(Id id) {
  return static_cast<std::uint32_t>(id);
}

OrderedJson token_ids(std::span<const TokenId> tokens) {
  OrderedJson out = OrderedJson::array();
  for (const TokenId token : tokens) out.push_back(static_cast<std::int32_t>(token));
  return out;
}

OrderedJson slices_json(const StepPlan& plan) {
  OrderedJson out = OrderedJson::array();
  for (const StepSlice& slice : plan.slices) {
    out.push_back(OrderedJson::array({number(slice.sequence), slice.first_row, slice.rows,
                                      number(slice.measure), slice.returns_logits ? 1 : 0}));
  }
  return out;
}

OrderedJson groups_json(const StepPlan& plan) {
  OrderedJson out = OrderedJson::array();
  for (const FfnGroup& group : plan.ffn_groups) {
    const SparseFfn& sparse = group.sparse;
    out.push_back(
        OrderedJson::array({group.first_row, group.rows, group.recent_rows, sparse.dense_until,
                            bits(sparse.mass), sparse.deep_start, bits(sparse.mass_deep)}));
  }
  return out;
}

OrderedJson sampling_json(const Sampling& sampling) {
  OrderedJson biases = OrderedJson::array();
  for (const auto& [token, bias] : sampling.logit_bias) {
    biases.push_back(OrderedJson::array({token, bits(bias)}));
  }
  return {{"temperature", bits(sampling.temperature)},
          {"top_k", sampling.top_k},
          {"top_p", bits(sampling.top_p)},
          {"min_p", bits(sampling.min_p)},
          {"repetition_penalty", bits(sampling.repetition_penalty)},
          {"frequency_penalty", bits(sampling.frequency_penalty)},
          {"presence_penalty", bits(sampling.presence_penalty)},
          {"penalty_tokens", sampling.penalty_tokens},
          {"logit_bias", std::move(biases)},
          {"seed", digits(sampling.seed)},
          {"log_probabilities", sampling.log_probabilities}};
}

OrderedJson samples_json(const StepPlan& plan) {
  OrderedJson out = OrderedJson::array();
  for (const RowSample& sample : plan.samples) {
    std::string allowed;
    for (const std::uint64_t word : sample.allowed) append_digits(word, allowed);
    out.push_back({{"row", sample.row},
                   {"position", sample.position},
                   {"sampling", sampling_json(sample.sampling)},
                   {"history", token_ids(sample.history)},
                   {"allowed", std::move(allowed)}});
  }
  return out;
}

OrderedJson page_ops_json(const StepPlan& plan) {
  OrderedJson out = OrderedJson::array();
  for (const PageOp& op : plan.page_ops) {
    const PageRef& entry = op.entry;
    out.push_back(OrderedJson::array(
        {number(op.kind), number(op.sequence), op.head, number(entry.page), number(entry.frame),
         entry.position, entry.tokens, entry.shift, entry.reused ? 1 : 0, number(op.from)}));
  }
  return out;
}

OrderedJson sampled_json(const RecordedStep& step) {
  OrderedJson out = OrderedJson::array();
  for (const SampledToken& sampled : step.sampled) {
    OrderedJson top = OrderedJson::array();
    for (const TokenLogProbability& one : sampled.top) {
      top.push_back(
          OrderedJson::array({static_cast<std::int32_t>(one.token), bits(one.log_probability)}));
    }
    out.push_back(
        OrderedJson::array({static_cast<std::int32_t>(sampled.token), sampled.usable ? 1 : 0,
                            bits(sampled.log_probability), std::move(top)}));
  }
  return out;
}

OrderedJson results_json(const RecordedStep& step) {
  OrderedJson out = OrderedJson::array();
  for (const RecordedSlice& slice : step.slices) {
    OrderedJson deviations = OrderedJson::array();
    for (const float deviation : slice.deviations) deviations.push_back(bits(deviation));
    out.push_back({{"flops", digits(std::bit_cast<std::uint64_t>(slice.flops))},
                   {"logits", slice.logits},
                   {"deviations", std::move(deviations)},
                   {"page_mass", slice.page_mass}});
  }
  return out;
}

// Names of files need not be UTF-8.
std::string line_of(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

std::string to_json(const StepFileHeader& header) {
  OrderedJson heads = OrderedJson::array();
  for (const HeadPolicy& policy : header.profile.policies) {
    heads.push_back(OrderedJson::array({number(policy.head_class), policy.sink_tokens,
                                        policy.window_tokens, number(policy.kv_format),
                                        policy.top_pages, policy.context_bound ? 1 : 0}));
  }
  const PageShape& shape = header.pages.shape;
  return line_of({{"format", "redknot steps"},
                  {"version", kStepFileVersion},
                  {"model", header.model},
                  {"kernels", header.kernels},
                  {"activations", name(header.activations)},
                  {"layers", header.profile.layers},
                  {"kv_heads", header.profile.kv_heads},
                  {"head_dim", shape.head_dim},
                  {"vocabulary_size", header.vocabulary_size},
                  {"page_tokens", shape.page_tokens},
                  {"key_bounds", shape.key_bounds},
                  {"page_count", header.pages.page_count},
                  {"max_rows", header.max_rows},
                  {"max_logit_rows", header.max_logit_rows},
                  {"heads", std::move(heads)}});
}

std::string to_json(const RecordedStep& step) {
  const StepPlan& plan = step.plan;
  return line_of({{"tokens", token_ids(plan.tokens)},
                  {"positions", plan.positions},
                  {"slices", slices_json(plan)},
                  {"logit_rows", plan.logit_rows},
                  {"depths", plan.depths},
                  {"ffn_groups", groups_json(plan)},
                  {"samples", samples_json(plan)},
                  {"page_ops", page_ops_json(plan)},
                  {"sampled", sampled_json(step)},
                  {"results", results_json(step)}});
}

}  // namespace redknot
