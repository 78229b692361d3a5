// SPDX-License-Identifier: Apache-2.0
// How metrics and status call what a head keeps.
#pragma once

#include "redknot/redknot.h"

namespace redknot::server {

// "global", "local" or "retrieval".
inline const char* class_of(const HeadKv& head) {
  if (head.local) return "local";
  return head.top_pages > 0 ? "retrieval" : "global";
}

}  // namespace redknot::server
