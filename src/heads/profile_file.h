// SPDX-License-Identifier: Apache-2.0
// A head profile with its evidence: for which model it is, what was measured of every head, on
// which text, and what the policies cost on text that was not used to choose them. As JSON, for
// people to read and for the engine to hold a model against.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heads/head_profile.h"
#include "redknot/result.h"

namespace redknot {

inline constexpr std::size_t kMaxProfileBytes = std::size_t{64} << 20;

// What a measurement was made on.
struct MeasuredText {
  std::string description{};  // "corpus, seed 7", "3 files"
  std::string sha256{};       // of its token ids, little endian, 32 bits each; 64 digits
  std::int64_t tokens = 0;
  int context_tokens = 0;  // of a sequence, at most
  int page_tokens = 0;
  std::size_t dense_bytes = 0;  // f16 pages of the longest sequence, dense
  bool operator==(const MeasuredText&) const = default;
};

// How far a head looks and what that does. Shares are of the attention mass of all its queries.
struct HeadEvidence {
  // By distance: the sink (kSinkTokens first tokens), then 0, 1, 2-3, 4-7, ...; they add up to 1.
  std::vector<double> mass{};
  // The smallest windows that hold 95, 99 and 99.9 % of the mass outside the sink, in tokens.
  std::array<int, 3> windows{};
  // |output behind another prefix - output| / |output| of the same text, mean over tokens; absent
  // if the text was too short to measure it.
  std::optional<double> prefix_shift{};
  // Mean KL of the next token's distribution to the dense one, in nats, when heads lose what is
  // farther than the trial window: this head alone, or a group of `effect_heads` that had so small
  // an effect together that it was not taken apart.
  double effect_kl = 0;
  int effect_heads = 1;
  bool operator==(const HeadEvidence&) const = default;
};
inline constexpr int kSinkTokens = 4;

// Against dense attention with f16 pages, over the positions of a text.
struct Divergence {
  std::int64_t positions = 0;
  double kl_mean = 0, kl_p99 = 0, kl_p999 = 0;  // nats
  double same_top1 = 0;                         // share of positions
  double perplexity_ratio = 1;
  bool operator==(const Divergence&) const = default;
};

// One set of policies that was tried.
struct ProfileTrial {
  // Of the longest sequence: held at its end, and read there to decode a token.
  std::size_t kv_bytes = 0, kv_bytes_read = 0;
  Divergence divergence{};
  bool operator==(const ProfileTrial&) const = default;
};

// What reuse of segments under the profile costs, against the same profile without it.
struct ReuseTrial {
  std::string description{};  // of the text
  std::string policy{};       // of recovery
  double ratio = 0;
  int questions = 0;
  int page_tokens = 0;
  double kl_mean = 0;  // nats, of the next token's distribution
  double same_top1 = 0;
  bool operator==(const ReuseTrial&) const = default;
};

struct ProfileFile {
  std::string model_name{};
  std::string fingerprint{};  // model/fingerprint.h
  HeadProfile profile{};
  // Empty for a profile that was imported.
  std::vector<HeadEvidence> heads{};  // [layers, kv_heads]
  std::optional<MeasuredText> calibration{};
  double budget_kl = 0;  // that the search was given
  std::vector<ProfileTrial> curve{};
  // Of the profile as it is; absent: nobody has measured what it costs.
  std::optional<MeasuredText> validation{};
  std::optional<ProfileTrial> validated{};
  std::optional<ReuseTrial> reuse{};  // absent: nobody has measured that
  bool operator==(const ProfileFile&) const = default;
};

// kInvalidArgument for text that is not such a file, naming the field; kUnsupported for a version
// that is not known here.
Result<ProfileFile> parse_profile(std::string_view json);
std::string to_json(const ProfileFile& file);  // ends with a line break

}  // namespace redknot
