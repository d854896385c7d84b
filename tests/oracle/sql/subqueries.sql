-- Subqueries anywhere, quantifiers, CTEs, recursion, set operations.
CREATE TABLE emp (id int PRIMARY KEY, name text, boss int, salary numeric, dept text);
INSERT INTO emp VALUES (1, 'ada', NULL, 100, 'x'), (2, 'bob', 1, 80, 'x'), (3, 'cyd', 1, 70, 'y'), (4, 'dan', 2, 60, 'y'), (5, 'eve', 4, 60, 'x'), (6, 'fay', 4, NULL, NULL);
SELECT name, (SELECT name FROM emp b WHERE b.id = e.boss) AS boss FROM emp e ORDER BY id;
SELECT (SELECT id FROM emp);
SELECT (SELECT id, name FROM emp);
SELECT (SELECT id FROM emp WHERE false);
SELECT name FROM emp e WHERE salary > (SELECT avg(salary) FROM emp WHERE dept = e.dept) ORDER BY 1;
SELECT name FROM emp WHERE salary >= ALL (SELECT salary FROM emp WHERE salary IS NOT NULL);
SELECT name FROM emp WHERE salary > ANY (SELECT salary FROM emp WHERE dept = 'y') ORDER BY 1;
SELECT name FROM emp WHERE salary = SOME (ARRAY[60, 70]) ORDER BY 1;
SELECT name FROM emp WHERE (dept, salary) IN (SELECT dept, max(salary) FROM emp GROUP BY dept) ORDER BY 1;
SELECT name FROM emp WHERE (id, boss) = (2, 1);
SELECT name FROM emp WHERE (salary, id) > (60, 4) ORDER BY 1;
SELECT ROW(1, 2) < ROW(1, 3), ROW(1, NULL) = ROW(1, 2), ROW(1, NULL) IS NULL, ROW(NULL, NULL) IS NULL;
SELECT ROW(1, 2) = ROW(1, 2, 3);
SELECT 1 IN (SELECT 1, 2);
SELECT 1 = ANY (1);
SELECT EXISTS (SELECT 1 WHERE false), NOT EXISTS (SELECT 1);
SELECT ARRAY(SELECT id FROM emp ORDER BY id DESC);
SELECT x.* FROM (SELECT dept, count(*) FROM emp GROUP BY dept) x ORDER BY 1;
SELECT * FROM (SELECT 1);
SELECT * FROM (VALUES (1, 2), (3, 4)) v (a, b) WHERE a > 1;
SELECT * FROM (VALUES (1, 2)) v (a, b, c);
SELECT name, CASE WHEN salary > (SELECT avg(salary) FROM emp) THEN 'high' ELSE 'low' END FROM emp ORDER BY id;
SELECT sum((SELECT count(*) FROM emp s WHERE s.boss = e.id)) FROM emp e;
SELECT name FROM emp e WHERE EXISTS (SELECT 1 FROM emp s WHERE s.boss = e.id AND s.salary > (SELECT min(salary) FROM emp WHERE dept = s.dept)) ORDER BY 1;
WITH x AS (SELECT 1 AS a), y AS (SELECT a + 1 AS b FROM x) SELECT * FROM x, y;
WITH x AS (SELECT 1), x AS (SELECT 2) SELECT 1;
WITH x (p, q) AS (SELECT 1, 2) SELECT q, p FROM x;
WITH x (p, q, r) AS (SELECT 1, 2) SELECT * FROM x;
WITH y AS (SELECT * FROM x) SELECT 1;
WITH x AS MATERIALIZED (SELECT id FROM emp) SELECT count(*) FROM x a JOIN x b USING (id);
WITH x AS NOT MATERIALIZED (SELECT id FROM emp) SELECT count(*) FROM x a JOIN x b USING (id);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i), count(*) FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION SELECT (i * 2) % 11 FROM n) SELECT array_agg(i ORDER BY i) FROM n;
WITH RECURSIVE tree AS (SELECT id, name, 0 AS depth, ARRAY[id] AS path FROM emp WHERE boss IS NULL UNION ALL SELECT e.id, e.name, depth + 1, path || e.id FROM emp e JOIN tree t ON e.boss = t.id) SELECT * FROM tree ORDER BY path;
WITH RECURSIVE fib (a, b) AS (VALUES (0::bigint, 1::bigint) UNION ALL SELECT b, a + b FROM fib WHERE b < 1000) SELECT a FROM fib;
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT n FROM t LIMIT 3;
WITH RECURSIVE t AS (SELECT n + 1 FROM t UNION ALL SELECT 1) SELECT * FROM t;
WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT count(*) FROM t) SELECT * FROM t;
WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT 'x' FROM t) SELECT * FROM t;
WITH RECURSIVE g (f, t) AS (VALUES (1, 2), (2, 3), (3, 1)), w AS (SELECT f, t FROM g WHERE f = 1 UNION ALL SELECT g.f, g.t FROM g JOIN w ON g.f = w.t) CYCLE f SET is_cycle USING path SELECT f, t, is_cycle, path FROM w ORDER BY path;
WITH RECURSIVE s AS (SELECT id, boss FROM emp WHERE boss IS NULL UNION ALL SELECT e.id, e.boss FROM emp e JOIN s ON e.boss = s.id) SEARCH DEPTH FIRST BY id SET ord SELECT id FROM s ORDER BY ord;
SELECT 1 UNION SELECT 1 UNION ALL SELECT 2 ORDER BY 1;
SELECT 1 AS a UNION SELECT 2.5 ORDER BY a;
SELECT 1 UNION SELECT 'x';
SELECT 1, 2 UNION SELECT 1;
SELECT NULL UNION SELECT 1 ORDER BY 1;
SELECT dept FROM emp INTERSECT SELECT 'x';
SELECT dept FROM emp EXCEPT SELECT 'x' ORDER BY 1;
SELECT dept FROM emp EXCEPT ALL SELECT 'x' ORDER BY 1;
SELECT dept FROM emp INTERSECT ALL (VALUES ('x'), ('x'), ('z')) ORDER BY 1;
(SELECT id FROM emp ORDER BY id LIMIT 2) UNION ALL (SELECT id FROM emp ORDER BY id DESC LIMIT 2) ORDER BY 1;
SELECT 1 UNION SELECT 2 EXCEPT SELECT 2 UNION SELECT 3 ORDER BY 1;
SELECT 1 UNION (SELECT 2 INTERSECT SELECT 2) ORDER BY 1 DESC LIMIT 1;
SELECT id FROM emp UNION SELECT id FROM emp ORDER BY name;
SELECT 'a' AS k, NULL AS v UNION ALL SELECT 'b', 1 ORDER BY k;
SELECT id FROM emp WHERE id IN (SELECT boss FROM emp UNION SELECT 6) ORDER BY 1;

