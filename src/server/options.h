// What the server is told: command line first, then the configuration file, then defaults.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stele::server {

struct Options {
  std::string command = "serve";    // serve, check, version, help
  std::string data_directory = "./stele-data";
  std::string listen = "127.0.0.1";
  // -1: the door is closed; 0: any free port.
  int postgres_port = 5432, redis_port = 6379, elasticsearch_port = 9200, qdrant_port = 6333;
  std::string auth = "trust";       // trust, scram
  std::string tls_certificate, tls_key;
  std::string redis_password, qdrant_api_key, qdrant_read_only_api_key;
  bool require_tls = false;
  int max_connections = 500;
  uint64_t cache_mb = 0, hot_mb = 0;   // 0: by the machine's memory
  uint64_t write_buffer_mb = 64;
  uint64_t search_tail_kb = 32768;  // of a relation: more goes to a file
  std::string log_level = "info", log_file;
  std::string port_file;            // JSON with the ports that were bound, written when ready
  std::map<std::string, std::string> settings;  // any SQL setting: server-wide default
};

// Throws Error(kInvalidParameterValue) with a message for the person at the terminal.
Options parse_options(const std::vector<std::string>& arguments);
const char* help_text();

}  // namespace stele::server
