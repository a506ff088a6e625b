-- predict(): scored rows
\getenv inputs PG_ABS_SRCDIR
\set models :inputs '/data/models/'
SELECT name, textcls.import_model('predict_' || name, :'models' || name) > 0 AS imported
FROM unnest('{bert_f32,distilbert,bert_multi,sentence}'::text[]) name;

-- every score is that of transformers
CREATE TEMP TABLE fixture AS
	SELECT name AS model, body, n AS text, column_number, string_to_array(line, ' ')::float8[] AS numbers
	FROM (VALUES ('bert_f32', 3), ('distilbert', 2), ('bert_multi', 4)) f (name, columns),
		rows FROM (string_to_table(pg_read_file(:'models' || 'texts.txt'), E'\n'),
			string_to_table(pg_read_file(:'models' || f.name || '/expected.txt'), E'\n')) WITH ORDINALITY x (body, line, n),
		generate_series(1, columns) column_number
	WHERE line <> '';
SELECT f.model, count(*), max(abs(p.score - f.numbers[f.column_number])) < 1e-4 AS equal
FROM fixture f
	JOIN textcls.model_versions v ON v.model = 'predict_' || f.model,
	textcls.predict(f.body, 'predict_' || f.model, top_k => NULL, threshold => 0) p
WHERE p.label = v.labels[f.column_number]
GROUP BY 1 ORDER BY 1;

-- one label a text: scores sum to 1, are in order, and the margin is the lead of the first
SELECT count(*), bool_and(abs(sum - 1) < 1e-6) AS sums, bool_and(in_order) AS in_order, bool_and(margin) AS margins
FROM (SELECT sum(score::float8), array_agg(score ORDER BY rank) = array_agg(score ORDER BY score DESC) AS in_order,
		bool_and(abs(p.margin - (s.scores[1] - s.scores[2])) < 1e-6) AS margin
	FROM (SELECT DISTINCT model, body FROM fixture WHERE model <> 'bert_multi') f,
		LATERAL (SELECT array_agg(score ORDER BY rank) AS scores FROM textcls.predict(body, 'predict_' || model, top_k => NULL)) s,
		textcls.predict(body, 'predict_' || model, top_k => NULL) p
	GROUP BY f.model, f.body) x;

SELECT label, round(score::numeric, 3) AS score, rank, round(margin::numeric, 3) AS margin, is_truncated, n_tokens,
	model_version = (SELECT id FROM textcls.model_versions WHERE model = 'predict_bert_f32') AS version
FROM textcls.predict('Zebra', 'predict_bert_f32');
SELECT label, rank FROM textcls.predict('Zebra', 'predict_bert_f32', top_k => 2);
SELECT label, rank FROM textcls.predict('Zebra', 'predict_bert_f32', NULL);
SELECT label, rank FROM textcls.predict('Zebra', 'predict_bert_f32', NULL, 0.28);
SELECT label, rank FROM textcls.predict('Zebra', 'predict_bert_f32', 1, 0.9);
SELECT label, rank FROM textcls.predict(NULL::text, 'predict_bert_f32');

-- any number of labels: each over the threshold, with its distance to it
SELECT label, round(score::numeric, 3) AS score, rank, round(margin::numeric, 3) AS margin FROM textcls.predict('win a prize now', 'predict_bert_multi');
SELECT label, round(score::numeric, 3) AS score, rank, round(margin::numeric, 3) AS margin FROM textcls.predict('win a prize now', 'predict_bert_multi', threshold => 0.4);
SELECT label, rank FROM textcls.predict('win a prize now', 'predict_bert_multi', top_k => 1, threshold => 0.4);
SELECT label, rank FROM textcls.predict('win a prize now', 'predict_bert_multi', threshold => 0.99);

-- arrays: index is the place in the array
SELECT index, label, rank FROM textcls.predict(ARRAY['Zebra', NULL, 'win a prize now'], 'predict_bert_f32', top_k => 2) ORDER BY index, rank;
SELECT index, label FROM textcls.predict(ARRAY[['Zebra', NULL], ['', 'win a prize now']], 'predict_bert_f32') ORDER BY index;
SELECT count(*) FROM textcls.predict('{}'::text[], 'predict_bert_f32');
SELECT count(*) FROM textcls.predict(NULL::text[], 'predict_bert_f32');
SELECT bool_and(abs(a.score - b.score) <= 1e-5 * b.score AND a.label = b.label) AS same
FROM textcls.predict(ARRAY(SELECT DISTINCT body FROM fixture ORDER BY body), 'predict_bert_f32') a
	JOIN (SELECT row_number() OVER (ORDER BY body) AS index, body FROM (SELECT DISTINCT body FROM fixture) d) t USING (index),
	textcls.predict(t.body, 'predict_bert_f32') b;

-- a text longer than the model reads, and one longer than is looked at
SELECT is_truncated, n_tokens FROM textcls.predict(repeat('cat ', 38), 'predict_bert_f32');
SELECT is_truncated, n_tokens FROM textcls.predict(repeat('cat ', 39), 'predict_bert_f32');
SELECT index, is_truncated, n_tokens FROM textcls.predict(ARRAY['cat', repeat('cat ', 1000000)], 'predict_bert_f32');
SET textcls.max_text = '1kB';
SELECT is_truncated, n_tokens FROM textcls.predict('cat' || repeat(' ', 2000), 'predict_bert_f32');
RESET textcls.max_text;

-- in the select list and beside a table
SELECT (textcls.predict('Zebra', 'predict_bert_f32', top_k => 2)).label;
SELECT t.body, p.label FROM (VALUES ('Zebra'), (NULL), ('win a prize now')) t (body) LEFT JOIN LATERAL textcls.predict(t.body, 'predict_bert_f32') p ON true;

SELECT * FROM textcls.predict('Zebra', 'predict_bert_f32', top_k => -1);
SELECT * FROM textcls.predict('Zebra', 'predict_bert_f32', threshold => 1.5);
SELECT * FROM textcls.predict('Zebra', 'predict_bert_f32', threshold => 'NaN');
SELECT * FROM textcls.predict('Zebra', 'predict_sentence');

SELECT count(textcls.drop_model(name)) FROM textcls.models WHERE name LIKE 'predict\_%';