-- What a nested loop keeps of its inner side must not outlive the values it was computed from: the working table of a
-- recursion, the parameters of a correlated subquery.
CREATE TABLE kept (id int, parent int, other int);
INSERT INTO kept SELECT i, i / 2, CASE WHEN i % 5 = 0 THEN i / 5 END FROM generate_series(1, 40) i;
WITH RECURSIVE up(id, parent, other, depth) AS (
  SELECT id, parent, other, 0 FROM kept WHERE id IN (37, 40)
  UNION ALL
  SELECT k.id, k.parent, k.other, u.depth + 1 FROM kept k, up u
  WHERE (u.parent IS NOT NULL AND k.id = u.parent) OR (u.other IS NOT NULL AND k.id = u.other))
SELECT id, depth, count(*) FROM up GROUP BY id, depth ORDER BY depth, id;
SELECT a.id, (SELECT count(*) FROM kept b JOIN kept c ON b.id < c.id WHERE c.parent = a.id AND b.parent > 3) AS n FROM kept a WHERE a.id < 12 ORDER BY a.id;
SELECT a.id, (SELECT string_agg(b.id || '<' || c.id, ' ' ORDER BY b.id, c.id) FROM kept b, kept c WHERE b.id < c.id AND c.parent = a.id AND b.other = a.other) AS n FROM kept a WHERE a.id IN (5, 10, 15, 3) ORDER BY a.id;
DROP TABLE kept;
-- LATERAL subqueries that are merged into the query beside what they refer to
select * from (select 1 a) x, lateral (select x.a + 1) y(b);
select b, c from (select 1 a) x, lateral (select x.a + 1) y(b), lateral (select y.b * 2 + x.a) z(c);
select * from (values (1)) x(a), lateral (select x.a + 1 as b) y;
select s.n, y.b from (select oid::int8 as n from pg_type where oid in (16, 20)) s, lateral (select s.n * 2 as b) y order by 1;
select s.n, z.c from (select oid::int8 as n from pg_type where oid in (16, 20)) s join lateral (select s.n * 2 as b) y on true join lateral (select b + n as c where n > 17) z on b > 0 order by 1;
