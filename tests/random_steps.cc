// SPDX-License-Identifier: Apache-2.0
#include "tests/random_steps.h"

#include <bit>
#include <functional>
#include <limits>

namespace redknot::tests {
namespace {

int small(std::mt19937& random) { return static_cast<int>(random() % 100); }
int any_int(std::mt19937& random) { return static_cast<int>(random()); }
float any_float(std::mt19937& random) {  // NaN and infinity are among them
  if (random() % 8 == 0) return std::numeric_limits<float>::quiet_NaN();
  return std::bit_cast<float>(static_cast<std::uint32_t>(random()));
}
std::uint64_t any_word(std::mt19937& random) { return (std::uint64_t{random()} << 32) | random(); }

template <typename Make>
auto some(std::mt19937& random, Make make) {
  std::vector<decltype(make())> out(random() % 5);
  for (auto& one : out) one = make();
  return out;
}

PageOp any_op(std::mt19937& random) {
  return {.kind = static_cast<PageOp::Kind>(random() % 6),
          .sequence = SequenceId{static_cast<std::uint32_t>(random())},
          .head = any_int(random),
          .entry = {.page = PageId{static_cast<std::uint32_t>(random())},
                    .frame = FrameId{static_cast<std::uint32_t>(random())},
                    .position = any_int(random),
                    .tokens = any_int(random),
                    .shift = any_int(random),
                    .reused = random() % 2 == 0},
          .from = FrameId{static_cast<std::uint32_t>(random())}};
}

RowSample any_sample(std::mt19937& random) {
  RowSample out{.row = small(random), .position = any_int(random)};
  out.sampling = {.temperature = any_float(random),
                  .top_k = any_int(random),
                  .top_p = any_float(random),
                  .min_p = any_float(random),
                  .repetition_penalty = any_float(random),
                  .frequency_penalty = any_float(random),
                  .presence_penalty = any_float(random),
                  .penalty_tokens = any_int(random),
                  .seed = any_word(random),
                  .log_probabilities = any_int(random)};
  out.sampling.logit_bias =
      some(random, [&] { return std::pair<int, float>(any_int(random), any_float(random)); });
  out.history = some(random, [&] { return TokenId{any_int(random)}; });
  out.allowed = some(random, [&] { return any_word(random); });
  return out;
}

SampledToken any_sampled(std::mt19937& random) {
  return {.token = TokenId{any_int(random)},
          .usable = random() % 2 == 0,
          .log_probability = any_float(random),
          .top = some(random, [&] {
            return TokenLogProbability{TokenId{any_int(random)}, any_float(random)};
          })};
}

// Sometimes a little other, sometimes anything.
template <typename Number>
void change(Number& number, std::mt19937& random) {
  const auto before = static_cast<std::int64_t>(number);
  constexpr std::int64_t kSteps[] = {-1, 1, 16, -16, 256};
  const auto after = random() % 4 != 0 ? before + kSteps[random() % 5] : any_int(random);
  number = static_cast<Number>(static_cast<std::int32_t>(after));
}

template <typename Entry>
Entry* one_of(std::vector<Entry>& list, std::mt19937& random) {
  return list.empty() ? nullptr : &list[random() % list.size()];
}

template <typename Entry>
void shorten_or_repeat(std::vector<Entry>& list, std::mt19937& random) {
  if (list.empty()) return;
  const auto at = list.begin() + static_cast<std::ptrdiff_t>(random() % list.size());
  if (random() % 2 == 0) {
    list.erase(at);
  } else {
    const Entry copy = *at;
    list.insert(at, copy);
  }
}

void change_op(PageOp& op, std::mt19937& random) {
  switch (random() % 9) {
    case 0:
      op.kind = static_cast<PageOp::Kind>(random() % 6);
      return;
    case 1:
      return change(op.sequence, random);
    case 2:
      return change(op.head, random);
    case 3:
      return change(op.entry.frame, random);
    case 4:
      return change(op.entry.position, random);
    case 5:
      return change(op.entry.tokens, random);
    case 6:
      return change(op.entry.shift, random);
    case 7:
      op.entry.reused = !op.entry.reused;
      return;
    default:
      return change(op.from, random);
  }
}

void change_slice(StepSlice& slice, std::mt19937& random) {
  switch (random() % 5) {
    case 0:
      return change(slice.sequence, random);
    case 1:
      return change(slice.first_row, random);
    case 2:
      return change(slice.rows, random);
    case 3:
      slice.measure = static_cast<Measure>(random() % 3);
      return;
    default:
      slice.returns_logits = !slice.returns_logits;
      return;
  }
}

void change_sample(RowSample& sample, std::mt19937& random) {
  switch (random() % 8) {
    case 0:
      return change(sample.row, random);
    case 1:
      return change(sample.position, random);
    case 2:
      sample.sampling.temperature = any_float(random);
      return;
    case 3:
      sample.sampling.top_p = any_float(random);
      return;
    case 4:
      return change(sample.sampling.top_k, random);
    case 5:
      return change(sample.sampling.log_probabilities, random);
    case 6:
      sample.history.push_back(TokenId{any_int(random)});
      return;
    default:
      sample.allowed.push_back(any_word(random));
      return;
  }
}

void change_group(FfnGroup& group, std::mt19937& random) {
  switch (random() % 5) {
    case 0:
      return change(group.first_row, random);
    case 1:
      return change(group.rows, random);
    case 2:
      return change(group.recent_rows, random);
    case 3:
      group.sparse.mass = any_float(random);
      return;
    default:
      return change(group.sparse.dense_until, random);
  }
}

}  // namespace

StepFileHeader random_header(std::mt19937& random) {
  StepFileHeader out{.model = "models/of \"mine\"\n.gguf",
                     .kernels = "avx2",
                     .activations = kActivationFormats[random() % kActivationFormats.size()],
                     .vocabulary_size = small(random) + 1,
                     .max_rows = small(random) + 1,
                     .max_logit_rows = small(random) + 1};
  out.profile = uniform_profile(small(random) % 3 + 1, small(random) % 3 + 1, {});
  for (HeadPolicy& policy : out.profile.policies) {
    policy = {.head_class = static_cast<HeadClass>(random() % 3),
              .sink_tokens = small(random),
              .window_tokens = small(random) + 1,
              .kv_format = kKvFormats[random() % kKvFormatCount],
              .top_pages = small(random) + 1,
              .context_bound = random() % 2 == 0};
  }
  out.pages = {.shape = {.page_tokens = 32, .head_dim = small(random) + 1, .key_bounds = true},
               .page_count = {small(random) + 1, small(random), small(random), small(random)}};
  return out;
}

RecordedStep random_step(std::mt19937& random) {
  RecordedStep out;
  StepPlan& plan = out.plan;
  plan.tokens = some(random, [&] { return TokenId{any_int(random)}; });
  plan.positions = some(random, [&] { return any_int(random); });
  plan.slices = some(random, [&] {
    return StepSlice{.sequence = SequenceId{static_cast<std::uint32_t>(random())},
                     .first_row = small(random),
                     .rows = small(random),
                     .measure = static_cast<Measure>(random() % 3),
                     .returns_logits = random() % 2 == 0};
  });
  plan.logit_rows = some(random, [&] { return any_int(random); });
  plan.depths = some(random, [&] { return any_int(random); });
  plan.ffn_groups = some(random, [&] {
    return FfnGroup{
        .first_row = small(random),
        .rows = small(random),
        .recent_rows = any_int(random),
        .sparse = {any_int(random), any_float(random), any_int(random), any_float(random)}};
  });
  plan.samples = some(random, [&] { return any_sample(random); });
  plan.page_ops = some(random, [&] { return any_op(random); });
  for (std::size_t i = 0; i < plan.samples.size(); ++i) out.sampled.push_back(any_sampled(random));
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    out.slices.push_back(
        {.flops = std::bit_cast<double>(any_word(random)),
         .logits = random() % 2 == 0 ? "" : "0123456789abcdef",
         .deviations = some(random, [&] { return any_float(random); }),
         .page_mass = some(random, [&] { return static_cast<std::int64_t>(any_word(random)); })});
  }
  return out;
}

