// SPDX-License-Identifier: Apache-2.0
// Writes samples of the corpus (corpus/sample.h): as JSON lines to read, or as token sequences to
// train on.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "corpus/sample.h"
#include "redknot/redknot.h"

namespace redknot::corpus {
namespace {

struct Options {
  SampleOptions sample;
  std::string tokenizer, split = "train", style = "prose", mix = "one_hop=1";
  int sequence_tokens = 0;
  std::int64_t count = 10;
  std::uint64_t seed = 1;
};

constexpr std::uint16_t kAnswer = 0x8000;   // set in tokens of answers
constexpr std::uint16_t kPadding = 0xFFFF;  // behind the end of a sample

// "one_hop=4,two_hop=1"
Result<std::array<double, kKinds>> parse_mix(const std::string& text) {
  std::array<double, kKinds> mix{};
  std::istringstream entries(text);
  for (std::string entry; std::getline(entries, entry, ',');) {
    const std::size_t at = entry.find('=');
    const std::optional<Kind> kind = kind_named(entry.substr(0, at));
    if (!kind || static_cast<int>(*kind) >= kKinds) {
      return invalid("--mix: there is no kind \"", entry.substr(0, at), "\"");
    }
    char* end = nullptr;
    const std::string number = at == std::string::npos ? "1" : entry.substr(at + 1);
    const double weight = std::strtod(number.c_str(), &end);
    if (*end != 0 || number.empty() || !(weight >= 0 && weight < 1e6)) {
      return invalid("--mix: \"", number, "\" is not a weight");
    }
    mix[static_cast<std::size_t>(*kind)] = weight;
  }
  double sum = 0;
  for (const double weight : mix) sum += weight;
  if (sum <= 0) return invalid("--mix: all weights are 0");
  return mix;
}

std::vector<std::string> style_names() {
  std::vector<std::string> names;
  for (const Style style : kStyles) names.emplace_back(name_of(style));
  return names;
}

std::string json_line(const Sample& sample) {
  auto turns = nlohmann::ordered_json::array();
  for (const Turn& turn : sample.turns) {
    turns.push_back(
        {{"kind", name_of(turn.kind)}, {"question", turn.question}, {"answer", turn.answer}});
  }
  const nlohmann::ordered_json line = {
      {"system", sample.system}, {"documents", sample.documents}, {"turns", turns}};
  return line.dump() + "\n";
}

// Turns samples into sequences of exactly `length` entries.
class SequenceWriter {
 public:
  SequenceWriter(const Tokenizer& tokenizer, int length)
      : tokenizer_(tokenizer), length_(static_cast<std::size_t>(length)) {}

  // Nothing if not even one answer fits.
  Result<std::optional<std::vector<std::uint16_t>>> sequence(const Sample& sample) const {
    std::vector<std::uint16_t> out;
    std::size_t written = 0;  // bytes of the sample's text
    for (std::size_t i = 0; i < sample.turns.size(); ++i) {
      const std::string text = prompt_text(sample, i).substr(written);
      REDKNOT_TRY(const std::vector<int> question, tokenizer_.tokenize(text, i == 0, true));
      REDKNOT_TRY(const std::vector<int> answer,
                  tokenizer_.tokenize(answer_text(sample.turns[i]), false, true));
      if (out.size() + question.size() + answer.size() > length_) break;
      for (const int token : question) out.push_back(static_cast<std::uint16_t>(token));
      for (const int token : answer) out.push_back(static_cast<std::uint16_t>(token) | kAnswer);
      written += text.size() + answer_text(sample.turns[i]).size();
    }
    if (out.empty()) return std::optional<std::vector<std::uint16_t>>();
    out.resize(length_, kPadding);
    return std::optional(std::move(out));
  }

