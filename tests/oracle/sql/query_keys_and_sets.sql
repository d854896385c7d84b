-- Queries of the planner's and executor's own: joins, subqueries, windows, writes with constraints.
CREATE SCHEMA query_keys_and_sets;
SET search_path = query_keys_and_sets;
CREATE TABLE acc (aid int primary key, bid int, bal int not null, filler text);
CREATE TABLE hist (tid int, d int, t timestamp);
INSERT INTO acc VALUES (1,1,0,'x');
INSERT INTO acc VALUES (2,1,5,null);
-- unordered
SELECT bal FROM acc WHERE aid = 2;
UPDATE acc SET bal = bal + 17 WHERE aid = 2;
-- unordered
SELECT aid, bal FROM acc WHERE aid = 2;
UPDATE acc SET bal = null WHERE aid = 2;
INSERT INTO acc VALUES (3,null,null,'y');
DELETE FROM acc WHERE aid = 1;
-- unordered
SELECT * FROM acc;
INSERT INTO hist (tid, d) VALUES (1, 2+3);
-- unordered
SELECT * FROM hist;
-- unordered
SELECT bal FROM acc WHERE aid = 99;
INSERT INTO acc VALUES (2,1,5,null);
CREATE TABLE k (a int primary key, b int default 7, c int generated always as (a*2) stored, check (a < 100));
INSERT INTO k (a) VALUES (1),(2);
INSERT INTO k VALUES (5, DEFAULT);
INSERT INTO k VALUES (500, 1);
INSERT INTO k (a,c) VALUES (6, 1);
-- unordered
UPDATE k SET a = a + 10 WHERE a < 3 RETURNING *;
UPDATE k SET b = DEFAULT WHERE a = 5;
SELECT * FROM k ORDER BY a;
CREATE TABLE par (id int primary key, x text);
CREATE TABLE chi (id int primary key, pid int references par);
INSERT INTO par VALUES (1,'a'),(2,'b');
INSERT INTO chi VALUES (10,1),(11,null);
INSERT INTO chi VALUES (12,9);
DELETE FROM par WHERE id=1;
DELETE FROM par WHERE id=2;
UPDATE par SET id=5 WHERE id=1;
SELECT a.id, b.x FROM chi a LEFT JOIN par b ON a.pid=b.id ORDER BY 1;
-- unordered
SELECT count(*) FROM generate_series(1,10000) a JOIN generate_series(1,10000) b ON a=b;
SELECT a%10, sum(a), avg(a), min(a::text) FROM generate_series(1,100000) a GROUP BY 1 ORDER BY 1 LIMIT 3;
SELECT count(*) FROM (SELECT a FROM generate_series(1,200000) a ORDER BY a DESC) s;
SET work_mem = '64kB';
SELECT count(*), sum(x) FROM (SELECT a x FROM generate_series(1,50000) a ORDER BY -a) s;
-- unordered
SELECT count(*) FROM (SELECT a, count(*) FROM generate_series(1,50000) a GROUP BY a) s;
-- unordered
SELECT count(*), sum(a) FROM generate_series(1,30000) a JOIN generate_series(1,30000) b ON a=b;
-- unordered
SELECT count(*) FROM generate_series(1,3000) a LEFT JOIN generate_series(1000,2000) b ON a=b WHERE b IS NULL;
-- unordered
SELECT '{"a":{"b":2}}'::jsonb -> 'a' ->> 'b', (ARRAY[[1,2],[3,4]])[2][1], (ARRAY[1,2,3])[2:];
-- unordered
SELECT x, x IS DISTINCT FROM 2, nullif(x,2), greatest(x,2), x BETWEEN 1 AND 2 FROM (VALUES (1),(2),(null)) v(x);
-- unordered
SELECT interval '1 day' * 2, date '2020-01-31' + interval '1 month', now() - now();
-- unordered
SELECT g, count(*) FILTER (WHERE g > 1) OVER () FROM generate_series(1,3) g;
-- unordered
SELECT s.a FROM (SELECT 1 AS a UNION ALL SELECT 2) s JOIN (VALUES (2),(3)) v(b) ON s.a = v.b;
SELECT * FROM (VALUES (1,2)) a(x,y) NATURAL FULL JOIN (VALUES (1,3),(4,5)) b(x,z) ORDER BY 1;
SELECT a.id FROM par a WHERE a.id > ALL (SELECT pid FROM chi WHERE pid IS NOT NULL) ORDER BY 1;
SELECT a.x, (SELECT count(*) FROM chi b WHERE b.pid = a.id AND EXISTS (SELECT 1 FROM par c WHERE c.id = b.pid AND c.x = a.x)) FROM par a ORDER BY 1;
SELECT sum(count(*)) OVER (), x FROM par GROUP BY x ORDER BY x;
SELECT x, ntile(2) OVER (ORDER BY x), percent_rank() OVER (ORDER BY x), cume_dist() OVER (ORDER BY x) FROM generate_series(1,4) x;
SELECT x FROM generate_series(1,5) x ORDER BY x % 2, x DESC;
SELECT DISTINCT x % 3 AS m FROM generate_series(1,10) x ORDER BY m;
SELECT string_agg(x::text, ',' ORDER BY x DESC) FROM generate_series(1,5) x;
-- unordered
SELECT array_agg(DISTINCT x % 3) FROM generate_series(1,10) x;
-- unordered
SELECT (SELECT array_agg(y) FROM generate_series(1,x) y) FROM generate_series(1,3) x;
-- unordered
SELECT x, y FROM generate_series(1,2) x CROSS JOIN LATERAL generate_series(x, 2) y;
-- unordered
SELECT * FROM unnest(array[1,2], array['a','b','c']) WITH ORDINALITY AS u(a,b,n);
SELECT a FROM par, LATERAL (SELECT par.id + 1 AS a) l ORDER BY 1;
-- unordered
SELECT count(*) FROM par WHERE id IN (1,2,3,4,5,6,7,8,9,10,11,12);
-- unordered
SELECT max(id) FROM par WHERE id < 2;
