// SPDX-License-Identifier: Apache-2.0
// Which model this is, whatever its file is called: what was measured on one model holds for no
// other.
#pragma once

#include <string>

#include "base/thread_pool.h"
#include "model/model.h"

namespace redknot {

// "sha256:<64 digits>" over everything the forward pass depends on: the configuration without the
// model's name, and of every tensor its type, shape and bytes. Reads the whole file: about a second
// for a gigabyte and core.
std::string fingerprint(const Model& model, ThreadPool& threads);

// "quick:<64 digits>" over the configuration, the name and size of the file's tensors, and the
// first bytes of a thousand of them at most: milliseconds. Models that differ elsewhere alone have
// the same.
std::string quick_identity(const Model& model);

}  // namespace redknot
