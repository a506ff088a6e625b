-- finetune(): what it refuses at the call, what it makes of data, in the caller's transaction
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE TABLE messages (id int PRIMARY KEY, body text, topic text, note text, held_out bool, weight float8);
INSERT INTO messages
SELECT i, format((ARRAY['the invoice of %s is wrong, please refund the %s', 'the app crashes when %s opens the %s page',
		'the parcel for %s has not arrived in %s'])[1 + i % 3],
		(ARRAY['anna', 'ben', 'carla', 'david', 'emma', 'felix', 'greta'])[1 + i % 7],
		(ARRAY['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth'])[1 + i % 10]),
	(ARRAY['billing', 'bug', 'delivery'])[1 + i % 3], 'note', i % 5 = 0, 0
FROM generate_series(1, 210) i;
CREATE VIEW labelled AS SELECT body, topic FROM messages;

-- A quick training for the tests.
CREATE FUNCTION train(relation regclass, label name, model text, more jsonb DEFAULT '{}', base_model text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	options jsonb := '{"learning_rate": 0.005, "num_train_epochs": 4}';
	job bigint;
BEGIN
	IF base_model IS NULL THEN
		options := options || '{"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
			"intermediate_size": 64, "vocab_size": 400}';
	END IF;
	job := textcls.finetune(relation, label, 'body', model, base_model, options || more, wait => true);
	RETURN (SELECT state FROM textcls.jobs WHERE id = job);
END $$;

-- The relation and its columns
SELECT textcls.finetune(NULL, 'topic');
SELECT textcls.finetune('messages', NULL);
SELECT textcls.finetune(0, 'topic');
SELECT textcls.finetune('messages_pkey', 'topic');
SELECT textcls.finetune('messages', 'subject');
SELECT textcls.finetune('messages', 'ctid');
SELECT textcls.finetune('messages', 'topic');
SELECT textcls.finetune('messages', 'topic', 'nobody');
SELECT textcls.finetune('messages', 'topic', 'topic');
SELECT textcls.finetune('messages', 'topic', 'id');
SELECT textcls.finetune('messages', 'weight', 'body');
CREATE TABLE numbers (label int, n int);
SELECT textcls.finetune('numbers', 'label');
DROP TABLE numbers;

-- Options
SELECT textcls.finetune('labelled', 'topic', options => '{"learning_rat": 1}');
SELECT textcls.finetune('labelled', 'topic', options => '{"zzz": 1}');
SELECT textcls.finetune('labelled', 'topic', options => '[1]');
SELECT textcls.finetune('labelled', 'topic', options => '{"learning_rate": "fast"}');
SELECT textcls.finetune('labelled', 'topic', options => '{"learning_rate": -1}');
SELECT textcls.finetune('labelled', 'topic', options => '{"batch_size": 1.5}');
SELECT textcls.finetune('labelled', 'topic', options => '{"per_device_train_batch_size": 0}');
SELECT textcls.finetune('labelled', 'topic', options => '{"max_length": 100000}');
SELECT textcls.finetune('labelled', 'topic', options => '{"lr_scheduler_type": "quick"}');
SELECT textcls.finetune('labelled', 'topic', options => '{"metric_for_best_model": 7}');
SELECT textcls.finetune('labelled', 'topic', options => '{"class_weight": {"bug": -1}}');
SELECT textcls.finetune('labelled', 'topic', options => '{"class_weight": "heavy"}');
SELECT textcls.finetune('labelled', 'topic', options => '{"bf16": "yes"}');
SELECT textcls.finetune('labelled', 'topic', options => '{"bf16": 1}');
SELECT textcls.finetune('labelled', 'topic', options => '{"train": "head"}');
SELECT textcls.finetune('labelled', 'topic', options => '{"split": "column"}');
SELECT textcls.finetune('messages', 'topic', 'body', options => '{"split_column": "gone"}');
SELECT textcls.finetune('messages', 'topic', 'body', options => '{"split_column": "id"}');
SELECT textcls.finetune('labelled', 'topic', options => '{"problem_type": "multi_label_classification"}');
SELECT textcls.finetune('labelled', 'topic', options => '{"hidden_size": 30, "num_attention_heads": 4}');
SELECT textcls.finetune('labelled', 'topic', deploy => 'sometimes');
SELECT textcls.finetune('labelled', 'topic', model => '');
SELECT textcls.finetune('labelled', 'topic', base_model => 'unknown');
SET textcls.max_job_memory = '16MB';
DO $$
BEGIN
	PERFORM textcls.finetune('labelled', 'topic', options => '{"hidden_size": 512, "intermediate_size": 2048}');
