-- batches: the texts of several rows are computed together, and nothing but the time depends on it
\getenv inputs PG_ABS_SRCDIR
\set models :inputs '/data/models/'
SELECT name, textcls.import_model('batch_' || name, :'models' || name) > 0 AS imported
FROM unnest('{bert_f32,bert_multi,sentence}'::text[]) name;
SET textcls.default_model = 'batch_bert_f32';
SET max_parallel_workers_per_gather = 0;

-- 300 rows: short and long texts, some twice, some empty, some missing
CREATE TABLE note (id int PRIMARY KEY, grp int, body text, model text, label text);
INSERT INTO note SELECT i, i % 7,
	CASE WHEN i % 50 = 0 THEN NULL WHEN i % 41 = 0 THEN '' ELSE repeat((ARRAY['zebra ', 'win a prize ', 'the cat ', 'cafe '])[i % 4 + 1], i % 13 + 1) || i % 90 END,
	'batch_bert_f32' FROM generate_series(1, 300) i;
CREATE TABLE part (id int, grp int, body text) PARTITION BY LIST (grp);
SELECT format('CREATE TABLE part_%s PARTITION OF part FOR VALUES IN (%1$s)', i) FROM generate_series(0, 6) i \gexec
INSERT INTO part SELECT id, grp, body FROM note;
ANALYZE note, part;

