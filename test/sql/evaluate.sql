-- evaluate() and confusion_matrix()
\getenv inputs PG_ABS_SRCDIR
\set models :inputs '/data/models/'
SELECT name, textcls.import_model('evaluate_' || name, :'models' || name) > 0 AS imported
FROM unnest('{bert_f32,bert_multi,sentence}'::text[]) name;

-- labels right and wrong, one that the model does not know, rows to skip and a text to cut
CREATE TABLE labelled (id int, topic text, body text);
INSERT INTO labelled
	SELECT i, (ARRAY['business', 'science & more', 'business', 'übrig', 'sport', NULL, ''])[i % 7 + 1],
		CASE WHEN i % 50 = 0 THEN NULL WHEN i % 51 = 0 THEN '' WHEN i % 52 = 0 THEN repeat('cat ', 100)
			ELSE (ARRAY['zebra ', 'win a prize ', 'cafe ', 'the mat '])[i % 4 + 1] || i END
	FROM generate_series(1, 2500) i;
CREATE TEMP TABLE answers AS
	SELECT topic AS expected, p.label AS predicted,
		-ln((SELECT score FROM textcls.predict(body, 'evaluate_bert_f32', top_k => NULL) s WHERE s.label = topic)::float8) AS loss
	FROM labelled, textcls.predict(body, 'evaluate_bert_f32') p WHERE topic <> '' AND body <> '';

-- the confusion matrix counts every row that is not skipped
SELECT expected, predicted, n = (SELECT count(*) FROM answers a WHERE a.expected = c.expected AND a.predicted = c.predicted) AS right_count
FROM textcls.confusion_matrix('labelled', 'topic', 'body', 'evaluate_bert_f32') c;
SELECT sum(n) = (SELECT count(*) FROM answers) AS complete FROM textcls.confusion_matrix('labelled', 'topic', 'body', 'evaluate_bert_f32');

-- the metrics by their definitions
CREATE TEMP TABLE result AS SELECT * FROM textcls.evaluate('labelled', 'topic', 'body', 'evaluate_bert_f32', 1);
CREATE TEMP TABLE class AS
	SELECT label, tp, support, CASE WHEN predicted > 0 THEN tp::float8 / predicted ELSE 0 END AS precision,
		CASE WHEN support > 0 THEN tp::float8 / support ELSE 0 END AS recall,
		2.0 * tp / (predicted + support) AS f1, predicted
	FROM (SELECT label, count(*) FILTER (WHERE expected = label AND predicted = label) AS tp,
			count(*) FILTER (WHERE expected = label) AS support, count(*) FILTER (WHERE predicted = label) AS predicted
		FROM answers, (SELECT expected AS label FROM answers UNION SELECT predicted FROM answers) l GROUP BY 1) c;
SELECT r.label, r.metric, abs(r.value - CASE r.metric WHEN 'precision' THEN c.precision WHEN 'recall' THEN c.recall
	WHEN 'f1' THEN c.f1 WHEN 'support' THEN c.support END) < 1e-9 AS equal, r.n = c.support AS n
FROM result r JOIN class c USING (label) ORDER BY 1, 2;
SELECT r.metric, abs(r.value - e.value) < 1e-9 AS equal, r.n = e.n AS n
FROM result r JOIN (
	SELECT 'accuracy', avg((expected = predicted)::int)::float8, count(*) FROM answers
	UNION ALL SELECT 'balanced_accuracy', avg(recall) FILTER (WHERE support > 0), sum(support) FROM class
	UNION ALL SELECT 'macro_f1', avg(f1), sum(support) FROM class
	UNION ALL SELECT 'weighted_f1', sum(f1 * support) / sum(support), sum(support) FROM class
	UNION ALL SELECT 'mcc', (sum(tp) * sum(support) - sum(predicted * support)) /
		sqrt((sum(support) ^ 2 - sum(predicted ^ 2)) * (sum(support) ^ 2 - sum(support ^ 2))), sum(support) FROM class
	UNION ALL SELECT 'truncated', count(*) FILTER (WHERE body LIKE 'cat cat%'), count(*) FROM labelled WHERE topic <> '' AND body <> ''
	UNION ALL SELECT 'skipped', count(*) FILTER (WHERE (topic <> '' AND body <> '') IS NOT TRUE), count(*) FROM labelled
	UNION ALL SELECT 'unknown_labels', 1, count(*) FROM answers) e (metric, value, n) USING (metric)
WHERE r.label IS NULL ORDER BY 1;
-- scores are real: the logarithm of a rounded one differs in the eighth digit
SELECT abs(value - (SELECT avg(loss) FROM answers)) < 1e-6 AS equal, n = (SELECT count(loss) FROM answers) AS n FROM result WHERE metric = 'loss';
SELECT count(*) FROM result;

