-- COPY in text and CSV, both ways, with its options and errors.
CREATE TABLE c (id int, name text, n numeric, d date, b bool);
COPY c FROM STDIN;
1	one	1.5	2024-01-01	t
2	tab\there	\N	2024-02-29	f
3	\\backslash	0	\N	\N
\.
SELECT * FROM c ORDER BY id;
COPY c TO STDOUT;
COPY c (id, name) TO STDOUT;
COPY (SELECT id, name FROM c ORDER BY id DESC) TO STDOUT WITH (FORMAT csv, HEADER);
COPY c TO STDOUT WITH (FORMAT csv, NULL 'NULL', DELIMITER ';');
COPY c TO STDOUT (FORMAT csv, FORCE_QUOTE *);
COPY c TO STDOUT CSV HEADER QUOTE '''';
COPY c TO STDOUT WITH DELIMITER '|' NULL 'n/a';
TRUNCATE c;
COPY c FROM STDIN WITH (FORMAT csv, HEADER);
id,name,n,d,b
1,"quoted, comma",1.25,2024-01-01,true
2,"with ""quotes""",,,
3,"multi
line",3,2024-03-03,no
4,,4,2024-04-04,yes
5,"",5,2024-05-05,0
\.
SELECT id, name, name IS NULL AS null, n, d, b FROM c ORDER BY id;
COPY c (id) FROM STDIN;
10
11
\.
SELECT count(*) FROM c;
COPY c FROM STDIN;
12	too	few
\.
COPY c FROM STDIN;
12	a	1	2024-01-01	t	extra
\.
COPY c FROM STDIN;
x	a	1	2024-01-01	t
\.
COPY c (nosuch) FROM STDIN;
\.
COPY nosuch FROM STDIN;
\.
COPY nosuch TO STDOUT;
COPY c FROM STDIN (FORMAT nosuch);
\.
COPY c FROM STDIN (FORMAT csv);
1,"unterminated
\.
SELECT count(*) FROM c;
COPY c (id, name) FROM STDIN (DELIMITER ',', NULL '');
20,twenty
21,
\.
SELECT id, name FROM c WHERE id >= 20 ORDER BY id;
CREATE TABLE k (id int PRIMARY KEY, v text DEFAULT 'dflt', CHECK (id > 0));
COPY k (id) FROM STDIN;
1
2
\.
SELECT * FROM k ORDER BY id;
COPY k (id) FROM STDIN;
3
1
\.
COPY k (id) FROM STDIN;
-1
\.
SELECT count(*) FROM k;
COPY k FROM STDIN WHERE id > 50;
40	no
60	yes
\.
SELECT * FROM k ORDER BY id;
COPY (VALUES (1, 'x'), (2, NULL)) TO STDOUT;
COPY (SELECT E'a\tb\nc\\d', '\x01'::bytea, ARRAY[1, NULL], '{"a": "b"}'::jsonb) TO STDOUT;
COPY (SELECT 1) FROM STDIN;
COPY (DELETE FROM k WHERE id = 60 RETURNING *) TO STDOUT;
COPY k TO '/nonexistent/file';
