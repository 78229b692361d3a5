// SPDX-License-Identifier: Apache-2.0
// How metrics and status call what a head keeps.
#pragma once

#include "redknot/redknot.h"

namespace redknot::server {

// "f16", "q8" or "f32"; what heads hold is never kAuto.
inline const char* name_of(KvDType dtype) {
  if (dtype == KvDType::kQ8) return "q8";
  return dtype == KvDType::kF32 ? "f32" : "f16";
}

// "global", "local" or "retrieval".
inline const char* class_of(const HeadKv& head) {
  if (head.local) return "local";
  return head.top_pages > 0 ? "retrieval" : "global";
}

}  // namespace redknot::server
