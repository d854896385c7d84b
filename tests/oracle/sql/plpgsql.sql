-- PL/pgSQL: declarations, control flow, expressions, errors, cursors.
CREATE TABLE acc (id int PRIMARY KEY, owner text, bal numeric(10,2) DEFAULT 0);
INSERT INTO acc VALUES (1, 'ann', 10), (2, 'bob', 20.5), (3, 'cy', NULL);
CREATE FUNCTION add1(a int) RETURNS int AS $$ BEGIN RETURN a + 1; END $$ LANGUAGE plpgsql;
SELECT add1(41), add1(NULL);
CREATE FUNCTION fact(n int) RETURNS numeric AS $$
DECLARE r numeric := 1;
BEGIN
  FOR i IN 2..n LOOP r := r * i; END LOOP;
  RETURN r;
END;
$$ LANGUAGE plpgsql IMMUTABLE;
SELECT fact(0), fact(5), fact(25);
CREATE FUNCTION recfact(n int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF n <= 1 THEN RETURN 1; END IF;
  RETURN n * recfact(n - 1);
END $$;
SELECT recfact(10);
CREATE FUNCTION kinds(x int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
  IF x IS NULL THEN r := 'null';
  ELSIF x < 0 THEN r := 'negative';
  ELSEIF x = 0 THEN r := 'zero';
  ELSE
    CASE WHEN x < 10 THEN r := 'small'; WHEN x < 100 THEN r := 'middle'; ELSE r := 'big'; END CASE;
  END IF;
  RETURN r;
END $$;
SELECT kinds(NULL), kinds(-5), kinds(0), kinds(7), kinds(70), kinds(700);
CREATE FUNCTION simple_case(x int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  CASE x WHEN 1, 2 THEN RETURN 'one or two'; WHEN 3 THEN RETURN 'three'; END CASE;
END $$;
SELECT simple_case(1), simple_case(2), simple_case(3);
SELECT simple_case(4);
CREATE FUNCTION loops() RETURNS text LANGUAGE plpgsql AS $$
DECLARE out text := ''; i int := 0;
BEGIN
  <<outer>>
  LOOP
    i := i + 1;
    EXIT WHEN i > 4;
    CONTINUE WHEN i = 2;
    FOR j IN REVERSE 3..1 LOOP
      CONTINUE outer WHEN i = 3 AND j = 2;
      out := out || i || ':' || j || ' ';
    END LOOP;
  END LOOP outer;
  WHILE i > 0 LOOP i := i - 2; END LOOP;
  FOR k IN 1..10 BY 4 LOOP out := out || 'k' || k; END LOOP;
  RETURN out || ' ' || i;
END $$;
SELECT loops();
CREATE FUNCTION over_rows() RETURNS text LANGUAGE plpgsql AS $$
DECLARE r record; s text := ''; t acc%ROWTYPE; a acc.owner%TYPE; n int;
BEGIN
  FOR r IN SELECT * FROM acc ORDER BY id DESC LOOP s := s || r.id || r.owner || COALESCE(r.bal::text, '-') || ' '; END LOOP;
  FOR t IN SELECT * FROM acc WHERE id < 3 ORDER BY id LOOP s := s || t.owner; END LOOP;
  FOR a, n IN SELECT owner, id FROM acc ORDER BY 2 LOOP s := s || '/' || a || n; END LOOP;
  FOR r IN EXECUTE 'SELECT id * $1 AS v FROM acc ORDER BY 1' USING 10 LOOP s := s || ' ' || r.v; END LOOP;
  IF FOUND THEN s := s || ' found'; END IF;
  FOR r IN SELECT 1 WHERE false LOOP NULL; END LOOP;
  IF NOT FOUND THEN s := s || ' none'; END IF;
  RETURN s;
END $$;
SELECT over_rows();
CREATE FUNCTION intos() RETURNS text LANGUAGE plpgsql AS $$
DECLARE r record; o text; b numeric; t acc; n int;
BEGIN
  SELECT * INTO r FROM acc WHERE id = 1;
  SELECT owner, bal INTO o, b FROM acc WHERE id = 2;
  SELECT * FROM acc INTO t WHERE id = 3;
  INSERT INTO acc VALUES (4, 'dee', 5) RETURNING id INTO n;
  UPDATE acc SET bal = bal + 1 WHERE id = 4 RETURNING bal INTO b;
  GET DIAGNOSTICS n = ROW_COUNT;
  DELETE FROM acc WHERE id = 4;
  SELECT owner INTO o FROM acc WHERE id = 99;
  RETURN r.owner || '|' || COALESCE(o, 'NULL') || '|' || b || '|' || t.owner || '|' || n || '|' || FOUND;
END $$;
SELECT intos();
CREATE FUNCTION strict_none() RETURNS void LANGUAGE plpgsql AS $$ DECLARE x int; BEGIN SELECT id INTO STRICT x FROM acc WHERE id = 77; END $$;
SELECT strict_none();
CREATE FUNCTION strict_many() RETURNS void LANGUAGE plpgsql AS $$ DECLARE x int; BEGIN SELECT id INTO STRICT x FROM acc; END $$;
SELECT strict_many();
CREATE FUNCTION no_target() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SELECT 1; END $$;
SELECT no_target();
CREATE FUNCTION performs() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 FROM acc WHERE id = 1; IF FOUND THEN PERFORM * FROM acc WHERE false; RETURN FOUND::text; END IF; RETURN 'x'; END $$;
SELECT performs();
CREATE FUNCTION fall_off() RETURNS int LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
SELECT fall_off();
CREATE FUNCTION nothing() RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
SELECT nothing(), nothing() IS NULL;
-- set-returning
CREATE FUNCTION evens(n int) RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..n LOOP IF i % 2 = 0 THEN RETURN NEXT i; END IF; END LOOP; RETURN; END $$;
SELECT * FROM evens(7);
SELECT evens(4), 'x';
SELECT sum(e) FROM evens(100) AS e;
CREATE FUNCTION accs(minimum numeric) RETURNS SETOF acc LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT * FROM acc WHERE bal >= minimum ORDER BY id; RETURN QUERY EXECUTE 'SELECT * FROM acc WHERE bal IS NULL'; END $$;
SELECT * FROM accs(0);
SELECT owner FROM accs(15);
CREATE FUNCTION tab(n int) RETURNS TABLE (num int, sq bigint, label text) LANGUAGE plpgsql AS $$
BEGIN
  FOR num IN 1..n LOOP sq := num * num; label := 'n' || num; RETURN NEXT; END LOOP;
END $$;
SELECT * FROM tab(2);
CREATE FUNCTION tab2(n int) RETURNS TABLE (num int, sq bigint) LANGUAGE plpgsql AS $$
DECLARE i int;
BEGIN
  FOR i IN 1..n LOOP num := i; sq := i * i; RETURN NEXT; END LOOP;
END $$;
SELECT * FROM tab2(3);
SELECT (tab2(2)).sq;
CREATE FUNCTION bad_query() RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT 'a'::text; END $$;
SELECT * FROM bad_query();
CREATE FUNCTION bad_query2() RETURNS TABLE (a int, b int) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT 1; END $$;
SELECT * FROM bad_query2();
-- OUT parameters, defaults, named and variadic arguments
CREATE FUNCTION divmod(a int, b int, OUT q int, OUT r int) LANGUAGE plpgsql AS $$ BEGIN q := a / b; r := a % b; END $$;
SELECT divmod(17, 5), (divmod(17, 5)).r;
SELECT * FROM divmod(17, 5);
CREATE FUNCTION inout(INOUT x int, y int DEFAULT 5) LANGUAGE plpgsql AS $$ BEGIN x := x * y; END $$;
SELECT inout(2), inout(2, 3), inout(y => 4, x => 10);
CREATE FUNCTION total(VARIADIC v numeric[]) RETURNS numeric LANGUAGE plpgsql AS $$ DECLARE s numeric := 0; x numeric; BEGIN FOREACH x IN ARRAY v LOOP s := s + x; END LOOP; RETURN s; END $$;
SELECT total(1, 2.5, 3), total(VARIADIC ARRAY[1,2,3]);
-- polymorphic
CREATE FUNCTION firstof(a anyarray) RETURNS anyelement LANGUAGE plpgsql AS $$ BEGIN RETURN a[1]; END $$;
SELECT firstof(ARRAY[3,4]), firstof(ARRAY['x','y']);
CREATE FUNCTION pairs(a anyelement, b anyelement) RETURNS anyarray LANGUAGE plpgsql AS $$ DECLARE c a%TYPE; BEGIN c := b; RETURN ARRAY[a, c]; END $$;
SELECT pairs(1, 2), pairs('a'::text, 'b');
-- arrays and records
CREATE FUNCTION arrays() RETURNS text LANGUAGE plpgsql AS $$
DECLARE a int[] := '{1,2,3}'; m int[][] := ARRAY[[1,2],[3,4]]; s int[]; r acc; out text := '';
BEGIN
  a[2] := 20; a[5] := 50; a := a || 60;
  FOREACH s SLICE 1 IN ARRAY m LOOP out := out || s::text; END LOOP;
  r.id := 9; r.owner := 'zed';
  r.bal := 1.234;
  RETURN a::text || out || r::text || array_length(a, 1);
END $$;
SELECT arrays();
CREATE TYPE pt AS (x int, y int);
CREATE FUNCTION comp(p pt) RETURNS pt LANGUAGE plpgsql AS $$ DECLARE q pt; BEGIN q := p; q.x := q.x + 1; q.y = p.x * p.y; RETURN q; END $$;
SELECT comp(ROW(2, 3)), (comp(ROW(2, 3)::pt)).y;
CREATE FUNCTION rowret() RETURNS record LANGUAGE plpgsql AS $$ BEGIN RETURN ROW(1, 'a'::text); END $$;
SELECT rowret();
SELECT * FROM rowret() AS t (a int, b text);
-- RAISE
DO $$ BEGIN RAISE NOTICE 'plain'; RAISE NOTICE 'args % and %', 1, 'two'; RAISE NOTICE 'percent %% %', NULL; RAISE WARNING 'warn'; RAISE INFO 'info'; RAISE DEBUG 'hidden'; END $$;
DO $$ BEGIN RAISE NOTICE USING MESSAGE = 'msg', DETAIL = 'det', HINT = 'hin', ERRCODE = '12345'; END $$;
DO $$ BEGIN RAISE EXCEPTION 'boom %', 1 USING ERRCODE = 'unique_violation', DETAIL = 'd', HINT = 'h', TABLE = 't', COLUMN = 'c', CONSTRAINT = 'k', DATATYPE = 'ty', SCHEMA = 's'; END $$;
DO $$ BEGIN RAISE division_by_zero; END $$;
DO $$ BEGIN RAISE SQLSTATE '22012' USING MESSAGE = 'custom'; END $$;
DO $$ BEGIN RAISE; END $$;
DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'nosuch'; END $$;
DO $$ BEGIN RAISE 'a %'; END $$;
DO $$ BEGIN RAISE 'a', 1; END $$;
DO $$ BEGIN ASSERT 1 = 1; ASSERT 1 = 2, 'not equal'; END $$;
DO $$ BEGIN ASSERT NULL; END $$;
-- EXCEPTION
CREATE FUNCTION safe_div(a int, b int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN a / b;
EXCEPTION
  WHEN division_by_zero THEN RETURN 'div0 ' || SQLSTATE || ' ' || SQLERRM;
  WHEN numeric_value_out_of_range OR invalid_text_representation THEN RETURN 'range';
END $$;
SELECT safe_div(6, 3), safe_div(1, 0);
CREATE FUNCTION savepoints() RETURNS text LANGUAGE plpgsql AS $$
DECLARE s text := ''; m text; d text; c text; st text; con text; tn text;
BEGIN
  BEGIN
    INSERT INTO acc VALUES (50, 'temp', 1);
    INSERT INTO acc VALUES (1, 'dup', 1);
  EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, st = RETURNED_SQLSTATE, con = CONSTRAINT_NAME, tn = TABLE_NAME;
    s := s || m || ';' || d || ';' || st || ';' || con || ';' || tn;
  END;
  RETURN s || ' ' || (SELECT count(*) FROM acc);
END $$;
SELECT savepoints();
CREATE FUNCTION nested_ex() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    BEGIN
      RAISE EXCEPTION 'inner';
    EXCEPTION WHEN OTHERS THEN
      RAISE EXCEPTION 'from %', SQLERRM USING ERRCODE = '23505';
    END;
  EXCEPTION WHEN integrity_constraint_violation THEN
    RETURN 'class: ' || SQLERRM;
  END;
END $$;
SELECT nested_ex();
CREATE FUNCTION reraise() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'caught %', SQLERRM; RAISE; END $$;
SELECT reraise();
SELECT count(*) FROM acc;
-- EXECUTE
CREATE FUNCTION dyn(t text, k int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; n int;
BEGIN
  EXECUTE format('SELECT owner FROM %I WHERE id = $1', t) INTO r USING k;
  EXECUTE 'UPDATE acc SET bal = bal WHERE id < $1' USING 3;
  GET DIAGNOSTICS n = ROW_COUNT;
  EXECUTE 'CREATE TEMP TABLE dynt (a int)';
  EXECUTE 'INSERT INTO dynt VALUES ($1), ($2)' USING 1, 2;
  EXECUTE 'SELECT count(*) FROM dynt' INTO STRICT n;
  EXECUTE 'DROP TABLE dynt';
  RETURN r || n;
END $$;
SELECT dyn('acc', 2);
SELECT dyn('nosuch', 2);
DO $$ BEGIN EXECUTE NULL; END $$;
DO $$ BEGIN EXECUTE 'SELEC 1'; END $$;
DO $$ DECLARE x int; BEGIN EXECUTE 'SELECT 1 WHERE false' INTO STRICT x; END $$;
-- cursors
CREATE FUNCTION curs() RETURNS text LANGUAGE plpgsql AS $$
DECLARE c CURSOR FOR SELECT id, owner FROM acc ORDER BY id; d CURSOR (m int) FOR SELECT owner FROM acc WHERE id >= m ORDER BY id; e refcursor; i int; o text; r record; s text := '';
BEGIN
  OPEN c; FETCH c INTO i, o; s := s || i || o; FETCH NEXT FROM c INTO r; s := s || r.owner; MOVE c; IF FOUND THEN s := s || 'm'; END IF; FETCH c INTO i; IF NOT FOUND THEN s := s || 'end'; END IF; CLOSE c;
  OPEN d(2); FETCH d INTO o; s := s || o; CLOSE d;
  OPEN d(m := 3); FETCH d INTO o; s := s || o; CLOSE d;
  FOR r IN d(1) LOOP s := s || '<' || r.owner || '>'; END LOOP;
  OPEN e SCROLL FOR SELECT generate_series(1, 5); FETCH LAST FROM e INTO i; s := s || i; FETCH PRIOR FROM e INTO i; s := s || i; FETCH ABSOLUTE 2 FROM e INTO i; s := s || i; FETCH RELATIVE 2 FROM e INTO i; s := s || i; FETCH FIRST FROM e INTO i; s := s || i; CLOSE e;
  OPEN e FOR EXECUTE 'SELECT $1 + 1' USING 41; FETCH e INTO i; s := s || i; CLOSE e;
  RETURN s;
END $$;
SELECT curs();
CREATE FUNCTION give(refcursor) RETURNS refcursor LANGUAGE plpgsql AS $$ BEGIN OPEN $1 FOR SELECT id FROM acc ORDER BY id; RETURN $1; END $$;
BEGIN;
SELECT give('mine');
FETCH ALL IN mine;
COMMIT;
CREATE FUNCTION badcur() RETURNS void LANGUAGE plpgsql AS $$ DECLARE c refcursor; i int; BEGIN FETCH c INTO i; END $$;
SELECT badcur();
-- constants, NOT NULL, defaults, domains
DO $$ DECLARE c CONSTANT int := 3; BEGIN c := 4; END $$;
DO $$ DECLARE c int NOT NULL := 3; BEGIN c := NULL; END $$;
DO $$ DECLARE c int NOT NULL; BEGIN END $$;
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
DO $$ DECLARE p posint := 1; BEGIN p := -1; END $$;
DO $$ DECLARE x varchar(3); BEGIN x := 'abcdef'; END $$;
DO $$ DECLARE x numeric(4,1); BEGIN x := 12.345; RAISE NOTICE '%', x; x := '77'; RAISE NOTICE '%', x; END $$;
DO $$ DECLARE x int; BEGIN x := 'abc'; END $$;
DO $$ DECLARE x int; BEGIN x := 2.6; RAISE NOTICE '%', x; END $$;
-- compile errors
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1 END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN x := 1; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ DECLARE a int; a text; BEGIN END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXIT; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN; END $$;
CREATE FUNCTION bad() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1 +; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ DECLARE x nosuch; BEGIN END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF true THEN RETURN 1; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN NULL; EXCEPTION WHEN nosuch THEN NULL; END $$;
CREATE FUNCTION bad() RETURNS nosuch LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE nolang AS $$ BEGIN END $$;
-- run-time name errors
DO $$ BEGIN PERFORM nosuch FROM acc; END $$;
DO $$ DECLARE id int := 1; n int; BEGIN SELECT count(*) INTO n FROM acc WHERE id = 1; END $$;
DO $$ #variable_conflict use_column
DECLARE id int := 77; n int; BEGIN SELECT count(*) INTO n FROM acc WHERE id = 1; RAISE NOTICE '%', n; END $$;
DO $$ DECLARE r record; BEGIN RAISE NOTICE '%', r.x; END $$;
DO $$ DECLARE r record; BEGIN SELECT 1 AS a INTO r; RAISE NOTICE '%', r.b; END $$;
-- SQLSTATE of transaction control inside functions
CREATE FUNCTION commits() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
SELECT commits();
-- procedures
CREATE TABLE plog (n int);
CREATE PROCEDURE steps(k int) LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..k LOOP INSERT INTO plog VALUES (i); IF i % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF; END LOOP; END $$;
CALL steps(5);
SELECT * FROM plog ORDER BY n;
CREATE PROCEDURE outs(a int, INOUT b int, OUT c text) LANGUAGE plpgsql AS $$ BEGIN b := a + b; c := 'c' || b; END $$;
CALL outs(1, 2, NULL);
DO $$ DECLARE x int := 5; y text; BEGIN CALL outs(10, x, y); RAISE NOTICE '% %', x, y; END $$;
CALL nosuch(1);
CALL add1(1);
SELECT steps(1);
BEGIN;
CALL steps(1);
ROLLBACK;
DO $$ BEGIN INSERT INTO plog VALUES (100); COMMIT; INSERT INTO plog VALUES (101); ROLLBACK; END $$;
SELECT n FROM plog WHERE n >= 100;
DO $$ BEGIN BEGIN COMMIT; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', SQLERRM; END; END $$;
-- blocks and labels
DO $$ <<a>> DECLARE v int := 1; BEGIN DECLARE v int := 2; BEGIN RAISE NOTICE '% %', v, a.v; a.v := 10; END; RAISE NOTICE '%', v; EXIT a; RAISE NOTICE 'never'; END a $$;
DO LANGUAGE sql $$ SELECT 1 $$;
CREATE OR REPLACE FUNCTION add1(a int) RETURNS int AS $$ BEGIN RETURN a + 2; END $$ LANGUAGE plpgsql;
SELECT add1(1);
CREATE OR REPLACE FUNCTION add1(a int) RETURNS text AS $$ BEGIN RETURN a; END $$ LANGUAGE plpgsql;
CREATE OR REPLACE FUNCTION add1(b int) RETURNS int AS $$ BEGIN RETURN b; END $$ LANGUAGE plpgsql;
CREATE FUNCTION add1(a int) RETURNS int AS $$ BEGIN RETURN a; END $$ LANGUAGE plpgsql;
DROP FUNCTION add1(int);
SELECT add1(1);