 private:
  const Tokenizer& tokenizer_;
  std::size_t length_;
};

Status put(const void* bytes, std::size_t size) {
  if (std::fwrite(bytes, 1, size, stdout) == size) return Done{};
  return io_error("write the corpus to standard output: it cannot be written");
}

Status write_sequences(Options options, const Tokenizer& tokenizer, const CountTokens& count,
                       Random& random) {
  constexpr double kLeast = 0.5, kMost = 0.88;  // of a sequence that is documents
  const SequenceWriter writer(tokenizer, options.sequence_tokens);
  for (std::int64_t written = 0; written < options.count;) {
    const double share = kLeast + (kMost - kLeast) * random.fraction();
    options.sample.document_tokens = static_cast<int>(share * options.sequence_tokens);
    REDKNOT_TRY(const Sample sample, make_sample(options.sample, count, random));
    REDKNOT_TRY(const auto sequence, writer.sequence(sample));
    if (!sequence) continue;
    REDKNOT_RETURN_IF_ERROR(put(sequence->data(), sequence->size() * sizeof(std::uint16_t)));
    ++written;
  }
  return Done{};
}

Status write(Options& options) {
  options.sample.split = options.split == "test" ? Split::kTest : Split::kTrain;
  options.sample.style = *style_named(options.style);
  REDKNOT_TRY(options.sample.mix, parse_mix(options.mix));
  Random random(options.seed);
  if (options.tokenizer.empty()) {
    constexpr std::size_t kBytesPerToken = 4;
    const CountTokens count = [](std::string_view text) {
      return static_cast<int>(text.size() / kBytesPerToken + 1);
    };
    for (std::int64_t i = 0; i < options.count; ++i) {
      REDKNOT_TRY(const Sample sample, make_sample(options.sample, count, random));
      const std::string line = json_line(sample);
      REDKNOT_RETURN_IF_ERROR(put(line.data(), line.size()));
    }
    return Done{};
  }
  REDKNOT_TRY(const Tokenizer tokenizer, Tokenizer::open(options.tokenizer));
  if (tokenizer.size() > kAnswer) {
    return invalid("--tokenizer: it has ", tokenizer.size(), " tokens; a sequence has room for ",
                   kAnswer);
  }
  const CountTokens count = [&](std::string_view text) {
    const auto tokens = tokenizer.tokenize(text, false, false);
    return tokens.ok() ? static_cast<int>(tokens->size()) : 0;
  };
  return write_sequences(options, tokenizer, count, random);
}

int main(int argc, char** argv) {
  CLI::App app{
      "Writes samples of the corpus to standard output: JSON lines, or with --tokenizer and "
      "--sequence-tokens training sequences (16-bit tokens, little endian; bit 15 marks answers, "
      "0xFFFF fills up)."};
  Options options;
  app.add_option("--split", options.split, "train or test: they share no name and no template")
      ->check(CLI::IsMember({"train", "test"}))
      ->capture_default_str();
  app.add_option("--mix", options.mix, "Kinds of questions and their weights, one_hop=4,alias=1")
      ->capture_default_str();
  app.add_option("--style", options.style,
                 "prose; easy: short documents, short names, no pronouns; dense: short documents "
                 "whose subjects all have the same facts")
      ->check(CLI::IsMember(style_names()))
      ->capture_default_str();
  app.add_option("--document-tokens", options.sample.document_tokens,
                 "Documents of a sample, for JSON lines")
      ->check(CLI::Range(20, 1 << 20))
      ->capture_default_str();
  app.add_option("--turns", options.sample.turns, "Questions of a sample, at most")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Equal seeds give equal samples")
      ->check(CLI::Range(std::uint64_t{0}, kFirstEvaluationSeed - 1))
      ->capture_default_str();
  app.add_option("-n,--count", options.count, "Samples")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  auto* tokenizer =
      app.add_option("--tokenizer", options.tokenizer, "tokenizer.json, model folder or GGUF file");
  auto* length =
      app.add_option("--sequence-tokens", options.sequence_tokens, "Length of a training sequence")
          ->check(CLI::Range(64, 1 << 20));
  tokenizer->needs(length);
  length->needs(tokenizer);
  CLI11_PARSE(app, argc, argv);
  const Status status = write(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "corpus: %s\n", status.error().message().c_str());
  return 1;
}

}  // namespace
}  // namespace redknot::corpus

int main(int argc, char** argv) { return redknot::corpus::main(argc, argv); }