void change_something(StepPlan& plan, std::mt19937& random) {
  const std::function<void()> changes[] = {
      [&] {
        if (auto* one = one_of(plan.tokens, random)) change(*one, random);
      },
      [&] {
        if (auto* one = one_of(plan.positions, random)) change(*one, random);
      },
      [&] {
        if (auto* one = one_of(plan.slices, random)) change_slice(*one, random);
      },
      [&] {
        if (auto* one = one_of(plan.logit_rows, random)) change(*one, random);
      },
      [&] {
        if (auto* one = one_of(plan.depths, random)) change(*one, random);
      },
      [&] {
        if (auto* one = one_of(plan.ffn_groups, random)) change_group(*one, random);
      },
      [&] {
        if (auto* one = one_of(plan.samples, random)) change_sample(*one, random);
      },
      [&] {
        if (auto* one = one_of(plan.page_ops, random)) change_op(*one, random);
      },
      [&] {
        if (auto* one = one_of(plan.page_ops, random)) change_op(*one, random);
      },
      [&] { shorten_or_repeat(plan.tokens, random); },
      [&] { shorten_or_repeat(plan.positions, random); },
      [&] { shorten_or_repeat(plan.slices, random); },
      [&] { shorten_or_repeat(plan.logit_rows, random); },
      [&] { shorten_or_repeat(plan.depths, random); },
      [&] { shorten_or_repeat(plan.samples, random); },
      [&] { shorten_or_repeat(plan.page_ops, random); },
  };
  changes[random() % std::size(changes)]();
}

}  // namespace redknot::tests
