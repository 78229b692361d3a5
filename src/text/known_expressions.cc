// SPDX-License-Identifier: Apache-2.0
#include "text/known_expressions.h"

#include "base/error.h"

namespace redknot::text {
namespace {

constexpr std::string_view kContraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
constexpr std::string_view kNewlinesOrSpaces = R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDigitTriple = "[0-9][0-9][0-9]";

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// GPT-4's words; models differ in how many digits stay together.
std::string gpt4(std::string_view digits) {
  return concat(kContraction, R"(|[^\r\n\p{L}\p{N}]?\p{L}+|)", digits,
                R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|)", kNewlinesOrSpaces);
}

// GPT-4o's words, which end where a lower-case letter meets an upper-case one.
std::string gpt4o(std::string_view contraction, std::string_view digits) {
  constexpr std::string_view kUpper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";
  constexpr std::string_view kLower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
  constexpr std::string_view kBefore = R"([^\r\n\p{L}\p{N}]?)";
  return concat(kBefore, kUpper, "*", kLower, "+", contraction, "|",  //
                kBefore, kUpper, "+", kLower, "*", contraction, "|",  //
                digits, R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|)", kNewlinesOrSpaces);
}

// U+4E00..U+9FA5, U+0800..U+4E00, U+AC00..U+D7FF.
constexpr std::string_view kDeepseekCjk =
    R"([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)";

// The cased letters of some Unicode version, as DeepSeek LLM lists them.
constexpr std::string_view kDeepseekWord =
    R"(\s?[)"
    R"(A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293})"
    R"(\x{295}-\x{2af}\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a})"
    R"(\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556})"
    R"(\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd}\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf})"
    R"(\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d})"
    R"(\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d})"
    R"(\x{1f5f}-\x{1f7d}\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4})"
    R"(\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4})"
    R"(\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d}\x{2124})"
    R"(\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f})"
    R"(\x{2145}-\x{2149}\x{214e}\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4})"
    R"(\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f})"
    R"(\x{a771}-\x{a787}\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17})"
    R"(\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{10400}-\x{1044f}\x{104b0}-\x{104d3})"
    R"(\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df})"
    R"(\x{1e900}-\x{1e943})"
    R"(]+)";

constexpr std::string_view kDeepseekPunctuation =
    R"(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)";

std::string deepseek_v3_word() {
  return concat(R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)",
                R"([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|)",
                kNewlinesOrSpaces);
}

std::vector<std::string> list(std::initializer_list<std::string_view> expressions) {
  return {expressions.begin(), expressions.end()};
}

}  // namespace

std::vector<KnownPreTokenizer> known_pre_tokenizers() {
  return {
      {{"default"}, list({R"([\p{P}$+<=>^~|]+)", kGpt2, R"(\p{N}+)", kDigitTriple})},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "trillion", "exaone4", "jina-es",
        "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code", "roberta-bpe",
        "mellum", "a.x-4.0", "modern-bert", "granite-docling"},
       list({kGpt2})},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "jina-v5-nano", "dbrx", "smaug-bpe", "chatglm-bpe", "glm4"},
       list({gpt4(R"(\p{N}{1,3})")})},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan", "kormo", "grok-2"},
       list({gpt4(R"(\p{N})")})},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"},
       list({R"(\p{N})", kGpt2})},
      {{"falcon"}, list({R"([\p{P}$+<=>^~|`]+)", kGpt2, kDigitTriple})},
      {{"tekken"}, list({gpt4o("", R"(\p{N})")})},
      {{"gpt-4o", "llama4", "kanana2", "minimax-m2"},
       list({gpt4o(concat(kContraction, "?"), R"(\p{N}{1,3})")})},
      {{"deepseek-coder"},
       list({R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepseekCjk, R"(\p{N})"})},
      {{"deepseek-llm"},
       list({R"([\r\n])", kDeepseekWord, kDeepseekPunctuation, R"(\s+$)", kDeepseekCjk,
             R"(\p{N}+)"})},
      {{"deepseek-v3", "hunyuan-dense"},
       list({R"(\p{N}{1,3})", R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)",
             deepseek_v3_word()})},
  };
}

}  // namespace redknot::text
