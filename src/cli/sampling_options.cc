// SPDX-License-Identifier: Apache-2.0
#include "cli/sampling_options.h"

#include <limits>
#include <random>

#include "cli/option_checks.h"
#include "cli/output.h"

namespace redknot::cli {
namespace {

constexpr double kMaxReal = std::numeric_limits<float>::max();
constexpr char kGroup[] = "Sampling";

std::string or_of_the_model(const std::string& fallback) {
  return "what the model's files say, else " + fallback;
}

void add_shares(CLI::App& app, SamplingOptions& o) {
  const Sampling standard;
  const auto real = [&app](const char* name, auto& value, double least, double most,
                           const std::string& fallback, const char* description) {
    app.add_option(name, value, description)
        ->type_name("X")
        ->check(real_in(least, most))
        ->default_str(fallback)
        ->group(kGroup);
  };
  real("--temp,--temperature", o.temperature, 0, 1e6, or_of_the_model("0.8"),
       "Temperature: logits are divided by it; 0: always the most likely token.");
  app.add_option("--top-k", o.top_k, "Choose among this many most likely tokens; 0: off.")
      ->type_name("N")
      ->transform(integer_in(0, std::numeric_limits<int>::max()))
      ->default_str(or_of_the_model(std::to_string(standard.top_k)))
      ->group(kGroup);
  real("--top-p", o.top_p, 0, 1, or_of_the_model("0.95"),
       "Choose among the most likely tokens that together reach this probability; 1: off.");
  real("--min-p", o.min_p, 0, 1, or_of_the_model("0.05"),
       "Leave out tokens less likely than this fraction of the most likely one; 0: off.");
  real("--repeat-penalty", o.repetition_penalty, 1e-6, kMaxReal, or_of_the_model("1"),
       "Divide positive logits of tokens that occurred by this, multiply negative ones; 1: off.");
  app.add_option("--repeat-last-n", o.penalty_tokens,
                 "How many of the latest tokens, prompt and answer, the penalties look at; 0: "
                 "none; -1: all.")
      ->type_name("TOKENS")
      ->transform(integer_in(-1, kMaxTokens))
      ->default_str(or_of_the_model(std::to_string(standard.penalty_tokens)))
      ->group(kGroup);
  real("--frequency-penalty", o.frequency_penalty, -kMaxReal, kMaxReal, "0",
       "Subtract this from the logit of a token for each time it occurred; 0: off.");
  real("--presence-penalty", o.presence_penalty, -kMaxReal, kMaxReal, "0",
       "Subtract this from the logit of a token that occurred; 0: off.");
}

}  // namespace

void add_sampling(CLI::App& app, SamplingOptions& o) {
  add_shares(app, o);
  app.add_option("-s,--seed", o.seed,
                 "Seed of the random numbers; equal seeds give equal answers. -1: a random one, "
                 "which is printed.")
      ->type_name("N")
      ->transform(integer_in(-1, std::numeric_limits<std::int64_t>::max()))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--logit-bias", o.logit_bias,
                 "Add to the logit of one token: 15043+1.5, 15043-2, or 15043-inf to forbid it. "
                 "May be given several times.")
      ->type_name("ID+BIAS")
      ->check(logit_bias())
      ->allow_extra_args(false)
      ->group(kGroup);
  add_generation_config(app, o.generation_config);
}

void add_generation_config(CLI::App& app, std::string& choice) {
  app.add_option("--generation-config", choice,
                 "Where what is not said about sampling comes from. auto: the model's own files, "
                 "generation_config.json or general.sampling.* of a GGUF file, as far as they "
                 "say; none: they are not asked.")
      ->type_name("WHERE")
      ->check(one_of({"auto", "none"}))
      ->capture_default_str()
      ->group(kGroup);
}

Result<SamplingDefaults> file_defaults(const ModelInfo& model, const std::string& choice) {
  if (choice == "none") return SamplingDefaults();
  if (model.sampling.refusal.empty()) return model.sampling;
  return Error(ErrorCode::kInvalidArgument,
               "take sampling defaults from the model: " + model.sampling.refusal +
                   "; --generation-config none goes on without them");
}

Result<Sampling> chosen_sampling(const SamplingOptions& o, const SamplingDefaults& defaults) {
  const SamplingDefaults given{.temperature = o.temperature,
                               .top_p = o.top_p,
                               .min_p = o.min_p,
                               .repetition_penalty = o.repetition_penalty,
                               .top_k = o.top_k,
                               .penalty_tokens = o.penalty_tokens};
  Sampling out = with_defaults(with_defaults(Sampling(), defaults), given);
  out.frequency_penalty = o.frequency_penalty;
  out.presence_penalty = o.presence_penalty;
  for (const std::string& text : o.logit_bias) {
    REDKNOT_TRY(auto bias, parse_logit_bias(text));
    out.logit_bias.push_back(bias);
  }
  return out;
}

std::uint64_t chosen_seed(const SamplingOptions& options, bool say) {
  if (options.seed >= 0) return static_cast<std::uint64_t>(options.seed);
  std::random_device random;
  // 53 bits, so that every JSON reader gets the number back as it was.
  const std::uint64_t seed = (std::uint64_t{random()} << 21) ^ random() % (1u << 21);
  if (say) note("seed " + std::to_string(seed));
  return seed;
}

std::string described(const SamplingDefaults& defaults) {
  std::string out;
  const auto add = [&out](const char* name, const auto& value) {
    if (!value) return;
    out += (out.empty() ? "" : ", ") + format("%s %g", name, static_cast<double>(*value));
  };
  add("temperature", defaults.temperature);
  add("top-k", defaults.top_k);
  add("top-p", defaults.top_p);
  add("min-p", defaults.min_p);
  add("repetition penalty", defaults.repetition_penalty);
  add("penalty tokens", defaults.penalty_tokens);
  return out;
}

}  // namespace redknot::cli
