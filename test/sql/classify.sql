-- classify() and embed(): labels and vectors equal to those of transformers
\getenv inputs PG_ABS_SRCDIR
\set models :inputs '/data/models/'
SELECT name, textcls.import_model('use_' || name, :'models' || name) > 0 AS imported
FROM unnest('{bert_f32,bert_f16,bert_bf16,bert_sharded,distilbert,bert_multi,sentence}'::text[]) name;

-- what the generator of the fixtures computed: probabilities, then the pooled hidden state of 16 numbers
CREATE TEMP TABLE fixture AS
	SELECT f.name AS model, body, string_to_array(line, ' ')::float8[] AS numbers, cardinality(string_to_array(line, ' ')) - 16 AS columns
	FROM unnest('{bert_f32,bert_f16,bert_bf16,bert_sharded,distilbert,sentence}'::text[]) f (name),
		rows FROM (string_to_table(pg_read_file(:'models' || 'texts.txt'), E'\n'),
			string_to_table(pg_read_file(:'models' || f.name || '/expected.txt'), E'\n')) x (body, line)
	WHERE line <> '';
SELECT model, count(*) FROM fixture GROUP BY 1 ORDER BY 1;

SELECT model, count(*) AS wrong
FROM fixture, textcls.predict(body, 'use_' || model, top_k => NULL) p
WHERE columns > 0 AND rank = 1 AND (p.label <> textcls.classify(body, 'use_' || model)
	OR abs(p.score - (SELECT max(n) FROM unnest(numbers[:columns]) n)) > 1e-4)
GROUP BY 1;
SELECT model, min(cardinality(v.embedding)) AS size, max(abs(v.embedding[i] - numbers[columns + i])) < 1e-4 AS equal
FROM fixture, LATERAL (SELECT textcls.embed(body, 'use_' || model) AS embedding) v, generate_series(1, 16) i
GROUP BY 1 ORDER BY 1;

SELECT body, textcls.classify(body, 'use_bert_f32') FROM fixture WHERE model = 'bert_f32' ORDER BY 1;

-- arrays: the same labels in the same order, NULL for NULL, and the shape of the argument
SELECT textcls.classify(array_agg(body ORDER BY body), 'use_bert_f32') =
	array_agg(textcls.classify(body, 'use_bert_f32') ORDER BY body) AS same
FROM fixture WHERE model = 'bert_f32';
SELECT textcls.classify(ARRAY['zebra', NULL, 'win a prize now', ''], 'use_bert_f32');
SELECT textcls.classify(ARRAY[['zebra', 'now'], [NULL, 'zebra']], 'use_bert_f32');
SELECT textcls.classify('[5:6]={zebra,now}'::text[], 'use_bert_f32'), textcls.classify('{}'::text[], 'use_bert_f32'),
	textcls.classify('{NULL}'::text[], 'use_bert_f32');

-- NULL
SELECT textcls.classify(NULL::text, 'use_bert_f32') IS NULL AS no_label, textcls.classify(NULL::text[], 'use_bert_f32') IS NULL AS no_labels,
	textcls.embed(NULL, 'use_bert_f32') IS NULL AS no_embedding;

-- which model: none named and several there, the setting, a wrong name, a wrong kind
SELECT textcls.classify('zebra');
SET textcls.default_model = 'use_bert_f32';
SELECT textcls.classify('zebra'), textcls.classify('zebra', NULL), textcls.classify(ARRAY['zebra']);
RESET textcls.default_model;
SELECT textcls.classify('zebra', 'use_bert_f23');
SELECT textcls.classify('zebra', 'use_bert_multi');
SELECT textcls.classify('{zebra}'::text[], 'use_bert_multi');
SELECT textcls.classify('zebra', 'use_sentence');

-- the privilege is that of the current user, at each call
CREATE ROLE regress_textcls_reader;
SET ROLE regress_textcls_reader;
SELECT textcls.classify('zebra', 'use_bert_f32');
RESET ROLE;
SELECT textcls.grant_model('use_bert_f32', 'regress_textcls_reader');
SET ROLE regress_textcls_reader;
SELECT textcls.classify('zebra', 'use_bert_f32');
-- the only one that this role may use
SELECT textcls.classify('zebra');
RESET ROLE;
PREPARE prepared AS SELECT textcls.classify('zebra', 'use_bert_f32');
SET ROLE regress_textcls_reader;
EXECUTE prepared;
RESET ROLE;
SELECT textcls.revoke_model('use_bert_f32', 'regress_textcls_reader');
SET ROLE regress_textcls_reader;
EXECUTE prepared;
RESET ROLE;
DROP ROLE regress_textcls_reader;

-- a small table gets workers, from the first statement of a session on
CREATE TABLE short_texts AS
	SELECT i AS id, (ARRAY['zebra ', 'win a prize ', 'the cat ', 'cafe '])[i % 4 + 1] || i AS body FROM generate_series(1, 10000) i;
ANALYZE short_texts;
\c -
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT textcls.classify(body, 'use_bert_f32') FROM short_texts;
EXPLAIN (COSTS OFF) SELECT id FROM short_texts WHERE textcls.classify(body, 'use_bert_f32') = 'business';
EXPLAIN (COSTS OFF) SELECT (textcls.predict(body, 'use_bert_f32')).label FROM short_texts;
EXPLAIN (COSTS OFF) SELECT id FROM short_texts;
CREATE TEMP TABLE in_parallel AS SELECT id, textcls.classify(body, 'use_bert_f32') AS label, textcls.embed(body, 'use_bert_f32') AS e FROM short_texts;
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT textcls.classify(body, 'use_bert_f32') FROM short_texts;
CREATE TEMP TABLE alone AS SELECT id, textcls.classify(body, 'use_bert_f32') AS label, textcls.embed(body, 'use_bert_f32') AS e FROM short_texts;
SELECT count(*), count(DISTINCT a.label) > 1 AS differ, bool_and(a.label = p.label AND (SELECT max(abs(x - y)) < 1e-6 FROM unnest(a.e, p.e) u (x, y))) AS same FROM alone a JOIN in_parallel p USING (id);
-- neither a handful of rows, nor a table whose owner said otherwise
SET max_parallel_workers_per_gather = 2;
CREATE TABLE few_texts AS SELECT * FROM short_texts LIMIT 40;
ANALYZE few_texts;
EXPLAIN (COSTS OFF) SELECT textcls.classify(body, 'use_bert_f32') FROM few_texts;
ALTER TABLE short_texts SET (parallel_workers = 0);
EXPLAIN (COSTS OFF) SELECT textcls.classify(body, 'use_bert_f32') FROM short_texts;
DROP TABLE short_texts, few_texts;

SELECT count(textcls.drop_model(name)) FROM textcls.models WHERE name LIKE 'use\_%';
