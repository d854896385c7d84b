-- Queries of the planner's and executor's own: joins, subqueries, windows, writes with constraints.
CREATE SCHEMA query_mixed;
SET search_path = query_mixed;
CREATE TABLE p (id int primary key, name text, v int);
CREATE TABLE c (id int primary key, pid int references p on delete cascade, amt numeric, d date);
CREATE INDEX c_pid ON c (pid);
INSERT INTO p SELECT i, 'n'||i, i%7 FROM generate_series(1,50) i;
INSERT INTO c SELECT i, 1+i%50, i*1.25, date '2020-01-01'+i FROM generate_series(1,500) i;
-- unordered
SELECT count(*), sum(amt), min(d), max(d) FROM c;
SELECT p.name, count(c.id), sum(c.amt) FROM p LEFT JOIN c ON c.pid=p.id AND c.id<100 GROUP BY p.name ORDER BY 1 LIMIT 5;
SELECT p.id FROM p WHERE EXISTS (SELECT 1 FROM c WHERE c.pid=p.id AND c.amt>620) ORDER BY 1;
SELECT p.id FROM p WHERE NOT EXISTS (SELECT 1 FROM c WHERE c.pid=p.id AND c.id>480) ORDER BY 1 LIMIT 5;
SELECT p.id FROM p WHERE p.id NOT IN (SELECT pid FROM c WHERE id < 45) ORDER BY 1;
SELECT p.id, (SELECT sum(amt) FROM c WHERE c.pid=p.id) s FROM p WHERE p.v=3 ORDER BY s DESC, 1;
SELECT v, count(*) FROM p GROUP BY v ORDER BY v;
SELECT v, name, rank() OVER (PARTITION BY v ORDER BY id DESC) FROM p WHERE v<2 ORDER BY 1,3;
SELECT id, sum(v) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM p WHERE id<6 ORDER BY 1;
SELECT id, sum(v) OVER (ORDER BY v RANGE BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM p WHERE id<9 ORDER BY 1;
SELECT id, lag(name) OVER w, lead(name,2,'zz') OVER w, first_value(name) OVER w, last_value(name) OVER w, nth_value(name,2) OVER w FROM p WHERE id<5 WINDOW w AS (ORDER BY id) ORDER BY id;
SELECT DISTINCT v FROM p ORDER BY v DESC;
SELECT DISTINCT ON (v) v, id FROM p ORDER BY v, id DESC;
SELECT id FROM p WHERE id<4 UNION SELECT id FROM p WHERE id BETWEEN 3 AND 5 ORDER BY 1;
SELECT id FROM p WHERE id<6 INTERSECT SELECT v FROM p ORDER BY 1;
SELECT id FROM p WHERE id<9 EXCEPT SELECT v FROM p ORDER BY 1;
SELECT v, id, count(*) FROM p WHERE id<5 GROUP BY ROLLUP(v,id) ORDER BY 1,2;
SELECT v, grouping(v), count(*) FROM p GROUP BY GROUPING SETS ((v),()) ORDER BY 1;
WITH x AS MATERIALIZED (SELECT * FROM p WHERE v=1) SELECT a.id,b.id FROM x a JOIN x b ON a.id<b.id ORDER BY 1,2 LIMIT 4;
-- unordered
WITH ins AS (INSERT INTO p VALUES (100,'new',9) RETURNING *) SELECT * FROM ins;
-- unordered
SELECT * FROM p WHERE id=100;
-- unordered
UPDATE p SET v = v+1, name = name||'!' FROM c WHERE c.pid=p.id AND c.id=7 RETURNING p.*, c.id;
-- unordered
DELETE FROM p USING c WHERE c.pid=p.id AND c.id=8 RETURNING p.id;
-- unordered
SELECT count(*) FROM c;
INSERT INTO p VALUES (1,'x',1) ON CONFLICT DO NOTHING;
-- unordered
INSERT INTO p VALUES (1,'x',1),(101,'y',2) ON CONFLICT (id) DO UPDATE SET name=excluded.name||p.name, v=p.v+10 RETURNING *;
INSERT INTO c VALUES (1000, 12345, 1, '2020-01-01');
MERGE INTO p USING (VALUES (1,'m1'),(200,'m2')) s(id,n) ON p.id=s.id WHEN MATCHED THEN UPDATE SET name=s.n WHEN NOT MATCHED THEN INSERT VALUES (s.id,s.n,0);
SELECT * FROM p WHERE id IN (1,200) ORDER BY 1;
SELECT a.id, b.id FROM p a FULL JOIN p b ON a.id=b.id+195 WHERE a.id IS NULL OR b.id>1 ORDER BY 1,2 LIMIT 5;
SELECT x, y FROM (SELECT id x FROM p WHERE id<4) s, LATERAL (SELECT id y FROM c WHERE c.pid=s.x ORDER BY id LIMIT 2) l ORDER BY 1,2;
SELECT array_agg(id ORDER BY id DESC), string_agg(name, ',' ORDER BY id) FILTER (WHERE id<3), count(DISTINCT v) FROM p WHERE id<6;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id), mode() WITHIN GROUP (ORDER BY v) FROM p;
-- unordered
SELECT generate_series(1,3), generate_series(1,2);
SELECT id, unnest(array[id,id*2]) FROM p WHERE id<3 ORDER BY 1,2;
SELECT ARRAY(SELECT id FROM p WHERE id<4 ORDER BY 1), (SELECT count(*) FROM c), row(1,'a',null);
SELECT CASE WHEN v=0 THEN 'zero' WHEN 10/v > 5 THEN 'big' ELSE 'small' END, count(*) FROM p GROUP BY 1 ORDER BY 1;
-- unordered
SELECT max(id), min(id) FROM c;
SELECT id FROM p WHERE id = ANY(array[3,5,7]) OR name = 'n9' ORDER BY id;
-- unordered
SELECT p.* FROM p WHERE (id, v) = (3, 3);
SELECT * FROM p ORDER BY v DESC, id LIMIT 3 OFFSET 2;
SELECT v FROM p ORDER BY v FETCH FIRST 2 ROWS WITH TIES;
-- unordered
SELECT 1/0;
-- unordered
SELECT (SELECT id FROM p);
-- unordered
SELECT t.* FROM (SELECT id, count(*) OVER () n FROM p WHERE id<4) t WHERE id=2;
SELECT coalesce(c.pid, -1), p.id FROM p LEFT JOIN c ON c.pid=p.id+1000 WHERE p.id<3 ORDER BY 2;
-- unordered
UPDATE c SET (amt, d) = (SELECT v, date '2000-01-01' FROM p WHERE p.id=c.pid) WHERE id<3 RETURNING id, amt, d;
-- unordered
SELECT sum(x) FROM (SELECT id x FROM p UNION ALL SELECT id FROM c) s WHERE x<10;
-- unordered
SELECT p.v, s.n FROM p JOIN (SELECT pid, count(*) n FROM c GROUP BY pid) s ON s.pid=p.id WHERE p.id=5;
WITH RECURSIVE t(n,path) AS (SELECT id, name FROM p WHERE id=1 UNION SELECT p.id, t.path||'/'||p.name FROM t JOIN p ON p.id=t.n*2 WHERE p.id<20) SELECT * FROM t ORDER BY 1;
-- unordered
SELECT * FROM p a JOIN p b USING (id) WHERE id=2;
-- unordered
SELECT p FROM p WHERE id=2;
SELECT id FROM p WHERE name LIKE 'n1%' ORDER BY id LIMIT 3;
-- unordered
SELECT count(*) FROM p a, p b, p c2 WHERE a.id=b.id AND b.id=c2.id AND a.v=2;
-- unordered
SELECT EXISTS(SELECT 1 FROM p WHERE id=1), 5 IN (SELECT v FROM p), 77 NOT IN (SELECT v FROM p);
SELECT v, sum(id) FROM p GROUP BY v HAVING sum(id) > (SELECT avg(id)*4 FROM p) ORDER BY 1;