EXCEPTION WHEN configuration_limit_exceeded THEN
	RAISE WARNING '%', regexp_replace(SQLERRM, 'about \d+ MB', 'about n MB');
END $$;
RESET textcls.max_job_memory;
SELECT count(*) FROM textcls.job WHERE model IN ('labelled', 'messages');

-- Rows that cannot be learnt from
CREATE TABLE few AS SELECT body, topic FROM messages WHERE id <= 5;
INSERT INTO few VALUES (NULL, 'bug'), ('', 'bug'), ('text', NULL);
SELECT train('few', 'topic', 'few');
CREATE TABLE single AS SELECT body, 'bug'::text AS topic FROM messages;
SELECT train('single', 'topic', 'single');
CREATE TABLE long_label AS SELECT body, repeat(topic, 100) AS topic FROM messages;
SELECT train('long_label', 'topic', 'long_label');
SELECT train('messages', 'topic', 'messages', '{"problem_type": "binary"}');
SELECT train('messages', 'topic', 'messages', '{"class_weight": {"bugs": 2}}');
SELECT train('messages', 'topic', 'messages', '{"learning_rate": 1e12, "max_grad_norm": 0, "warmup_ratio": 0}');
SELECT count(*) FROM textcls.models WHERE name IN ('few', 'single', 'long_label', 'messages');

-- A model, named after the relation; the rows are counted
INSERT INTO messages VALUES (1001, NULL, 'bug'), (1002, 'no topic', NULL), (1003, E' \n', 'bug'),
	(1004, repeat('the app crashes ', 200), 'bug'), (1005, 'only once', 'rare');
SELECT textcls.finetune('labelled', 'topic', wait => true, options => '{"hidden_size": 32, "num_hidden_layers": 1,
	"num_attention_heads": 2, "intermediate_size": 64, "learning_rate": 0.005, "num_train_epochs": 8, "vocab_size": 400}') > 0 AS ok;
SELECT name, purpose, deployed_version, versions, (metrics->>'accuracy')::float8 > 0.9 AS good
FROM textcls.models WHERE name = 'labelled';
SELECT version, labels, is_deployed, options->>'seed' AS seed, options->'max_steps' AS max_steps
FROM textcls.model_versions WHERE model = 'labelled';
SELECT state, model, version, relation, text_column, rows_read, rows_skipped, rows_truncated, warnings, step > 0 AS has_steps, error
FROM textcls.jobs WHERE model = 'labelled';
SELECT metrics->'rows' AS rows, metrics->'train_rows' AS train, metrics->'eval_rows' AS eval, metrics->'labels'->'bug'->'support' AS bugs
FROM textcls.jobs WHERE model = 'labelled';
SELECT count(*) > 0 AS has_log, count(eval_loss) > 0 AS has_evaluations
FROM textcls.training_log l JOIN textcls.jobs j ON j.id = l.job WHERE j.model = 'labelled';
DELETE FROM messages WHERE id > 1000;

-- Rolled back, nothing is left
SELECT (SELECT count(*) FROM textcls.jobs) AS jobs, (SELECT count(*) FROM pg_largeobject_metadata) AS objects \gset
BEGIN;
SELECT train('messages', 'topic', 'labelled');
SELECT count(*) FROM textcls.model_versions WHERE model = 'labelled';
ROLLBACK;
SELECT count(*) FROM textcls.model_versions WHERE model = 'labelled';
SELECT count(*) - :jobs AS jobs FROM textcls.jobs;
SELECT count(*) - :objects AS objects FROM pg_largeobject_metadata;

