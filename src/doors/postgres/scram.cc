#include "doors/postgres/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/error.h"

namespace stele::doors::postgres {
namespace {

constexpr std::string_view kPrefix = "SCRAM-SHA-256$";

std::string hmac(std::string_view key, std::string_view data) {
  unsigned char out[SHA256_DIGEST_LENGTH];
  unsigned int n = sizeof out;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(data.data()), data.size(), out, &n);
  return {reinterpret_cast<char*>(out), n};
}
std::string sha256(std::string_view data) {
  unsigned char out[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), out);
  return {reinterpret_cast<char*>(out), sizeof out};
}
std::string salted_password(std::string_view password, std::string_view salt, int iterations) {
  unsigned char out[SHA256_DIGEST_LENGTH];
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                    reinterpret_cast<const unsigned char*>(salt.data()),
                    static_cast<int>(salt.size()), iterations, EVP_sha256(), sizeof out, out);
  return {reinterpret_cast<char*>(out), sizeof out};
}
bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

struct Verifier { int iterations; std::string salt, stored_key, server_key; };
bool parse_verifier(std::string_view text, Verifier* v) {
  if (!text.starts_with(kPrefix)) return false;
  text.remove_prefix(kPrefix.size());
  size_t colon = text.find(':'), dollar = text.find('$');
  if (colon == text.npos || dollar == text.npos || dollar < colon) return false;
  v->iterations = std::atoi(std::string(text.substr(0, colon)).c_str());
  size_t second = text.find(':', dollar);
  if (v->iterations <= 0 || second == text.npos) return false;
  return base64_decode(text.substr(colon + 1, dollar - colon - 1), &v->salt) &&
         base64_decode(text.substr(dollar + 1, second - dollar - 1), &v->stored_key) &&
         base64_decode(text.substr(second + 1), &v->server_key) &&
         v->stored_key.size() == SHA256_DIGEST_LENGTH && v->server_key.size() == SHA256_DIGEST_LENGTH;
}

[[noreturn]] void malformed(std::string detail) {
  throw Error(ErrorCode::kProtocolViolation, "malformed SCRAM message").detail(std::move(detail));
}

// "x=value," from the front.
std::string_view attribute(std::string_view& in, char name) {
  if (in.size() < 2 || in[0] != name || in[1] != '=')
    malformed(fmt::format("Expected attribute \"{}\".", name));
  size_t end = in.find(',');
  std::string_view value = in.substr(2, end == in.npos ? in.npos : end - 2);
  in.remove_prefix(end == in.npos ? in.size() : end + 1);
  return value;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4, '\0');
  if (!bytes.empty())
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                    reinterpret_cast<const unsigned char*>(bytes.data()),
                    static_cast<int>(bytes.size()));
  return out;
}
bool base64_decode(std::string_view text, std::string* bytes) {
  if (text.size() % 4 != 0) return false;
  bytes->assign(text.size() / 4 * 3, '\0');
  if (text.empty()) return true;
  int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes->data()),
                          reinterpret_cast<const unsigned char*>(text.data()),
                          static_cast<int>(text.size()));
  if (n < 0) return false;
  size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes->resize(static_cast<size_t>(n) - padding);
  return true;
}

std::string scram_verifier(std::string_view password, std::string_view salt, int iterations) {
  std::string salted = salted_password(password, salt, iterations);
  return fmt::format("{}{}:{}${}:{}", kPrefix, iterations, base64_encode(salt),
                     base64_encode(sha256(hmac(salted, "Client Key"))),
                     base64_encode(hmac(salted, "Server Key")));
}
bool scram_matches(std::string_view verifier, std::string_view password) {
  Verifier v;
  if (!parse_verifier(verifier, &v)) return false;
  return same(sha256(hmac(salted_password(password, v.salt, v.iterations), "Client Key")), v.stored_key);
}

ScramServer::ScramServer(std::string_view verifier, std::string_view mock_seed) {
  Verifier v;
  usable_ = parse_verifier(verifier, &v);
  if (!usable_) {
    v.iterations = 4096;
    v.salt = hmac("stele mock salt", mock_seed).substr(0, 16);
    v.stored_key.assign(SHA256_DIGEST_LENGTH, '\0');
    v.server_key = v.stored_key;
  }
  iterations_ = v.iterations;
  salt_base64_ = base64_encode(v.salt);
  stored_key_ = std::move(v.stored_key);
  server_key_ = std::move(v.server_key);
}

std::string ScramServer::first(std::string_view message) {
  std::string_view in = message;
  if (in.empty()) malformed("The message is empty.");
  if (in[0] == 'p')
    throw Error(ErrorCode::kProtocolViolation, "channel binding is not supported by this server");
  if (in[0] != 'n' && in[0] != 'y') malformed("Unexpected channel-binding flag.");
  if (in.size() < 3 || in[1] != ',') malformed("Comma expected.");
  size_t second = in.find(',', 2);
  if (second == in.npos) malformed("Comma expected.");
  if (second != 2)
    throw Error(ErrorCode::kFeatureNotSupported,
                "client uses authorization identity, but it is not supported");
  gs2_header_ = std::string(in.substr(0, second + 1));
  in.remove_prefix(second + 1);
  client_first_bare_ = std::string(in);
  if (in.starts_with("m="))
    throw Error(ErrorCode::kFeatureNotSupported,
                "client requires an unsupported SCRAM extension");
  attribute(in, 'n');
  std::string_view client_nonce = attribute(in, 'r');
  if (client_nonce.empty()) malformed("The nonce is empty.");
  unsigned char random[18];
  RAND_bytes(random, sizeof random);
  nonce_ = std::string(client_nonce) + base64_encode({reinterpret_cast<char*>(random), sizeof random});
  server_first_ = fmt::format("r={},s={},i={}", nonce_, salt_base64_, iterations_);
  return server_first_;
}

bool ScramServer::final(std::string_view message, std::string* reply) {
  size_t proof_at = message.rfind(",p=");
  if (proof_at == message.npos) malformed("Expected attribute \"p\".");
  std::string_view without_proof = message.substr(0, proof_at);
  std::string_view in = without_proof;
  std::string binding;
  if (!base64_decode(attribute(in, 'c'), &binding) || binding != gs2_header_)
    throw Error(ErrorCode::kProtocolViolation, "unexpected SCRAM channel-binding attribute in client-final-message");
  if (attribute(in, 'r') != nonce_)
    throw Error(ErrorCode::kProtocolViolation, "invalid SCRAM response").detail("Nonce does not match.");
  std::string proof;
  if (!base64_decode(message.substr(proof_at + 3), &proof) || proof.size() != SHA256_DIGEST_LENGTH)
    malformed("Malformed proof in client-final-message.");
  std::string auth = client_first_bare_ + "," + server_first_ + "," + std::string(without_proof);
  std::string key = hmac(stored_key_, auth);
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<char>(key[i] ^ proof[i]);
  if (!same(sha256(key), stored_key_) || !usable_) return false;
  *reply = "v=" + base64_encode(hmac(server_key_, auth));
  return true;
}

}  // namespace stele::doors::postgres
