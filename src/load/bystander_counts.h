// SPDX-License-Identifier: Apache-2.0
// How the connections beside a load fare. A value.
#pragma once

namespace redknot::load {

struct BystanderCounts {
  int idle = 0;  // open, of those that send nothing
  int slow = 0;  // open, of those that read slowly
  int lost = 0;  // not connected, or closed by the server
};

}  // namespace redknot::load