-- The next version; the same seed and rows in another order give the same weights, another seed others
SELECT train('messages', 'topic', 'a');
CREATE TABLE shuffled AS SELECT * FROM messages ORDER BY id % 11, id DESC;
SELECT train('shuffled', 'topic', 'a');
SELECT train('messages', 'topic', 'a', '{"seed": 1}');
SELECT version, is_deployed, sha256 = first_value(sha256) OVER (ORDER BY version) AS same_weights
FROM textcls.model_versions WHERE model = 'a' ORDER BY version;
SELECT textcls.finetune('messages', 'topic', 'body', model => 'a', wait => true, deploy => 'never',
	options => '{"max_steps": 1}') > 0 AS ok;
SELECT deployed_version FROM textcls.models WHERE name = 'a';

-- Going on from a model: its head stays where the labels are the same
SELECT train('messages', 'topic', 'a', '{"num_train_epochs": 1}', 'a');
SELECT train('messages', 'topic', 'b', '{"train": "head", "num_train_epochs": 1}', 'a');
SELECT train('messages', 'topic', 'b', '{"hidden_size": 64}', 'a');
SELECT train('messages', 'topic', 'b', '{"max_length": 512}', 'a');
SELECT model, version, base_model, base_version FROM textcls.model_versions WHERE base_model = 'a' ORDER BY id;
-- Without a base the next version starts where the first one did
SELECT textcls.finetune('messages', 'topic', 'body', model => 'b', wait => true, options => '{"max_steps": 2}') > 0 AS ok;
SELECT base_model, base_version FROM textcls.model_versions WHERE model = 'b' AND version = 2;

-- Kinds of labels and problems
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE kinds AS SELECT body, id % 2 = 0 AS even, id % 2 AS number, (enum_range(NULL::mood))[1 + id % 2] AS mood,
	ARRAY[topic] || CASE WHEN id % 2 = 0 THEN ARRAY['even', topic, NULL] END AS topics, topic::varchar(20) AS short,
	CASE WHEN held_out THEN 'validation' ELSE 'train' END AS side
FROM messages;
SELECT train('kinds', 'even', 'even', '{"problem_type": "binary", "max_steps": 5}');
SELECT train('kinds', 'number', 'number', '{"class_weight": "balanced", "max_steps": 5}');
SELECT train('kinds', 'mood', 'mood', '{"class_weight": {"happy": 2}, "max_steps": 5}');
SELECT train('kinds', 'short', 'short', '{"split": "random", "eval_fraction": 0.5, "max_steps": 5}');
SELECT train('kinds', 'topics', 'topics', '{"max_steps": 40}');
SELECT train('kinds', 'topics', 'topics', '{"problem_type": "binary"}');
SELECT train('kinds', 'short', 'side', '{"split_column": "side", "max_steps": 5, "eval_steps": 2}');
SELECT train('messages', 'topic', 'none', '{"split": "none", "max_steps": 5}');
SELECT train('messages', 'topic', 'early', '{"learning_rate": 1e-9, "num_train_epochs": 50, "early_stopping_patience": 2}');
SELECT model, labels, metrics->'train_rows' AS train, metrics->'eval_rows' AS eval
FROM textcls.model_versions WHERE model IN ('even', 'number', 'mood', 'short', 'topics', 'side', 'none') ORDER BY id;
SELECT step < total_steps AS stopped FROM textcls.jobs WHERE model = 'early';
SELECT count(eval_loss) FROM textcls.training_log WHERE job = (SELECT id FROM textcls.jobs WHERE model = 'side');

-- Kinds of relations
CREATE TEMP TABLE scrap AS SELECT body, topic FROM messages;
SELECT textcls.finetune('scrap', 'topic');
SELECT train('scrap', 'topic', 'scrap', '{"max_steps": 1}');
CREATE MATERIALIZED VIEW stored AS SELECT * FROM labelled;
SELECT train('stored', 'topic', 'stored', '{"max_steps": 1}');
CREATE TABLE parted (body text, topic text) PARTITION BY LIST (topic);
CREATE TABLE parted_bug PARTITION OF parted FOR VALUES IN ('bug');
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
INSERT INTO parted SELECT body, topic FROM messages;
SELECT train('parted', 'topic', 'parted', '{"max_steps": 1}');
CREATE TABLE "odd ""name" ("the ""text" text, "label" text);
INSERT INTO "odd ""name" SELECT body, topic FROM messages;
SELECT textcls.finetune('"odd ""name"', 'label', wait => true, options => '{"max_steps": 1}') > 0 AS ok;
SELECT model, relation, text_column FROM textcls.jobs ORDER BY id DESC LIMIT 1;

