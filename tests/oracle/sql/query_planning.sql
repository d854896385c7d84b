-- Queries of the planner's and executor's own: joins, subqueries, windows, writes with constraints.
CREATE SCHEMA query_planning;
SET search_path = query_planning;
CREATE TABLE t1 (a int, b int, c text);
CREATE TABLE t2 (a int, d int);
CREATE TABLE t3 (d int, e text);
INSERT INTO t1 SELECT i, i%10, 'c'||i FROM generate_series(1,1000) i;
INSERT INTO t2 SELECT i*2, i%5 FROM generate_series(1,300) i;
INSERT INTO t3 SELECT i, 'e'||i FROM generate_series(0,6) i;
CREATE INDEX t1a ON t1(a);
CREATE INDEX t1bc ON t1(b, c DESC);
ANALYZE t1;
ANALYZE t2;
ANALYZE t3;
-- unordered
SELECT count(*) FROM t1 LEFT JOIN (t2 JOIN t3 USING (d)) ON t1.a=t2.a WHERE t3.e IS NULL;
-- unordered
SELECT count(*), count(t2.a), count(t3.d) FROM t1 LEFT JOIN t2 ON t1.a=t2.a LEFT JOIN t3 ON t2.d=t3.d AND t3.e<>'e2';
-- unordered
SELECT count(*) FROM t1 JOIN t2 USING (a) JOIN t3 ON t3.d=t2.d WHERE t1.b=4;
-- unordered
SELECT count(*) FROM t1 FULL JOIN t2 USING (a);
-- unordered
SELECT count(*) FROM t1 FULL JOIN t2 ON t1.a=t2.a AND t1.b > 5;
-- unordered
SELECT count(*) FROM t2 RIGHT JOIN t3 ON t2.d=t3.d AND t2.a < 20;
SELECT a FROM t1 WHERE b=3 AND c < 'c5' ORDER BY c DESC LIMIT 3;
SELECT a FROM t1 WHERE a BETWEEN 10 AND 15 ORDER BY a DESC;
SELECT a FROM t1 WHERE a IN (5,1,9999,7) ORDER BY a;
SELECT a FROM t1 WHERE a > 990 OR a < 3 ORDER BY a;
SELECT t3.e, (SELECT count(*) FROM t2 WHERE t2.d=t3.d AND t2.a > (SELECT min(a) FROM t1 WHERE b=t3.d)) FROM t3 ORDER BY 1;
-- unordered
SELECT count(*) FROM t1 WHERE a IN (SELECT a FROM t2 WHERE d IN (SELECT d FROM t3 WHERE e<'e3'));
-- unordered
SELECT count(*) FROM t1 WHERE a NOT IN (SELECT a FROM t2);
-- unordered
SELECT count(*) FROM t1 WHERE EXISTS (SELECT 1 FROM t2 WHERE t2.a=t1.a AND EXISTS (SELECT 1 FROM t3 WHERE t3.d=t2.d));
-- unordered
SELECT count(*) FROM t1 WHERE NOT EXISTS (SELECT 1 FROM t2 WHERE t2.a=t1.a AND t2.d > t1.b);
SELECT t1.b, sum(t2.d) FROM t1 JOIN t2 ON t1.a=t2.a GROUP BY t1.b ORDER BY t1.b;
SELECT x.b, y.b FROM (SELECT DISTINCT b FROM t1) x JOIN (SELECT b FROM t1 GROUP BY b HAVING count(*)>10) y ON x.b=y.b ORDER BY 1 LIMIT 3;
SELECT s.n, s.total FROM (SELECT b n, sum(a) OVER (PARTITION BY b) total, row_number() OVER (PARTITION BY b ORDER BY a) rn FROM t1) s WHERE rn=1 AND n<3 ORDER BY 1;
SELECT * FROM (SELECT a FROM t1 WHERE a<5 UNION ALL SELECT a FROM t2 WHERE a<5) u WHERE a>2 ORDER BY a;
SELECT b, c FROM t1 WHERE (b,c) > (8,'c99') ORDER BY b,c LIMIT 4;
-- unordered
SELECT count(*) FROM t1 a, t1 b WHERE a.a = b.a+1 AND b.b=0;
-- unordered
SELECT max(a), min(a) FROM t1 WHERE b=4;
SELECT a, (SELECT e FROM t3 WHERE d=t1.b) FROM t1 WHERE a<4 ORDER BY a;
SELECT l.* FROM t3, LATERAL (SELECT count(*) c, t3.d FROM t2 WHERE t2.d=t3.d) l ORDER BY 2;
-- unordered
SELECT count(*) FROM t1 LEFT JOIN LATERAL (SELECT a x FROM t2 WHERE t2.a=t1.a) q ON true WHERE x IS NOT NULL;
-- unordered
WITH w AS (SELECT b, count(*) n FROM t1 GROUP BY b) SELECT sum(n) FROM w JOIN w w2 USING (b,n);
UPDATE t1 SET c='z' WHERE a IN (SELECT a FROM t2 WHERE d=1);
-- unordered
SELECT count(*) FROM t1 WHERE c='z';
DELETE FROM t1 USING t2, t3 WHERE t1.a=t2.a AND t2.d=t3.d AND t3.e='e3';
-- unordered
SELECT count(*) FROM t1;
-- unordered
SELECT (SELECT count(*) FROM t1 x WHERE x.b=y.b) FROM t1 y WHERE y.a<3;
-- unordered
SELECT 1 WHERE EXISTS (SELECT 1 FROM t1 WHERE a=-1);
SELECT CASE WHEN EXISTS (SELECT 1 FROM t3 WHERE d=t2.d) THEN 1 ELSE 0 END s, count(*) FROM t2 GROUP BY 1 ORDER BY 1;
SELECT t2.d, array_agg(DISTINCT t1.b ORDER BY t1.b) FROM t1 RIGHT JOIN t2 ON t1.a=t2.a GROUP BY t2.d ORDER BY 1;
SELECT DISTINCT ON (b) b, a, c FROM t1 ORDER BY b, a DESC LIMIT 3;
SELECT count(*) FROM (SELECT * FROM t1 ORDER BY a LIMIT 10) x JOIN t2 USING(a);
SELECT a FROM t1 ORDER BY b, a OFFSET 5 LIMIT 3;
SELECT b, count(*) c FROM t1 GROUP BY b HAVING count(*) = (SELECT max(n) FROM (SELECT count(*) n FROM t1 GROUP BY b) q) ORDER BY 1;