-- arguments by name, the text column and the model found
SET textcls.default_model = 'evaluate_bert_f32';
CREATE VIEW labelled_view AS SELECT topic::varchar(20) AS topic, body FROM labelled WHERE topic <> 'sport';
SELECT metric, n > 0 AS rows FROM textcls.evaluate(relation => 'labelled_view', label_column => 'topic') WHERE label IS NULL;
SELECT bool_and(expected <> 'sport') FROM textcls.confusion_matrix('labelled_view', 'topic');
RESET textcls.default_model;
DROP VIEW labelled_view;

-- any number of labels: each counted by itself
CREATE TABLE several AS
	SELECT id, CASE id % 4 WHEN 0 THEN '{a}' WHEN 1 THEN '{a,d}' WHEN 2 THEN '{x,b,NULL}' ELSE '{}' END::text[] AS topics, body FROM labelled WHERE id <= 500;
CREATE TEMP TABLE several_answers AS
	SELECT topics, (SELECT array_agg(label) FROM textcls.predict(body, 'evaluate_bert_multi')) AS predicted FROM several WHERE body <> '';
CREATE TEMP TABLE several_class AS
	SELECT label, count(*) FILTER (WHERE e AND p) AS tp, count(*) FILTER (WHERE e) AS support, count(*) FILTER (WHERE p) AS predicted
	FROM several_answers, unnest('{a,b,c,d,x}'::text[]) label, LATERAL (SELECT coalesce(label = ANY (topics), false) AS e, coalesce(label = ANY (predicted), false) AS p) f
	GROUP BY 1;
SELECT r.metric, abs(r.value - e.value) < 1e-9 AS equal, r.n = (SELECT count(*) FROM several_answers) AS n
FROM textcls.evaluate('several', 'topics', 'body', 'evaluate_bert_multi') r JOIN (
	SELECT 'subset_accuracy', avg((array_remove(topics, NULL) @> coalesce(predicted, '{}') AND array_remove(topics, NULL) <@ coalesce(predicted, '{}'))::int)::float8 FROM several_answers
	UNION ALL SELECT 'micro_f1', 2.0 * sum(tp) / (sum(support) + sum(predicted)) FROM several_class
	UNION ALL SELECT 'macro_f1', avg(CASE WHEN support + predicted > 0 THEN 2.0 * tp / (support + predicted) ELSE 0 END) FROM several_class) e (metric, value) USING (metric)
WHERE r.label IS NULL ORDER BY 1;
SELECT label, value = support AS equal FROM textcls.evaluate('several', 'topics', 'body', 'evaluate_bert_multi') JOIN several_class USING (label) WHERE metric = 'support' ORDER BY 1;

-- what cannot be evaluated
SELECT * FROM textcls.confusion_matrix('several', 'topics', 'body', 'evaluate_bert_multi');
SELECT * FROM textcls.evaluate('labelled', 'topic', 'body', 'evaluate_bert_multi');
SELECT * FROM textcls.evaluate('several', 'topics', 'body', 'evaluate_bert_f32');
SELECT * FROM textcls.evaluate('labelled', 'topic', 'body', 'evaluate_sentence');
SELECT * FROM textcls.evaluate('labelled', 'topic', 'body', 'evaluate_bert_f32', 7);
SELECT * FROM textcls.evaluate('labelled', 'body', 'topic', 'evaluate_bert_f32');
SELECT * FROM textcls.evaluate('labelled', 'nothing', 'body', 'evaluate_bert_f32');
SELECT * FROM textcls.evaluate('labelled', NULL);
CREATE TABLE hollow AS SELECT * FROM labelled WHERE topic IS NULL;
SELECT * FROM textcls.evaluate('hollow', 'topic', 'body', 'evaluate_bert_f32');
INSERT INTO hollow VALUES (1, 'business', E' \t\n');
SELECT * FROM textcls.evaluate('hollow', 'topic', 'body', 'evaluate_bert_f32');

-- the caller's rights on the relation and on the model, row security included
CREATE ROLE regress_textcls_analyst;
SET ROLE regress_textcls_analyst;
SELECT * FROM textcls.evaluate('labelled', 'topic', 'body', 'evaluate_bert_f32');
RESET ROLE;
GRANT SELECT ON labelled TO regress_textcls_analyst;
SET ROLE regress_textcls_analyst;
SELECT * FROM textcls.evaluate('labelled', 'topic', 'body', 'evaluate_bert_f32');
RESET ROLE;
SELECT textcls.grant_model('evaluate_bert_f32', 'regress_textcls_analyst');
ALTER TABLE labelled ENABLE ROW LEVEL SECURITY;
CREATE POLICY first_rows ON labelled USING (id <= 70);
SET ROLE regress_textcls_analyst;
SELECT n FROM textcls.evaluate('labelled', 'topic', 'body', 'evaluate_bert_f32') WHERE metric = 'skipped';
RESET ROLE;
DROP TABLE labelled, several, hollow;
SELECT textcls.revoke_model('evaluate_bert_f32', 'regress_textcls_analyst');
DROP ROLE regress_textcls_analyst;

SELECT count(textcls.drop_model(name)) FROM textcls.models WHERE name LIKE 'evaluate\_%';
