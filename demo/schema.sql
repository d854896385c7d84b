-- The Debian archive, as this machine knows it, in normal form.
CREATE TYPE dependency_kind AS ENUM ('pre-depends', 'depends', 'recommends', 'suggests', 'enhances', 'breaks', 'conflicts', 'replaces', 'provides');
CREATE TABLE sections (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE maintainers (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, UNIQUE (name, email));
CREATE TABLE packages (
  id int PRIMARY KEY,
  name text NOT NULL UNIQUE,
  section_id int NOT NULL,
  priority text NOT NULL,
  summary text NOT NULL,
  homepage text
);
CREATE TABLE versions (
  id int PRIMARY KEY,
  package_id int NOT NULL,
  version text NOT NULL,
  architecture text NOT NULL,
  source text NOT NULL,
  maintainer_id int NOT NULL,
  size_bytes bigint,
  installed_kb bigint,
  sha256 bytea,
  details jsonb NOT NULL
);
CREATE TABLE dependencies (
  version_id int NOT NULL,
  kind dependency_kind NOT NULL,
  position smallint NOT NULL,
  alternative smallint NOT NULL,
  target text NOT NULL,
  target_id int,
  requirement text,
  PRIMARY KEY (version_id, kind, position, alternative)
);
CREATE TABLE tags (id int PRIMARY KEY, facet text NOT NULL, value text NOT NULL, UNIQUE (facet, value));
CREATE TABLE package_tags (package_id int NOT NULL, tag_id int NOT NULL, PRIMARY KEY (package_id, tag_id));
-- What each package is about, for search by words and by meaning; the vectors come from latent semantic analysis.
CREATE TABLE descriptions (
  id int PRIMARY KEY,
  name text NOT NULL,
  summary text NOT NULL,
  section text NOT NULL,
  embedding vector(256)
);