CREATE FUNCTION nodes(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result int := 0;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		result := result + (line LIKE '%Textcls Batch%')::int;
	END LOOP;
	RETURN result;
END $$;
CREATE FUNCTION rows_of(query text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	r record;
	result text[] := '{}';
BEGIN
	FOR r IN EXECUTE query LOOP
		result := result || r::text;
	END LOOP;
	RETURN result;
END $$;
CREATE FUNCTION compare(query text, OUT nodes int, OUT rows int, OUT same bool) LANGUAGE plpgsql AS $$
DECLARE
	alone text[];
	together text[];
BEGIN
	PERFORM set_config('textcls.batch', 'off', true);
	alone := rows_of(query);
	ASSERT nodes(query) = 0;
	PERFORM set_config('textcls.batch', 'on', true);
	together := rows_of(query);
	nodes := nodes(query);
	rows := cardinality(together);
	same := alone = together;
END $$;

-- wherever a call may stand: nodes tells how many places are batched
CREATE VIEW barrier WITH (security_barrier) AS SELECT id, body FROM note WHERE textcls.classify(body) = 'business';
CREATE FUNCTION inlined(body text) RETURNS text LANGUAGE sql STABLE AS 'SELECT textcls.classify(body)';
CREATE TABLE kind AS SELECT DISTINCT label, model FROM note;
CREATE TABLE form (id int GENERATED ALWAYS AS IDENTITY, query text);
INSERT INTO form (query) VALUES
	('SELECT id, textcls.classify(body) FROM note'),
	('SELECT textcls.classify(body), id, textcls.classify(body, model) FROM note WHERE grp = 3'),
	('SELECT id FROM note WHERE textcls.classify(body) = ''business'''),
	('SELECT id, textcls.classify(body) FROM note WHERE grp < 5 AND textcls.classify(body) = ''business'' AND textcls.classify(upper(body)) <> ''x'''),
	('SELECT id, upper(textcls.classify(body)) || id FROM note WHERE id BETWEEN 10 AND 20'),
	('SELECT n.*, textcls.classify(body), n FROM note n WHERE id < 30'),
	('SELECT ctid, tableoid::regclass, textcls.classify(body) FROM note'),
	('SELECT textcls.classify(''zebra'') FROM note'),
	('SELECT id, p.label, rank FROM note, LATERAL textcls.predict(body, top_k => 2) p'),
	('SELECT id, (SELECT p.label FROM textcls.predict(body) p) FROM note'),
	('SELECT id FROM note WHERE (SELECT score FROM textcls.predict(body)) > 0.5'),
	('SELECT note.id, p.label FROM note LEFT JOIN LATERAL (SELECT * FROM textcls.predict(body, top_k => NULL) ORDER BY label LIMIT 1) p ON true'),
	('SELECT id, (textcls.predict(body)).label FROM note'),
	('SELECT id, (textcls.predict(body)).label, textcls.classify(body), generate_series(1, 2) FROM note WHERE id < 20'),
	('SELECT count(*), min(textcls.classify(body)) FROM note'),
	('SELECT count(*) FILTER (WHERE textcls.classify(body) = ''business''), string_agg(textcls.classify(body), '','' ORDER BY id) FROM note WHERE id < 50'),
	('SELECT textcls.classify(body), count(*) FROM note GROUP BY 1 ORDER BY 2'),
	('SELECT grp, textcls.classify(max(body)) FROM note GROUP BY grp HAVING textcls.classify(min(body)) IS NOT NULL ORDER BY 1'),
	('SELECT grp, textcls.classify(body), count(*) FROM note GROUP BY ROLLUP (1, 2) ORDER BY 1, 2'),
	('SELECT DISTINCT textcls.classify(body) FROM note ORDER BY 1'),
	('SELECT id FROM note ORDER BY textcls.classify(body), id'),
	('SELECT id, textcls.classify(body) FROM note ORDER BY body, id LIMIT 5'),
	('SELECT id, textcls.classify(body), row_number() OVER (PARTITION BY grp ORDER BY id) FROM note'),
	('SELECT * FROM (SELECT id, body, textcls.classify(body), length(body), row_number() OVER (PARTITION BY grp ORDER BY id) AS n FROM note) s WHERE n < 5 AND n % 2 = 1'),
	('SELECT id, lag(textcls.classify(body)) OVER (ORDER BY id) FROM note'),
	('SELECT id, rank() OVER (ORDER BY textcls.classify(body)) FROM note'),
	('SELECT a.id, textcls.classify(a.body || b.body) FROM note a JOIN note b ON b.id = a.id + 1'),
	('SELECT count(*) FROM note a JOIN note b ON textcls.classify(a.body) = b.body'),
	('SELECT count(*) FROM note a WHERE textcls.classify(a.body) IN (SELECT textcls.classify(b.body) FROM note b)'),
	('SELECT id, (SELECT textcls.classify(p.body) FROM part p WHERE p.id = note.id) FROM note WHERE id < 20'),
	('SELECT o.id, (SELECT count(*) FROM note WHERE grp = o.id AND textcls.classify(body) = ''business'') FROM generate_series(1, 3) o (id)'),
	('SELECT id FROM note n WHERE EXISTS (SELECT FROM note m WHERE m.id > n.id AND textcls.classify(m.body) = textcls.classify(n.body)) AND id > 290'),
	('SELECT id, textcls.classify(body) FROM part'),
	('SELECT id FROM part WHERE textcls.classify(body) = ''business'' AND grp IN (2, 4)'),
	('SELECT id, textcls.classify(body) FROM note UNION ALL SELECT id, textcls.classify(body) FROM part WHERE grp = 1'),
	('WITH c AS MATERIALIZED (SELECT id, textcls.classify(body) AS l FROM note) SELECT * FROM c ORDER BY l, id'),
	('WITH RECURSIVE c AS (SELECT id, textcls.classify(body) AS l FROM note WHERE id = 1 UNION ALL SELECT n.id, textcls.classify(n.body) FROM note n, c WHERE n.id = c.id + 1 AND n.id < 9) SELECT * FROM c'),
	('SELECT id, textcls.classify(body) FROM (SELECT id, body FROM note OFFSET 0) s'),
	('SELECT id FROM barrier WHERE length(body) > 5'),
	('SELECT id, inlined(body) FROM note'),
	('SELECT x, textcls.classify(x) FROM unnest(ARRAY[''zebra'', ''cafe'', NULL]) x'),
	('SELECT textcls.classify(x) FROM (VALUES (''zebra''), (''cafe'')) v (x)'),
	('SELECT id, cardinality(textcls.embed(body)), (textcls.embed(body))[1] > 0 FROM note'),
	('SELECT id, CASE WHEN textcls.classify(body) = ''business'' THEN textcls.classify(body || ''!'') ELSE ''other'' END FROM note'),
	-- not always evaluated, so not computed ahead
	('SELECT id, CASE WHEN id > 290 THEN textcls.classify(body) END FROM note'),
	('SELECT id, coalesce(label, textcls.classify(body)) FROM note'),
	('SELECT id FROM note WHERE id < 3 OR textcls.classify(body) = ''business'''),
	('SELECT textcls.classify(textcls.classify(body)) FROM note WHERE id < 30'),
	('SELECT textcls.classify(ARRAY[body]) FROM note WHERE id < 30'),
	-- the model's name is a sub-select that itself waits for the row
	('SELECT id, (SELECT p.label FROM textcls.predict(n.body, (SELECT k.model FROM kind k WHERE k.label = n.label)) p LIMIT 1) FROM note n');
SELECT id, c.* FROM form, LATERAL compare(query) c ORDER BY id;

-- vectors and scores, to rounding
CREATE TEMP TABLE together AS SELECT id, textcls.embed(body) AS e, p.score FROM note, LATERAL textcls.predict(body) p;
SET textcls.batch = off;
CREATE TEMP TABLE alone AS SELECT id, textcls.embed(body) AS e, p.score FROM note, LATERAL textcls.predict(body) p;
RESET textcls.batch;
SELECT count(DISTINCT id) AS texts, max(abs(x - y)) < 1e-6 AS equal_vectors, max(abs(t.score - a.score)) < 1e-6 AS equal_scores
FROM together t JOIN alone a USING (id), unnest(t.e, a.e) u (x, y);

-- commands that write
CREATE TABLE target AS SELECT id, textcls.classify(body) AS label FROM note;
INSERT INTO target SELECT id + 1000, textcls.classify(body) FROM note;
UPDATE note SET label = textcls.classify(body) WHERE textcls.classify(body) IS NOT NULL;
SELECT count(*) AS rows, count(t.label) AS labelled, bool_and(t.label IS NOT DISTINCT FROM n.label) AS same
FROM target t JOIN note n ON n.id = t.id % 1000;
COPY (SELECT id, textcls.classify(body) FROM note WHERE id BETWEEN 45 AND 55 ORDER BY id) TO STDOUT;
WITH gone AS (DELETE FROM target WHERE id > 1000 AND textcls.classify(label) IS NOT NULL RETURNING id) SELECT count(*) FROM gone;
CREATE TABLE merged AS SELECT id, label FROM note;
EXPLAIN (COSTS OFF) WITH gone AS (DELETE FROM merged RETURNING *) INSERT INTO target SELECT id, textcls.classify(label) FROM gone;
MERGE INTO merged c USING (SELECT id, textcls.classify(body) AS l FROM note) n ON c.id = n.id AND c.label = n.l
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING;
SELECT count(*) AS left FROM merged;
INSERT INTO part SELECT id, grp, body FROM note WHERE textcls.classify(body) = 'business';
SELECT count(*) > 300 AS more FROM part;

-- what EXPLAIN shows
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, textcls.classify(body) FROM note WHERE grp = 3 AND textcls.classify(body) <> 'business';
EXPLAIN (VERBOSE, COSTS OFF) SELECT n.id, p.label FROM note n, LATERAL textcls.predict(n.body) p;
EXPLAIN (VERBOSE, COSTS OFF) SELECT grp, textcls.classify(max(body)) FROM note GROUP BY grp HAVING textcls.classify(min(body)) = 'x';
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT textcls.classify(body) FROM note;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM note WHERE textcls.classify(body) = 'business' AND textcls.classify(lower(body)) = 'x';
SELECT regexp_replace(line, '\d+\.\d+', 'N', 'g') AS line
FROM unnest(rows_of('EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF) SELECT textcls.classify(body) FROM note')) line WHERE line LIKE '%Time: %';

-- LIMIT: no more rows than it takes; with a filter by what the filter has let pass so far
CREATE FUNCTION rows_read(query text) RETURNS text LANGUAGE sql AS $$
	SELECT substring(line FROM 'rows=\d+') FROM unnest(rows_of('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query)) line
	WHERE line LIKE '%Scan on note%' $$;
SELECT n, rows_read(format('SELECT textcls.classify(body) FROM note LIMIT %s', n)) FROM unnest('{1,2,10,100,1000}'::int[]) n;
SELECT rows_read('SELECT textcls.classify(body) FROM note LIMIT 10 OFFSET 20');
SELECT rows_read('SELECT id FROM note WHERE textcls.classify(body) IS NOT NULL LIMIT 10');
SELECT rows_read('SELECT EXISTS (SELECT FROM note WHERE textcls.classify(body) IS NOT NULL)');
PREPARE limited (int) AS SELECT textcls.classify(body) FROM note LIMIT $1;
SET plan_cache_mode = force_generic_plan;
SELECT rows_read('EXECUTE limited (12)');
RESET plan_cache_mode;
SET textcls.batch_rows = 10;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT textcls.classify(body) FROM note WHERE id < 32;
RESET textcls.batch_rows;

-- what has side effects happens as often as ever
CREATE SEQUENCE seen;
SELECT id, nextval('seen') AS n, textcls.classify(body) IS NOT NULL AS ok FROM note LIMIT 3;
SELECT nextval('seen');
SELECT id FROM note WHERE nextval('seen') > 0 AND textcls.classify(body) IS NOT NULL LIMIT 3;
SELECT nextval('seen');
SELECT textcls.classify(body) IS NULL AS missing FROM (SELECT body, nextval('seen') FROM note OFFSET 0) s LIMIT 3;
SELECT nextval('seen');
SELECT nodes('SELECT id FROM note WHERE nextval(''seen'') > 0 AND textcls.classify(body) IS NOT NULL'),
	nodes('SELECT textcls.classify(body || random()) FROM note'),
	nodes('SELECT textcls.classify(body) FROM note FOR UPDATE'),
	nodes('SELECT textcls.classify(body) FROM (SELECT body FROM note FOR SHARE) s'),
	nodes('SELECT id, textcls.classify(body) FROM note ORDER BY random()');

-- errors come at their row: how many rows came before
CREATE FUNCTION rows_before_error(query text, OUT rows int, OUT error text) LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	r record;
BEGIN
	rows := 0;
	OPEN c NO SCROLL FOR EXECUTE query;
	LOOP
		FETCH c INTO r;
		EXIT WHEN NOT FOUND;
		rows := rows + 1;
	END LOOP;
EXCEPTION WHEN OTHERS THEN error := SQLERRM;
END $$;
SELECT b, e.* FROM unnest('{on,off}'::text[]) b, LATERAL (SELECT set_config('textcls.batch', b, false)) s, unnest(ARRAY[
	'SELECT textcls.classify(body, CASE WHEN id < 93 THEN model ELSE ''nowhere'' END) FROM note ORDER BY id',
	'SELECT id FROM note WHERE textcls.classify(body, CASE WHEN id < 94 THEN model ELSE ''batch_multi'' END) IS NOT NULL ORDER BY id',
	'SELECT textcls.classify(body, ''nowhere'') FROM note',
	'SELECT textcls.classify(body, ''batch_bert_multi'') FROM note',
	'SELECT textcls.classify(body, ''batch_sentence'') FROM note',
	'SELECT CASE WHEN id > 95 THEN 1 / (id - 99) END, textcls.classify(body) FROM note ORDER BY id']) q,
	LATERAL rows_before_error(q) e ORDER BY q, b;
RESET textcls.batch;
-- a model that no row asks for is no error
SELECT count(textcls.classify(body, 'nowhere')) FROM note WHERE body IS NULL;
SELECT count(*) FROM note WHERE textcls.classify(body) = 'x' AND textcls.classify(body, 'nowhere' || label) = 'y';

-- the privilege is asked for at each call, whatever was computed
CREATE ROLE regress_textcls_batch;
GRANT SELECT ON note TO regress_textcls_batch;
SET ROLE regress_textcls_batch;
SELECT textcls.classify(body, 'batch_bert_f32') FROM note;
RESET ROLE;
BEGIN;
DECLARE c CURSOR FOR SELECT textcls.classify(body, 'batch_bert_f32') IS NOT NULL FROM note;
MOVE 20 FROM c;
SET LOCAL ROLE regress_textcls_batch;
FETCH c;
ROLLBACK;
-- row security: a policy that calls a model comes before what the query asks
CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql STABLE COST 1e6 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END';
SELECT textcls.grant_model('batch_bert_f32', 'regress_textcls_batch');
CREATE TABLE secret AS SELECT id, body FROM note WHERE id < 6;
CREATE POLICY p ON secret USING (textcls.classify(body, 'batch_bert_f32') = 'business');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON secret TO regress_textcls_batch;
SET ROLE regress_textcls_batch;
EXPLAIN (COSTS OFF) SELECT id FROM secret WHERE leak(body);
SELECT id FROM secret WHERE leak(body);
RESET ROLE;
SELECT id, textcls.classify(body) FROM secret ORDER BY 1;
SELECT textcls.revoke_model('batch_bert_f32', 'regress_textcls_batch');

-- cursors go back and forth
CREATE FUNCTION walk(query text, steps int[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	r record;
	step int;
	result text[] := '{}';
BEGIN
	OPEN c SCROLL FOR EXECUTE query;
	FOREACH step IN ARRAY steps LOOP
		FETCH RELATIVE step FROM c INTO r;
		result := result || CASE WHEN FOUND THEN r::text ELSE '-' END;
	END LOOP;
	RETURN result;
END $$;
CREATE TABLE way AS SELECT array_agg(step ORDER BY i) AS steps
	FROM unnest(array_fill(1, ARRAY[30]) || array_fill(-1, ARRAY[35]) || ARRAY[1, 1, 5, 100, -3, -90, 1, 200, 90, -1, -1, 1, 1, 1, -299, -1, -1, 1, 1, 0, 50, 0, -49, 0]) WITH ORDINALITY x (step, i);
SELECT q, cardinality(w) AS steps, set_config('textcls.batch', 'off', true) AS then, (SELECT walk(q, steps)) = w AS same
FROM way, unnest(ARRAY['SELECT id, textcls.classify(body) FROM note ORDER BY id', 'SELECT id FROM note WHERE textcls.classify(body) = ''business'' ORDER BY id',
	'SELECT id, textcls.classify(body) FROM note']) q, LATERAL (SELECT set_config('textcls.batch', 'on', true)) s, LATERAL walk(q, steps) w;
BEGIN;
DECLARE c CURSOR FOR SELECT id, textcls.classify(body) FROM part;
FETCH 2 FROM c;
MOVE 200 FROM c;
FETCH 1 FROM c;
FETCH BACKWARD 2 FROM c;
CLOSE c;
DECLARE c CURSOR WITH HOLD FOR SELECT count(textcls.classify(body)) FROM part;
COMMIT;
FETCH c;
CLOSE c;

-- WHERE CURRENT OF means the row that was fetched, not the last that was read
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, textcls.classify(body) IS NULL AS missing FROM note WHERE id < 100;
FETCH 20 FROM c \g /dev/null
FETCH c;
UPDATE note SET label = 'current' WHERE CURRENT OF c;
SELECT id FROM note WHERE label = 'current';
DECLARE d CURSOR FOR SELECT id, grp, textcls.classify(body) IS NULL AS missing FROM part WHERE textcls.classify(body) IS NOT NULL;
MOVE 150 FROM d;
FETCH d;
FETCH BACKWARD 1 FROM d;
DELETE FROM part WHERE CURRENT OF d RETURNING id;
MOVE ALL FROM d;
DELETE FROM part WHERE CURRENT OF d;
ROLLBACK;
BEGIN;
DECLARE e CURSOR FOR SELECT id, textcls.classify(body) IS NULL AS missing FROM note FOR UPDATE;
FETCH 2 FROM e;
UPDATE note SET label = 'current' WHERE CURRENT OF e RETURNING id, textcls.classify(body) IS NOT NULL AS ok;
ROLLBACK;

-- functions, and statements that are prepared: the plan that is kept stays as it is
CREATE FUNCTION in_plpgsql() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	r record;
	result int := 0;
BEGIN
	FOR r IN SELECT id, textcls.classify(body) AS l, label FROM note LOOP
		result := result + (r.l IS DISTINCT FROM r.label)::int;
	END LOOP;
	RETURN result;
END $$;
CREATE FUNCTION in_sql(g int) RETURNS SETOF text LANGUAGE sql VOLATILE AS 'SELECT textcls.classify(body) FROM note WHERE grp = g';
SELECT in_plpgsql() AS differ, in_plpgsql() AS again;
SELECT g, (SELECT count(*) FROM in_sql(g)), (SELECT count(x) FROM (SELECT in_sql(g) LIMIT 5) s (x)) AS first FROM generate_series(1, 3) g;
PREPARE kept (int) AS SELECT count(*) FROM note WHERE grp < $1 AND textcls.classify(body) = label;
SET plan_cache_mode = force_generic_plan;
EXECUTE kept (3);
EXECUTE kept (7);
EXPLAIN (COSTS OFF) EXECUTE kept (3);
SET textcls.batch = off;
EXPLAIN (COSTS OFF) EXECUTE kept (3);
EXECUTE kept (3);
RESET textcls.batch;
EXECUTE kept (7);
RESET plan_cache_mode;
-- a procedure that commits in its loop
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$
DECLARE
	r record;
	n int := 0;
BEGIN
	FOR r IN SELECT id, textcls.classify(body) AS l FROM note WHERE id < 70 ORDER BY id LOOP
		n := n + 1;
		IF n % 20 = 0 THEN COMMIT; END IF;
	END LOOP;
	RAISE NOTICE '% rows', n;
END $$;
CALL commits();

-- equal texts are computed once; more than there is room for is computed row by row
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT textcls.classify(repeat('zebra ', grp + 1)), textcls.embed(repeat('zebra ', grp + 1)) FROM note;
SET work_mem = '64kB';
SELECT compare('SELECT id, textcls.classify(repeat(body, 100)) FROM note');
RESET work_mem;

-- nothing is compiled: it would take memory and time and make nothing faster
SET jit = on;
SET jit_above_cost = 0;
SELECT cardinality(rows_of('EXPLAIN (ANALYZE) SELECT count(*) FROM note WHERE textcls.classify(body) = ''business''')) > 5 AS explained,
	rows_of('EXPLAIN (ANALYZE) SELECT count(*) FROM note WHERE textcls.classify(body) = ''business''')::text LIKE '%JIT%' AS compiled;
RESET jit;
RESET jit_above_cost;

-- inner sides that return to a mark, and workers that get the plan
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT compare('SELECT count(*) FROM note a JOIN (SELECT * FROM note WHERE textcls.classify(body) = ''business'') b USING (id)');
RESET enable_hashjoin;
RESET enable_nestloop;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_tuple_cost = 0;
SELECT q, c.* FROM unnest(ARRAY['SELECT count(*) FROM note WHERE textcls.classify(body) = ''business''', 'SELECT textcls.classify(body), count(*) FROM note GROUP BY 1 ORDER BY 1',
	'SELECT count(*), count(p.label) FROM note, LATERAL textcls.predict(body) p']) q, LATERAL compare(q) c;
EXPLAIN (COSTS OFF) SELECT count(*) FROM note WHERE textcls.classify(body) = 'business';

DROP TABLE note, part, form, kind, target, merged, secret, way CASCADE;
DROP FUNCTION nodes, rows_of, compare, inlined, rows_read, rows_before_error, leak, walk, in_plpgsql, in_sql;
DROP PROCEDURE commits;
DROP SEQUENCE seen;
DROP ROLE regress_textcls_batch;
SELECT count(textcls.drop_model(name)) FROM textcls.models WHERE name LIKE 'batch\_%';
