-- Event triggers.
CREATE TABLE evt_log (n serial, what text);
CREATE FUNCTION evt_note() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE 'evt: % %', tg_event, tg_tag;
END $$;
SELECT evt_note();
CREATE FUNCTION evt_args(name) RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION evt_sql() RETURNS event_trigger LANGUAGE sql AS 'SELECT 1';
CREATE EVENT TRIGGER evt1 ON elephant_bootstrap EXECUTE PROCEDURE evt_note();
CREATE EVENT TRIGGER evt1 ON ddl_command_start EXECUTE PROCEDURE nosuch();
CREATE EVENT TRIGGER evt1 ON ddl_command_start EXECUTE PROCEDURE now();
CREATE EVENT TRIGGER evt1 ON ddl_command_start WHEN food IN ('sandwich') EXECUTE PROCEDURE evt_note();
CREATE EVENT TRIGGER evt1 ON ddl_command_start WHEN tag IN ('sandwich') EXECUTE PROCEDURE evt_note();
CREATE EVENT TRIGGER evt1 ON ddl_command_start WHEN tag IN ('create table', 'create skunkcabbage') EXECUTE PROCEDURE evt_note();
CREATE EVENT TRIGGER evt1 ON ddl_command_start WHEN tag IN ('DROP EVENT TRIGGER') EXECUTE PROCEDURE evt_note();
CREATE EVENT TRIGGER evt1 ON ddl_command_start WHEN tag IN ('CREATE ROLE') EXECUTE PROCEDURE evt_note();
CREATE EVENT TRIGGER evt1 ON ddl_command_start WHEN tag IN ('create table') AND tag IN ('create function') EXECUTE PROCEDURE evt_note();
CREATE EVENT TRIGGER evt1 ON ddl_command_start EXECUTE PROCEDURE evt_note();
CREATE EVENT TRIGGER evt1 ON ddl_command_start EXECUTE PROCEDURE evt_note();
CREATE EVENT TRIGGER evt2 ON ddl_command_start WHEN tag IN ('create table', 'create function') EXECUTE PROCEDURE evt_note();
COMMENT ON EVENT TRIGGER evt1 IS 'test comment';
COMMENT ON EVENT TRIGGER wrong IS 'test comment';
CREATE TABLE evt_t (a int);
ALTER TABLE evt_t ADD b int;
ALTER EVENT TRIGGER evt1 DISABLE;
CREATE TABLE evt_t2 (a int);
ALTER EVENT TRIGGER evt2 DISABLE;
SELECT evtname, evtevent, evtfoid::regproc, evtenabled, evttags FROM pg_event_trigger ORDER BY 1;
CREATE EVENT TRIGGER evt_end ON ddl_command_end EXECUTE PROCEDURE evt_note();
CREATE TABLE evt_t3 (a int);
DROP TABLE evt_t3;
CREATE ROLE evt_role;
GRANT SELECT ON evt_t TO evt_role;
COMMENT ON TABLE evt_t IS 'x';
CREATE TABLE evt_as AS SELECT 1 AS x;
SELECT 1 AS x INTO evt_into;
BEGIN;
CREATE TABLE evt_rolled (a int);
ROLLBACK;
DROP EVENT TRIGGER evt_end;
ALTER EVENT TRIGGER evt1 RENAME TO evt2;
ALTER EVENT TRIGGER evt1 RENAME TO evt9;
ALTER EVENT TRIGGER evt9 OWNER TO evt_role;
ALTER EVENT TRIGGER nosuch DISABLE;
DROP EVENT TRIGGER nosuch;
DROP EVENT TRIGGER IF EXISTS nosuch;
DROP FUNCTION evt_note();
SET ROLE evt_role;
CREATE EVENT TRIGGER evt5 ON ddl_command_start EXECUTE PROCEDURE evt_note();
RESET ROLE;
CREATE FUNCTION evt_commands() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
  FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP
    RAISE NOTICE '% % %: %', tg_tag, r.command_tag, r.object_type, r.object_identity;
  END LOOP;
END $$;
CREATE EVENT TRIGGER evt_cmd ON ddl_command_end EXECUTE PROCEDURE evt_commands();
CREATE TABLE evt_c (a int, b text);
CREATE TABLE evt_d (id serial PRIMARY KEY);
CREATE INDEX evt_c_a ON evt_c (a);
CREATE VIEW evt_v AS SELECT 1 AS x;
ALTER TABLE evt_c ADD c int;
CREATE SCHEMA evt_s;
CREATE FUNCTION evt_s.f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TYPE evt_enum AS ENUM ('a');
COMMENT ON TABLE evt_c IS 'c';
DROP EVENT TRIGGER evt_cmd;
-- known difference: the code is 55000 here
SELECT * FROM pg_event_trigger_ddl_commands();
CREATE FUNCTION evt_dropped() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
  FOR r IN SELECT * FROM pg_event_trigger_dropped_objects() WHERE object_type NOT IN ('type', 'toast table') LOOP
    RAISE NOTICE '% orig=% normal=% temp=% type=% identity=% name=% args=%', tg_tag, r.original, r.normal, r.is_temporary, r.object_type, r.object_identity, r.address_names, r.address_args;
  END LOOP;
END $$;
CREATE EVENT TRIGGER evt_drop ON sql_drop EXECUTE PROCEDURE evt_dropped();
DROP VIEW evt_v;
DROP TABLE evt_t2;
DROP FUNCTION evt_s.f(int, text);
ALTER TABLE evt_c DROP COLUMN c;
DROP SCHEMA evt_s;
CREATE VIEW evt_dep AS SELECT a FROM evt_t;
DROP TABLE evt_t;
DROP TABLE evt_t CASCADE;
CREATE TEMP TABLE evt_tmp (a int);
DROP TABLE evt_tmp;
DROP EVENT TRIGGER evt_drop;
-- known difference: the code is 55000 here
SELECT * FROM pg_event_trigger_dropped_objects();
CREATE FUNCTION evt_stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'command % is disabled', tg_tag; END $$;
CREATE EVENT TRIGGER evt_stop ON ddl_command_start WHEN tag IN ('DROP TABLE') EXECUTE FUNCTION evt_stop();
DROP TABLE evt_c;
SELECT count(*) FROM pg_class WHERE relname = 'evt_c';
DROP EVENT TRIGGER evt_stop;
DROP FUNCTION evt_note() CASCADE;
DROP TABLE evt_c, evt_d, evt_as, evt_into, evt_log;
DROP TYPE evt_enum;
DROP ROLE evt_role;
