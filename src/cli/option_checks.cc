// SPDX-License-Identifier: Apache-2.0
#include "cli/option_checks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.h"
#include "cli/output.h"

namespace redknot::cli {
namespace {

constexpr std::int64_t kMaxBytes = std::int64_t{1} << 50;

struct CacheTypes {
  const char *keys, *values;
  KvFormat format;
};
constexpr CacheTypes kCacheTypes[] = {{"f16", "f16", KvFormat::kF16},
                                      {"f32", "f32", KvFormat::kF32},
                                      {"q8_0", "q8_0", KvFormat::kQ8},
                                      {"q8_0", "q4_0", KvFormat::kK8V4},
                                      {"q8_0", "q4_1", KvFormat::kK8V4}};

// The whole text as a decimal number.
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

CLI::Validator integer_in(std::int64_t least, std::int64_t most) {
  const auto check = [least, most](std::string& text) -> std::string {
    const auto value = parse_number<std::int64_t>(text);
    if (!value) return "'" + text + "' is not a whole number";
    if (*value < least || *value > most) {
      return text + " is not in the range " + std::to_string(least) + " to " + std::to_string(most);
    }
    text = std::to_string(*value);
    return {};
  };
  return CLI::Validator(check, "");
}

CLI::Validator real_in(double least, double most) {
  const auto check = [least, most](std::string& text) -> std::string {
    const auto value = parse_number<double>(text);
    if (!value || !std::isfinite(*value)) return "'" + text + "' is not a finite number";
    if (*value < least || *value > most) {
      return text + format(" is not in the range %g to %g", least, most);
    }
    return {};
  };
  return CLI::Validator(check, "");
}

CLI::Validator bytes() {
  const auto check = [](std::string& text) -> std::string {
    constexpr std::string_view kUnits = "KMGT";
    std::string_view number = text;
    for (const std::string_view end : {"iB", "B"}) {
      if (number.ends_with(end)) number.remove_suffix(end.size());
    }
    int shift = 0;
    if (const auto unit = kUnits.find(number.empty() ? ' ' : number.back());
        unit != std::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      number.remove_suffix(1);
    }
    const auto value = parse_number<std::int64_t>(number);
    if (!value) return "'" + text + "' is not a number of bytes, such as 1048576, 512M or 4G";
    if (*value < 1 || *value > kMaxBytes >> shift) return text + " is out of range";
    text = std::to_string(*value << shift);
    return {};
  };
  return CLI::Validator(check, "");
}

CLI::Validator one_of(std::vector<std::string> names) {
  const auto check = [names = std::move(names)](std::string& text) -> std::string {
    if (std::find(names.begin(), names.end(), text) != names.end()) return {};
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    return "'" + text + "' is not one of " + list;
  };
  return CLI::Validator(check, "");
}

CLI::Validator logit_bias() {
  const auto check = [](std::string& text) -> std::string {
    const auto bias = parse_logit_bias(text);
    return bias.ok() ? std::string() : bias.error().message();
  };
  return CLI::Validator(check, "");
}

Result<std::pair<int, float>> parse_logit_bias(std::string_view text) {
  const Error error(ErrorCode::kInvalidArgument, "'" + std::string(text) +
                                                     "' is not a token id, a sign and a number, "
                                                     "such as 15043+1.5 or 15043-inf");
  const std::size_t sign = text.find_first_of("+-");
  if (sign == 0 || sign == std::string_view::npos) return error;
  const auto token = parse_number<int>(text.substr(0, sign));
  const std::string_view number = text.substr(text[sign] == '+' ? sign + 1 : sign);
  const auto bias = parse_number<float>(number);
  if (!token || !bias || std::isnan(*bias)) return error;
  if (*bias == std::numeric_limits<float>::infinity()) return error;
  return std::pair(*token, *bias);
}

void add_threads(CLI::App& app, int& threads) {
  app.add_option("-t,--threads", threads,
                 "Threads that compute; 0: one per core that this process may use.")
      ->type_name("N")
      ->transform(integer_in(0, kMaxThreads))
      ->capture_default_str()
      ->group("Computation");
}

void add_page_tokens(CLI::App& app, int& page_tokens) {
  app.add_option("--page-tokens", page_tokens,
                 "Tokens in one page of the KV cache: 16, 32, 64 or 128.")
      ->type_name("TOKENS")
      ->check(one_of({"16", "32", "64", "128"}))
      ->capture_default_str()
      ->group("Computation");
}

void add_kv(CLI::App& app, std::string& kv) {
  app.add_option(
         "--kv", kv,
         "Format of the KV cache: f16; q8 (8-bit integers, half of that memory); k8v4 (8-bit "
         "keys and 4-bit values, 2/5 of it); f32 (no rounding); auto is f32 for a model "
         "whose weights are not quantised, else f16.")
      ->type_name("FORMAT")
      ->check(one_of(kv_names({"auto"})))
      ->capture_default_str()
      ->group("Computation");
}

void add_cache_types(CLI::App& app, std::string& kv) {
  const auto apply = [&app, &kv](const std::string&) {
    const auto type = [&app](const char* option) {
      const CLI::Option* given = app.get_option(option);
      return given->count() == 0 ? std::string("f16") : given->results().back();
    };
    const std::string keys = type("--cache-type-k"), values = type("--cache-type-v");
    std::string known;
    for (const CacheTypes& types : kCacheTypes) {
      if (keys == types.keys && values == types.values) {
        kv = name(types.format);
        return;
      }
      known += concat(known.empty() ? "" : ", ", types.keys, "/", types.values);
    }
    throw CLI::ValidationError("--cache-type-k", "keys of " + keys + " with values of " + values +
                                                     " is not one of " + known);
  };
  auto* keys = app.add_option_function<std::string>(
      "--cache-type-k", apply, "As in llama.cpp: the format of keys, in the place of --kv.");
  auto* values = app.add_option_function<std::string>(
      "--cache-type-v", apply,
      "The format of values: q8_0, or q4_0, which is k8v4, beside keys of q8_0; else that of keys. "
      "Default of both: f16.");
  for (CLI::Option* option : {keys, values}) {
    option->type_name("TYPE")->excludes("--kv")->group("Computation");
  }
}

void add_model(CLI::App& app, std::string& model) {
  app.add_option("-m,--model", model,
                 "The model: a GGUF file, or a Hugging Face folder (config.json, *.safetensors, "
                 "tokenizer.json), or a name that redknot pull knows.")
      ->type_name("MODEL")
      ->required()
      ->group("Model");
}

void add_record(CLI::App& app, std::string& file) {
  app.add_option(
         "--record", file,
         "Write every step that is computed to this file, which is replaced, for redknot "
         "replay to run again. It holds the token ids of all prompts and answers, so keep it "
         "as you would keep those; only its owner may read it. If it cannot be written any "
         "more, on a full disk say, recording stops and everything else goes on; that is "
         "said at the end.")
      ->type_name("FILE")
      ->group("Recording");
}

void add_profile_file(CLI::App& app, std::string& profile) {
  app.add_option("--profile", profile,
                 "Head profile of this model, made by redknot profile: which heads keep everything "
                 "and which only a window. Without one, or with \"none\", every head keeps "
                 "everything.")
      ->type_name("FILE")
      ->transform([](const std::string& name) { return name == "none" ? std::string() : name; })
      ->group("Model");
}

}  // namespace redknot::cli
