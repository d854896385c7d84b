// The server's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding, over verifiers in
// PostgreSQL's form: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.
#pragma once

#include <string>
#include <string_view>

namespace stele::doors::postgres {

class ScramServer {
 public:
  // An unusable verifier (unknown role, no password) runs the whole exchange and fails at its end, so
  // that a client cannot tell which roles exist. `mock_seed` makes its salt stable for a user name.
  ScramServer(std::string_view verifier, std::string_view mock_seed);
  // The client-first message; returns server-first. Throws protocol_violation on malformed input.
  std::string first(std::string_view message);
  // The client-final message; true and the server-final message when the proof is right.
  bool final(std::string_view message, std::string* reply);

 private:
  bool usable_ = false;
  int iterations_ = 4096;
  std::string salt_base64_, stored_key_, server_key_;
  std::string gs2_header_, client_first_bare_, server_first_, nonce_;
};

// A verifier for a clear-text password.
std::string scram_verifier(std::string_view password, std::string_view salt, int iterations = 4096);
// True when the clear-text password fits the verifier.
bool scram_matches(std::string_view verifier, std::string_view password);

std::string base64_encode(std::string_view bytes);
bool base64_decode(std::string_view text, std::string* bytes);

}  // namespace stele::doors::postgres
