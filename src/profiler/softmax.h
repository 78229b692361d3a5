// SPDX-License-Identifier: Apache-2.0
// Sums over the probabilities of a whole vocabulary, fast: four at a time and in float, but for
// what is added up, which is double. Pure functions that divergence.cc calls, on any thread; the
// result is the same on every machine and with every table of kernels.
#pragma once

#include <cstddef>
#include <span>

namespace redknot {

// Whether none is a NaN or an infinity.
bool all_finite(std::span<const float> values);

// The first of the largest. Requires values that are finite, and one at least.
std::size_t index_of_largest(std::span<const float> values);

// log of the sum of exp(value). Requires values that are finite, and one at least.
double log_sum_exp(std::span<const float> logits);

// The sum over i of p[i] (log p[i] - log q[i]), where p[i] = exp(logits[i] - log_sum) and log q
// alike. Requires as many of both, all finite, and their log_sum_exp().
double kl_divergence(std::span<const float> logits, double log_sum, std::span<const float> other,
                     double log_other);

}  // namespace redknot
