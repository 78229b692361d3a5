// SPDX-License-Identifier: Apache-2.0
// What the public header says of a model.
#pragma once

#include "model/model.h"
#include "redknot/redknot.h"

namespace redknot {

ModelInfo describe(const Model& model);

}  // namespace redknot
