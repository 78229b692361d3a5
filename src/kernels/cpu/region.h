// SPDX-License-Identifier: Apache-2.0
// Target regions: functions between BEGIN and END are compiled for more than the baseline CPU and
// may only be called after checking that the CPU has it. Regions, not compiler flags per file, so
// that no inline function of the standard library is ever compiled for the wrong CPU.
#pragma once

#define REDKNOT_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define REDKNOT_BEGIN_TARGET(features) \
  REDKNOT_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define REDKNOT_END_TARGET REDKNOT_PRAGMA(clang attribute pop)
#else
#define REDKNOT_BEGIN_TARGET(features) \
  REDKNOT_PRAGMA(GCC push_options) REDKNOT_PRAGMA(GCC target(features))
#define REDKNOT_END_TARGET REDKNOT_PRAGMA(GCC pop_options)
#endif

#define REDKNOT_INLINE inline __attribute__((always_inline))
