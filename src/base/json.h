// JSON documents in protocols and configuration: Boost.JSON, included by .cc files only. Headers
// forward-declare with this one.
#pragma once

#include <boost/json/fwd.hpp>

namespace stele {
namespace json = boost::json;
}
