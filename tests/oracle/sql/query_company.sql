-- Queries of the planner's and executor's own: joins, subqueries, windows, writes with constraints.
CREATE SCHEMA query_company;
SET search_path = query_company;
CREATE TABLE emp (id serial primary key, name varchar(20) not null, dept int, sal numeric(10,2), hired date, tags text[], j jsonb, boss int references emp);
INSERT INTO emp (name, dept, sal, hired, tags, j, boss) SELECT 'e'||i, i%4, 1000+i*10.5, date '2020-01-01' + i*10, ARRAY['t'||i%3,'x'], jsonb_build_object('k', i, 'o', jsonb_build_object('z', i%2)), nullif(i/3,0) FROM generate_series(1,30) i;
CREATE TABLE dept (id int primary key, dname text unique, budget float8);
INSERT INTO dept VALUES (0,'zero',1.5),(1,'one',2.5),(2,'two',null),(5,'five',10);
CREATE VIEW ev AS SELECT e.id, e.name, d.dname, e.sal FROM emp e LEFT JOIN dept d ON d.id = e.dept;
SELECT * FROM ev WHERE id < 5 ORDER BY id;
SELECT dname, count(*) FROM ev GROUP BY dname ORDER BY dname NULLS FIRST;
SELECT e.name, b.name FROM emp e JOIN emp b ON e.boss=b.id WHERE e.sal > 1200 ORDER BY e.id LIMIT 4;
SELECT d.dname, x.name FROM dept d LEFT JOIN LATERAL (SELECT name FROM emp e WHERE e.dept=d.id ORDER BY sal DESC LIMIT 2) x ON true ORDER BY 1,2;
WITH RECURSIVE chain AS (SELECT id, boss, 1 depth, ARRAY[id] path FROM emp WHERE boss IS NULL UNION ALL SELECT e.id, e.boss, c.depth+1, c.path||e.id FROM emp e JOIN chain c ON e.boss=c.id) SELECT id, depth, path FROM chain WHERE depth=3 ORDER BY id LIMIT 5;
SELECT j->>'k', j#>>'{o,z}' FROM emp WHERE j @> '{"o":{"z":1}}' ORDER BY id LIMIT 3;
SELECT name FROM emp WHERE 't1' = ANY(tags) ORDER BY id LIMIT 3;
SELECT date_trunc('month', hired)::date m, count(*) FROM emp GROUP BY 1 ORDER BY 1 LIMIT 4;
SELECT dept, avg(sal)::numeric(10,3), stddev(sal)::numeric(10,3), sum(sal) FILTER (WHERE id%2=0) FROM emp GROUP BY dept ORDER BY dept;
SELECT name, sal - lag(sal) OVER (PARTITION BY dept ORDER BY id) FROM emp WHERE id<10 ORDER BY id;
SELECT dept, grouping(dept), count(*) FROM emp GROUP BY CUBE(dept) ORDER BY 2,1;
SELECT name FROM emp e WHERE sal > (SELECT avg(sal) FROM emp x WHERE x.dept=e.dept) ORDER BY id LIMIT 5;
-- unordered
SELECT d.id FROM dept d WHERE NOT EXISTS (SELECT FROM emp e WHERE e.dept=d.id);
SELECT * FROM (SELECT dept, sum(sal) s FROM emp GROUP BY dept) a JOIN dept d ON d.id=a.dept WHERE a.s > 100 ORDER BY 1;
-- unordered
UPDATE emp SET tags[2]='zz', j = jsonb_set(j,'{new}','1') WHERE id=1 RETURNING tags, j;
UPDATE emp e SET sal = sal*1.1 FROM dept d WHERE d.id=e.dept AND d.dname='one';
-- unordered
SELECT sum(sal) FROM emp;
-- unordered
DELETE FROM emp WHERE id IN (SELECT id FROM emp ORDER BY id DESC LIMIT 2) RETURNING id;
-- unordered
WITH del AS (DELETE FROM dept WHERE id=5 RETURNING *), ins AS (INSERT INTO dept SELECT id+1, dname||'x', budget FROM del RETURNING id) SELECT * FROM ins;
SELECT * FROM dept ORDER BY id;
INSERT INTO dept VALUES (9,'one',1);
-- unordered
INSERT INTO dept VALUES (9,'one',1) ON CONFLICT (dname) DO UPDATE SET budget = excluded.budget + dept.budget WHERE dept.id < 5 RETURNING *;
INSERT INTO emp (name) VALUES (null);
INSERT INTO emp (name, boss) VALUES ('q', 999);
INSERT INTO emp (name) VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
SELECT coalesce(d.dname,'none'), string_agg(e.name, '+' ORDER BY e.id) FROM emp e LEFT JOIN dept d ON d.id=e.dept WHERE e.id < 8 GROUP BY 1 ORDER BY 1;
SELECT a.id, b.id FROM dept a FULL JOIN (SELECT dept id FROM emp GROUP BY dept) b ON a.id=b.id ORDER BY a.id, b.id;
-- unordered
SELECT count(*) FROM emp a CROSS JOIN emp b WHERE a.dept=b.dept AND a.id<b.id;
-- unordered
SELECT x.* FROM (VALUES (1,'a'),(2,'b')) x(n,s) WHERE x.n = 2;
-- unordered
SELECT e FROM (SELECT id, name FROM emp WHERE id=2) e;
-- unordered
SELECT (e).name FROM emp e WHERE id=3;
-- unordered
SELECT row_to_json(d) FROM dept d WHERE id=0;
SELECT json_agg(d ORDER BY id) FROM dept d WHERE id<2;
SELECT id, CASE dept WHEN 0 THEN 'z' WHEN 1 THEN 'o' END FROM emp WHERE id<4 ORDER BY 1;
PREPARE q(int) AS SELECT name FROM emp WHERE id=$1;
EXECUTE q(4);
EXECUTE q(null);
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM emp ORDER BY id;
FETCH 2 FROM c;
FETCH 2 FROM c;
COMMIT;
BEGIN;
INSERT INTO dept VALUES (77,'sp',0);
SAVEPOINT s;
INSERT INTO dept VALUES (77,'dup',0);
ROLLBACK TO s;
-- unordered
SELECT count(*) FROM dept WHERE id=77;
ROLLBACK;
-- unordered
SELECT count(*) FROM dept WHERE id=77;
-- unordered
SELECT name FROM emp WHERE id=2 FOR UPDATE;
SELECT name FROM emp WHERE id IN (5,6) ORDER BY id FOR SHARE SKIP LOCKED;
CREATE TABLE m (id int generated always as identity primary key, v int);
-- unordered
INSERT INTO m (v) VALUES (10),(20) RETURNING *;
INSERT INTO m (id, v) VALUES (5, 1);
MERGE INTO m USING (SELECT 1 id, 100 v UNION ALL SELECT 50, 5) s ON m.id=s.id WHEN MATCHED AND s.v>50 THEN DELETE WHEN NOT MATCHED THEN INSERT (v) VALUES (s.v);
SELECT * FROM m ORDER BY id;
CREATE TABLE par1 (a int, b text);
CREATE TABLE ch1 (c int) INHERITS (par1);
INSERT INTO par1 VALUES (1,'p');
INSERT INTO ch1 VALUES (2,'c',3);
SELECT *, tableoid::regclass FROM par1 ORDER BY a;
UPDATE par1 SET b = b||'!';
-- unordered
SELECT * FROM ONLY par1;
-- unordered
SELECT * FROM ch1;
SELECT name, sal FROM emp ORDER BY sal DESC NULLS LAST, name LIMIT 2;
-- unordered
SELECT nope FROM emp;
-- unordered
SELECT 'abc' < 'abd', 'a' || null, 1 = ANY('{1,2}'), array_length(ARRAY[1,2,3],1);
SELECT sum(a.s) OVER (ORDER BY a.dept ROWS UNBOUNDED PRECEDING) FROM (SELECT dept, count(*) s FROM emp GROUP BY dept) a ORDER BY 1;
SELECT dept, id, count(*) OVER (PARTITION BY dept ORDER BY id GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM emp WHERE id<9 ORDER BY 1,2;
CREATE MATERIALIZED VIEW mv AS SELECT dept, count(*) n FROM emp GROUP BY dept;
SELECT * FROM mv ORDER BY 1;
CREATE TABLE cta AS SELECT id, name FROM emp WHERE id<3;
SELECT * FROM cta ORDER BY 1;
-- unordered
SELECT count(*) FROM pg_class WHERE relname='emp';
SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid=a.attrelid WHERE c.relname='dept' AND a.attnum>0 ORDER BY a.attnum;
SELECT column_name, data_type FROM information_schema.columns WHERE table_name='dept' ORDER BY ordinal_position;
-- unordered
SELECT s.i, (SELECT string_agg(x::text,',') FROM generate_series(1,s.i) x) FROM generate_series(1,3) s(i);
-- unordered
SELECT * FROM emp WHERE id=1 AND name='nope' OR id=2 AND name='e2';
SELECT upper(name), length(name), substring(name from 2) FROM emp WHERE name ~ '^e1[0-2]$' ORDER BY 1;
SELECT dept, (array_agg(name ORDER BY id))[1:2] FROM emp GROUP BY dept ORDER BY 1;
TRUNCATE m;
-- unordered
SELECT count(*) FROM m;
-- unordered
SELECT to_char(sal, 'FM9999.00') FROM emp WHERE id=2;
SELECT DISTINCT dept, id % 2 FROM emp ORDER BY 1, 2;
SELECT id FROM emp GROUP BY id HAVING id < 3 ORDER BY id;
-- unordered
SELECT count(*), count(boss), count(DISTINCT dept) FROM emp;