-- Roles: what may be read and written
CREATE ROLE regress_textcls_trainer LOGIN;
CREATE ROLE regress_textcls_group;
SET ROLE regress_textcls_trainer;
SELECT textcls.finetune('messages', 'topic', 'body', model => 'mine');
RESET ROLE;
GRANT SELECT (body, topic) ON messages TO regress_textcls_trainer;
SET ROLE regress_textcls_trainer;
SELECT textcls.finetune('messages', 'topic', 'note', model => 'mine');
SELECT textcls.finetune('messages', 'topic', 'body', model => 'mine');
SELECT textcls.finetune('messages', 'topic', 'body', model => 'a');
RESET ROLE;
GRANT CREATE ON SCHEMA textcls TO regress_textcls_trainer, regress_textcls_group;
GRANT SELECT ON messages TO regress_textcls_group;
SET ROLE regress_textcls_trainer;
SELECT textcls.finetune('messages', 'topic', 'body', model => 'mine', base_model => 'a');
SELECT textcls.finetune('messages', 'topic', 'body', model => 'a');
SELECT train('messages', 'topic', 'mine', '{"max_steps": 1}');
SELECT name, owner FROM textcls.models;
SELECT role, model, state FROM textcls.jobs;
RESET ROLE;
SET ROLE regress_textcls_group;
SELECT textcls.finetune('messages', 'topic', 'body', model => 'group');
SELECT count(*) FROM textcls.jobs;
RESET ROLE;
-- Row security hides rows from the training
ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON messages FOR SELECT USING (id <= 120);
SET ROLE regress_textcls_trainer;
SELECT train('messages', 'topic', 'mine', '{"max_steps": 1}');
SELECT rows_read FROM textcls.jobs ORDER BY id DESC LIMIT 1;
RESET ROLE;
ALTER TABLE messages DISABLE ROW LEVEL SECURITY;
-- A superuser does not run another role's functions with all rights
GRANT CREATE ON SCHEMA public TO regress_textcls_trainer;
SET ROLE regress_textcls_trainer;
CREATE FUNCTION who(topic text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF current_user = 'regress_textcls_trainer' THEN RETURN topic; END IF;
	RETURN 'run by ' || current_user;
END $$;
CREATE VIEW trap AS SELECT body, who(topic) AS topic FROM messages;
RESET ROLE;
SELECT train('trap', 'topic', 'trap', '{"max_steps": 1}');
SELECT labels FROM textcls.model_versions WHERE model = 'trap';
-- A dropped role's jobs are the superuser's to see
DROP VIEW trap;
DROP FUNCTION who(text);
SELECT textcls.drop_model('mine') > 0 AS ok;
REVOKE ALL ON messages, messages, labelled FROM regress_textcls_trainer, regress_textcls_group;
REVOKE ALL (body, topic) ON messages FROM regress_textcls_trainer;
REVOKE CREATE ON SCHEMA textcls FROM regress_textcls_trainer, regress_textcls_group;
REVOKE CREATE ON SCHEMA public FROM regress_textcls_trainer;
DROP ROLE regress_textcls_trainer, regress_textcls_group;
SELECT count(*) FROM textcls.jobs WHERE role = 'regress_textcls_trainer';

-- Dropped models leave no objects
SELECT count(*) > 0 AS ok FROM (SELECT textcls.drop_model(name) FROM textcls.models) dropped;
SELECT count(*) FROM textcls.checkpoint;
SELECT (SELECT count(*) FROM pg_largeobject_metadata) - (SELECT count(weights) FROM textcls.model_versions) AS orphans;
DROP TABLE messages, few, single, long_label, shuffled, kinds, scrap, parted, "odd ""name" CASCADE;
DROP TYPE mood;
DROP FUNCTION train(regclass, name, text, jsonb, text);
