// The stored form of catalogue objects: a version byte, then fields in a fixed order.
#pragma once

#include <string>
#include <string_view>

#include "catalog/objects.h"

namespace stele::catalog {

std::string encode_object(const Object& object);
// Throws data_corrupted for damaged bytes and feature_not_supported for unknown versions.
std::shared_ptr<const Object> decode_object(ObjectKind kind, std::string_view bytes);
std::string encode_statistics(const RelationStatistics& s);
std::shared_ptr<const RelationStatistics> decode_statistics(std::string_view bytes);

}  // namespace stele::catalog
