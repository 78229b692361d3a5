// SPDX-License-Identifier: Apache-2.0
#include "profiler/softmax.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace redknot {
namespace {

// The vectors of the language: what every x86-64 and every Arm has.
constexpr std::size_t kLanes = 4;
using Floats = float __attribute__((vector_size(16)));
using Words = std::int32_t __attribute__((vector_size(16)));

Floats splat(float x) { return Floats{x, x, x, x}; }

Floats load(const float* from) {
  Floats out;
  std::memcpy(&out, from, sizeof out);
  return out;
}

double sum(Floats x) {
  return (static_cast<double>(x[0]) + x[1]) + (static_cast<double>(x[2]) + x[3]);
}

// e^x for x <= 0, within 2e-7 of it; 0 below -87. x = n log 2 + r, |r| <= log(2) / 2.
Floats exp_negative(Floats x) {
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction
  const Words seen = x > splat(-87.0f);
  const Floats clamped = seen ? x : splat(-87.0f);
  const Floats shifted = clamped * splat(1.44269504f) + splat(kRounder);
  const Floats n = shifted - splat(kRounder);
  const Floats r = (clamped - n * splat(0.693359375f)) - n * splat(-2.12194440e-4f);
  Floats p = splat(1.9875691500e-4f);
  for (const float c :
       {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) {
    p = p * r + splat(c);
  }
  p = p * (r * r) + r + splat(1.0f);
  Words bits;
  std::memcpy(&bits, &p, sizeof bits);
  bits += __builtin_convertvector(n, Words) << 23;
  std::memcpy(&p, &bits, sizeof p);
  return seen ? p : splat(0.0f);
}

// Calls body with four values at a time, those behind the end of the last being `filler`.
template <typename Body>
void each_four(std::span<const float> values, float filler, const Body& body) {
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) body(i, load(values.data() + i));
  if (i == values.size()) return;
  Floats rest = splat(filler);
  for (std::size_t lane = 0; i + lane < values.size(); ++lane) rest[lane] = values[i + lane];
  body(i, rest);
}

// Four float sums that become a double one after so many vectors.
class LongSum {
 public:
  void add(Floats x) {
    part_ += x;
    if (++count_ == 64) flush();
  }
  double total() {
    flush();
    return total_;
  }

 private:
  void flush() {
    total_ += sum(part_);
    part_ = splat(0.0f);
    count_ = 0;
  }
  Floats part_ = splat(0.0f);
  double total_ = 0;
  int count_ = 0;
};

float largest(std::span<const float> values) {
  Floats most = splat(values[0]);
  each_four(values, values[0], [&](std::size_t, Floats x) { most = x > most ? x : most; });
  return std::max(std::max(most[0], most[1]), std::max(most[2], most[3]));
}

}  // namespace

bool all_finite(std::span<const float> values) {
  Floats zeros = splat(0.0f);
  each_four(values, 0.0f, [&](std::size_t, Floats x) { zeros += x * splat(0.0f); });
  return sum(zeros) == 0;  // infinity times zero is no number
}

std::size_t index_of_largest(std::span<const float> values) {
  return static_cast<std::size_t>(std::find(values.begin(), values.end(), largest(values)) -
                                  values.begin());
}

double log_sum_exp(std::span<const float> logits) {
  const float most = largest(logits);
  LongSum all;
  each_four(logits, most - 1000.0f,
            [&](std::size_t, Floats x) { all.add(exp_negative(x - splat(most))); });
  return most + std::log(all.total());
}

double kl_divergence(std::span<const float> logits, double log_sum, std::span<const float> other,
                     double log_other) {
  // log p - log q is logits - other + shift. What the float part of the shift leaves out is added
  // at the end: probabilities add up to 1.
  const double shift = log_other - log_sum;
  const auto near = static_cast<float>(shift);
  LongSum all;
  each_four(logits, static_cast<float>(log_sum) - 1000.0f, [&](std::size_t i, Floats x) {
    Floats y = x;
    if (i + kLanes <= other.size()) {
      y = load(other.data() + i);
    } else {
      for (std::size_t lane = 0; i + lane < other.size(); ++lane) y[lane] = other[i + lane];
    }
    const Floats p = exp_negative(x - splat(static_cast<float>(log_sum)));
    all.add(p * ((x - y) + splat(near)));
  });
  return all.total() + (shift - near);
}

}  // namespace redknot
