// SPDX-License-Identifier: Apache-2.0
#include "text/known_expressions.h"

namespace redknot::text {
namespace {

using std::string_view;

// Pieces that several expressions share.
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define NEWLINES_THEN_SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED_WORD(suffix)                                                                      \
  "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER \
  "*" suffix
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

// Words as GPT-4's tokenizer cuts them; models differ in how many digits stay together.
#define GPT4(digits)                                    \
  CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
               "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" NEWLINES_THEN_SPACES

constexpr string_view kDefaultNames[] = {"default"};
constexpr string_view kDefault[] = {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"};

constexpr string_view kGpt2Names[] = {
    "gpt-2",      "phi-2",      "mpt",         "olmo",           "jais",
    "gigachat",   "trillion",   "exaone4",     "jina-es",        "jina-de",
    "jina-v2-es", "jina-v2-de", "jina-v1-en",  "jina-v2-code",   "roberta-bpe",
    "mellum",     "a.x-4.0",    "modern-bert", "granite-docling"};
constexpr string_view kGpt2[] = {GPT2};

constexpr string_view kLlama3Names[] = {"llama-bpe", "llama3",    "llama-v3",    "falcon3",
                                        "falcon-h1", "pixtral",   "midm-2.0",    "lfm2",
                                        "dbrx",      "smaug-bpe", "chatglm-bpe", "glm4"};
constexpr string_view kLlama3[] = {GPT4("\\p{N}{1,3}")};

constexpr string_view kQwen2Names[] = {
    "qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan", "kormo", "grok-2"};
constexpr string_view kQwen2[] = {GPT4("\\p{N}")};

constexpr string_view kStarcoderNames[] = {"starcoder", "refact", "command-r", "smollm",
                                           "codeshell", "exaone", "minerva-7b"};
constexpr string_view kStarcoder[] = {"\\p{N}", GPT2};

constexpr string_view kFalconNames[] = {"falcon"};
constexpr string_view kFalcon[] = {"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"};

constexpr string_view kTekkenNames[] = {"tekken"};
constexpr string_view kTekken[] = {
    CASED_WORD("") "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" NEWLINES_THEN_SPACES};

constexpr string_view kGpt4oNames[] = {"gpt-4o", "llama4", "kanana2", "minimax-m2"};
constexpr string_view kGpt4o[] = {CASED_WORD(
    CONTRACTIONS "?") "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" NEWLINES_THEN_SPACES};

// U+4E00..U+9FA5, U+0800..U+4E00, U+AC00..U+D7FF.
#define DEEPSEEK_CJK "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"

constexpr string_view kDeepseekCoderNames[] = {"deepseek-coder"};
constexpr string_view kDeepseekCoder[] = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK,
                                          "\\p{N}"};

constexpr string_view kDeepseekLlmNames[] = {"deepseek-llm"};
constexpr string_view kDeepseekLlm[] = {
    "[\\r\\n]",
    // The cased letters of one Unicode version.
    "\\s?["
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}"
    "\\x{1c4}-\\x{293}\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}"
    "\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}"
    "\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}"
    "\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}"
    "\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}"
    "\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}"
    "\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}"
    "\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}"
    "\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}"
    "\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}"
    "\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}"
    "\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}"
    "\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}"
    "\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}"
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}"
    "\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"
    "]+",
    "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+",
    "\\s+$", DEEPSEEK_CJK, "\\p{N}+"};

constexpr string_view kDeepseekV3Names[] = {"deepseek-v3", "hunyuan-dense"};
constexpr string_view kDeepseekV3[] = {
    "\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
    "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*"
    "|" NEWLINES_THEN_SPACES};

constexpr KnownPreTokenizer kKnown[] = {
    {kDefaultNames, kDefault},
    {kGpt2Names, kGpt2},
    {kLlama3Names, kLlama3},
    {kQwen2Names, kQwen2},
    {kStarcoderNames, kStarcoder},
    {kFalconNames, kFalcon},
    {kTekkenNames, kTekken},
    {kGpt4oNames, kGpt4o},
    {kDeepseekCoderNames, kDeepseekCoder},
    {kDeepseekLlmNames, kDeepseekLlm},
    {kDeepseekV3Names, kDeepseekV3},
};

}  // namespace

std::span<const KnownPreTokenizer> known_pre_tokenizers() { return kKnown; }

}  // namespace redknot::text
