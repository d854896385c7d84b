// Object ids of the built-in types that code names, equal to PostgreSQL's.
#pragma once

#include "types/datum.h"

namespace stele::oid {
constexpr Oid kBool = 16, kBytea = 17, kChar = 18, kName = 19, kInt8 = 20, kInt2 = 21,
              kInt2Vector = 22, kInt4 = 23, kRegproc = 24, kText = 25, kOid = 26, kTid = 27,
              kXid = 28, kCid = 29, kOidVector = 30, kJson = 114, kXml = 142, kPgNodeTree = 194,
              kPoint = 600, kFloat4 = 700, kFloat8 = 701, kUnknown = 705, kMoney = 790,
              kMacaddr = 829, kInet = 869, kCidr = 650, kAclitem = 1033, kBpchar = 1042,
              kVarchar = 1043, kDate = 1082, kTime = 1083, kTimestamp = 1114, kTimestamptz = 1184,
              kInterval = 1186, kTimetz = 1266, kBit = 1560, kVarbit = 1562, kNumeric = 1700,
              kRefcursor = 1790, kRegprocedure = 2202, kRegoper = 2203, kRegoperator = 2204,
              kRegclass = 2205, kRegtype = 2206, kUuid = 2950, kPgLsn = 3220, kTsvector = 3614,
              kGtsvector = 3642, kTsquery = 3615, kRegconfig = 3734, kRegdictionary = 3769,
              kJsonb = 3802, kJsonpath = 4072, kRegnamespace = 4089, kRegrole = 4096,
              kRegcollation = 4191, kXid8 = 5069;
// Pseudo-types.
constexpr Oid kRecord = 2249, kCstring = 2275, kAny = 2276, kAnyArray = 2277, kVoid = 2278,
              kTrigger = 2279, kInternal = 2281, kAnyElement = 2283, kAnyNonArray = 2776,
              kAnyEnum = 3500, kAnyRange = 3831, kRecordArray = 2287, kAnyCompatible = 5077,
              kAnyCompatibleArray = 5078, kAnyCompatibleNonArray = 5079,
              kAnyCompatibleRange = 5080, kAnyMultirange = 4537, kAnyCompatibleMultirange = 4538;
// Arrays in everyday use.
constexpr Oid kBoolArray = 1000, kByteaArray = 1001, kCharArray = 1002, kNameArray = 1003,
              kInt2Array = 1005, kInt4Array = 1007, kTextArray = 1009, kBpcharArray = 1014,
              kVarcharArray = 1015, kInt8Array = 1016, kFloat4Array = 1021, kFloat8Array = 1022,
              kOidArray = 1028, kNumericArray = 1231, kJsonbArray = 3807, kDateArray = 1182,
              kTimestampArray = 1115, kTimestamptzArray = 1185, kUuidArray = 2951;
// Types that are Stele's own (pgvector's names); outside PostgreSQL's range of built-ins.
constexpr Oid kVector = 9900, kVectorArray = 9901, kHalfvec = 9902, kHalfvecArray = 9903,
              kSparsevec = 9904, kSparsevecArray = 9905;
// Collations.
constexpr Oid kDefaultCollation = 100, kCCollation = 950, kPosixCollation = 951;
// The first id the allocator hands to users' objects.
constexpr Oid kFirstUserOid = 16384;
}  // namespace stele::oid
