// SPDX-License-Identifier: Apache-2.0
#include "model/sampling_defaults.h"

#include <optional>
#include <string>

#include "base/error.h"
#include "model/config_files.h"
#include "model/json.h"

namespace redknot {
namespace {

constexpr double kMaxTemperature = 100;
constexpr double kLeastPenalty = 0.01, kMostPenalty = 100;
constexpr double kLeastTopP = 1e-6;
constexpr int kMaxTopK = 1 << 24, kMaxPenaltyTokens = 1 << 24;
constexpr std::string_view kGeneration = "generation_config.json";

// The two kinds of files, each with its own names.
struct SamplingNames {
  const char* temperature;
  const char* top_k;
  const char* top_p;
  const char* min_p;
  const char* repetition_penalty;
  const char* penalty_tokens;  // null: it has none
};
constexpr SamplingNames kGgufSamplingNames = {
    "general.sampling.temp",  "general.sampling.top_k",          "general.sampling.top_p",
    "general.sampling.min_p", "general.sampling.penalty_repeat", "general.sampling.penalty_last_n"};
constexpr SamplingNames kJsonNames = {"temperature",        "top_k", "top_p", "min_p",
                                      "repetition_penalty", nullptr};

template <typename Source>
Result<SamplingDefaults> read(const Source& source, const SamplingNames& names) {
  SamplingDefaults out;
  const auto number = [&source](const char* name, double low, double high,
                                std::optional<float>& into) -> Status {
    REDKNOT_TRY(const std::optional<double> found, source.number(name));
    if (!found) return Done{};
    REDKNOT_TRY(const double value, number_within(source.place(name), found, {}, low, high));
    into = static_cast<float>(value);
    return Done{};
  };
  const auto integer = [&source](const char* name, int high, std::optional<int>& into) -> Status {
    REDKNOT_TRY(const std::optional<std::int64_t> found, source.integer(name));
    if (!found) return Done{};
    REDKNOT_TRY(into, int_within(source.place(name), found, {}, -1, high));
    return Done{};
  };
  REDKNOT_RETURN_IF_ERROR(number(names.temperature, 0, kMaxTemperature, out.temperature));
  REDKNOT_RETURN_IF_ERROR(integer(names.top_k, kMaxTopK, out.top_k));
  if (out.top_k == -1) out.top_k = 0;  // as some write that it is off
  REDKNOT_RETURN_IF_ERROR(number(names.top_p, kLeastTopP, 1, out.top_p));
  REDKNOT_RETURN_IF_ERROR(number(names.min_p, 0, 1, out.min_p));
  REDKNOT_RETURN_IF_ERROR(
      number(names.repetition_penalty, kLeastPenalty, kMostPenalty, out.repetition_penalty));
  if (names.penalty_tokens == nullptr) return out;
  REDKNOT_RETURN_IF_ERROR(integer(names.penalty_tokens, kMaxPenaltyTokens, out.penalty_tokens));
  return out;
}

struct GgufSource {
  const Gguf& gguf;
  auto number(const char* name) const { return gguf.number(name); }
  auto integer(const char* name) const { return gguf.integer(name); }
  std::string place(const char* name) const { return name; }
};

struct JsonSource {
  const Json& root;
  auto number(const char* name) const {
    return file_fields(root, kGeneration).optional_number(name);
  }
  auto integer(const char* name) const {
    return file_fields(root, kGeneration).optional_integer(name);
  }
  std::string place(const char* name) const { return concat(kGeneration, ": ", name); }
};

Result<SamplingDefaults> read_json(std::string_view text) {
  REDKNOT_TRY(const Json root, parse_json_object(text, kGeneration));
  return read(JsonSource{root}, kJsonNames);
}

SamplingDefaults or_refusal(const Result<SamplingDefaults>& result) {
  if (result.ok()) return *result;
  SamplingDefaults out;
  out.refusal = result.error().message();
  return out;
}

}  // namespace

SamplingDefaults sampling_from_gguf(const Gguf& gguf) {
  return or_refusal(read(GgufSource{gguf}, kGgufSamplingNames));
}

SamplingDefaults sampling_from_json(std::string_view generation_config) {
  if (generation_config.empty()) return {};
  return or_refusal(read_json(generation_config));
}

}  // namespace redknot
