// SPDX-License-Identifier: Apache-2.0
// REDKNOT_CHECK: for what only a mistake of ours can break. Prints the condition and its place and
// aborts, in release too. REDKNOT_DCHECK: the same in inner loops, off under NDEBUG.
#pragma once

namespace redknot {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace redknot

#define REDKNOT_CHECK(condition) \
  ((condition) ? (void)0 : ::redknot::check_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define REDKNOT_DCHECK(condition) ((void)0)
#else
#define REDKNOT_DCHECK(condition) REDKNOT_CHECK(condition)
#endif
