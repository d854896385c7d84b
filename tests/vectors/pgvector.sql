-- pgvector's documented examples for vector, halfvec and sparsevec: statements that must run, answers after "--> ".
-- Left out: distances between bit strings (not one of these types) and tsquery (full text is search()'s here).
CREATE EXTENSION vector;
CREATE TABLE items (id bigserial PRIMARY KEY, embedding vector(3));
INSERT INTO items (embedding) VALUES ('[1,2,3]'), ('[4,5,6]');
SELECT id FROM items ORDER BY embedding <-> '[3,1,2]' LIMIT 5;
--> 1; 2
SELECT id FROM items ORDER BY embedding <#> '[3,1,2]' LIMIT 5;
--> 2; 1
SELECT id FROM items ORDER BY embedding <=> '[3,1,2]' LIMIT 5;
--> 2; 1
SELECT id FROM items ORDER BY embedding <+> '[3,1,2]' LIMIT 5;
--> 1; 2
CREATE TABLE items2 (id bigserial PRIMARY KEY);
ALTER TABLE items2 ADD COLUMN embedding vector(3);
INSERT INTO items (id, embedding) VALUES (1, '[1,2,3]'), (2, '[4,5,6]') ON CONFLICT (id) DO UPDATE SET embedding = EXCLUDED.embedding;
UPDATE items SET embedding = '[1,2,3]' WHERE id = 1;
SELECT * FROM items WHERE id != 1 ORDER BY embedding <-> (SELECT embedding FROM items WHERE id = 1) LIMIT 5;
--> 2 [4,5,6]
SELECT id FROM items WHERE embedding <-> '[3,1,2]' < 5;
--> 1
SELECT embedding <-> '[3,1,2]' AS distance FROM items ORDER BY id;
--> 2.449489742783178; 5.744562646538029
SELECT (embedding <#> '[3,1,2]') * -1 AS inner_product FROM items ORDER BY id;
--> 11; 29
SELECT 1 - (embedding <=> '[1,2,3]') AS cosine_similarity FROM items WHERE id = 1;
--> 1
SELECT AVG(embedding) FROM items;
--> [2.5,3.5,4.5]
ALTER TABLE items ADD COLUMN category_id int;
UPDATE items SET category_id = id;
SELECT category_id, AVG(embedding) FROM items GROUP BY category_id ORDER BY 1;
--> 1 [1,2,3]; 2 [4,5,6]
SELECT SUM(embedding) FROM items;
--> [5,7,9]
SET maintenance_work_mem = '8GB';
SET max_parallel_maintenance_workers = 7;
CREATE INDEX ON items USING hnsw (embedding vector_l2_ops);
CREATE INDEX ON items USING hnsw (embedding vector_ip_ops);
CREATE INDEX ON items USING hnsw (embedding vector_cosine_ops);
CREATE INDEX ON items USING hnsw (embedding vector_l1_ops);
CREATE INDEX ON items2 USING hnsw (embedding vector_l2_ops) WITH (m = 16, ef_construction = 64);
SET hnsw.ef_search = 100;
BEGIN;
SET LOCAL hnsw.ef_search = 100;
SELECT id FROM items ORDER BY embedding <-> '[3,1,2]' LIMIT 5;
--> 1; 2
COMMIT;
SET hnsw.iterative_scan = strict_order;
SET hnsw.iterative_scan = relaxed_order;
SET hnsw.max_scan_tuples = 20000;
SET hnsw.scan_mem_multiplier = 2;
CREATE INDEX ON items (category_id);
SELECT id FROM items WHERE category_id = 1 ORDER BY embedding <-> '[3,1,2]' LIMIT 5;
--> 1
WITH nearest_results AS MATERIALIZED (SELECT id, embedding <-> '[1,2,3]' AS distance FROM items ORDER BY distance LIMIT 5) SELECT id FROM nearest_results WHERE distance < 5 ORDER BY distance;
--> 1
SELECT phase FROM pg_stat_progress_create_index;
CREATE TABLE half_items (id bigserial PRIMARY KEY, embedding halfvec(3));
INSERT INTO half_items (embedding) VALUES ('[1,2,3]'), ('[4,5,6]');
CREATE INDEX ON half_items USING hnsw (embedding halfvec_l2_ops);
SELECT id FROM half_items ORDER BY embedding <-> '[3,1,2]' LIMIT 5;
--> 1; 2
SELECT id FROM items ORDER BY embedding::halfvec(3) <-> '[1,2,3]' LIMIT 5;
--> 1; 2
CREATE TABLE sparse_items (id bigserial PRIMARY KEY, embedding sparsevec(5));
INSERT INTO sparse_items (embedding) VALUES ('{1:1,3:2,5:3}/5'), ('{1:4,3:5,5:6}/5');
SELECT id FROM sparse_items ORDER BY embedding <-> '{1:3,3:1,5:2}/5' LIMIT 5;
--> 1; 2
SELECT embedding FROM sparse_items WHERE id = 1;
--> {1:1,3:2,5:3}/5
SELECT id, embedding FROM items ORDER BY embedding <-> '[1,2,3]' LIMIT 1;
--> 1 [1,2,3]
SELECT '[1,2,3]'::vector + '[4,5,6]', '[4,5,6]'::vector - '[1,2,3]', '[1,2,3]'::vector * '[4,5,6]';
--> [5,7,9] [3,3,3] [4,10,18]
SELECT '[1,2]'::vector || '[3]'::vector;
--> [1,2,3]
SELECT cosine_distance('[1,0]'::vector, '[0,1]'), inner_product('[1,2]'::vector, '[3,4]'), l1_distance('[0,0]'::vector, '[3,4]'), l2_distance('[0,0]'::vector, '[3,4]');
--> 1 11 7 5
SELECT l2_normalize('[3,4]'::vector), subvector('[1,2,3,4,5]'::vector, 1, 3), vector_dims('[1,2,3]'::vector), vector_norm('[3,4]'::vector);
--> [0.6,0.8] [1,2,3] 3 5
SELECT l2_norm('[3,4]'::halfvec), l2_normalize('{1:3,2:4}/2'::sparsevec);
--> 5 {1:0.6,2:0.8}/2
SELECT ARRAY[1,2,3]::vector, '[1,2,3]'::vector::real[];
--> [1,2,3] {1,2,3}
SELECT '[1,2,3]'::vector(3)::halfvec(3), '[1,0,3]'::vector::sparsevec;
--> [1,2,3] {1:1,3:3}/3
SELECT binary_quantize('[1,-2,3]'::vector);
--> 101
SELECT '[1,2,3]'::vector < '[1,2,4]'::vector, '[1,2,3]'::vector = '[1,2,3]'::vector;
--> t t
DELETE FROM items WHERE id = 1;
SELECT id FROM items ORDER BY embedding <-> '[3,1,2]' LIMIT 5;
--> 2
DROP TABLE items, items2, half_items, sparse_items;
