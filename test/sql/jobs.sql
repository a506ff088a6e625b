-- Jobs: queued at commit, seen by their role, cancelled, waited for
SET client_min_messages = warning;
\set SHOW_CONTEXT never
-- The error of a command, without the number of the job
CREATE FUNCTION complaint(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'none';
EXCEPTION WHEN OTHERS OR query_canceled THEN
	RETURN SQLSTATE || ': ' || regexp_replace(SQLERRM, 'job \d+', 'job n');
END $$;
CREATE TABLE tickets AS
SELECT format((ARRAY['the invoice of %s is wrong, please refund the %s', 'the app crashes when %s opens the %s page'])[1 + i % 2],
		(ARRAY['anna', 'ben', 'carla', 'david', 'emma', 'felix', 'greta'])[1 + i % 7],
		(ARRAY['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth'])[1 + i % 10]) AS body,
	(ARRAY['billing', 'bug'])[1 + i % 2] AS topic
FROM generate_series(1, 140) i;
\set quick '{"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 400, "max_steps": 10}'

-- The whole way
SELECT textcls.finetune('tickets', 'topic', options => :'quick') AS job \gset
SELECT textcls.wait_job(:job);
SELECT state, model, version, phase, step, total_steps, percent, eta, attempts, rows_read, error FROM textcls.jobs WHERE id = :job;
SELECT textcls.wait_job(:job);
SELECT textcls.cancel_job(:job);

-- A job that its own transaction has not committed
BEGIN;
SELECT textcls.finetune('tickets', 'topic', options => :'quick') AS job \gset
SELECT state, step FROM textcls.jobs WHERE id = :job;
SELECT complaint(format('SELECT textcls.wait_job(%s)', :job));
ROLLBACK;
SELECT complaint(format('SELECT textcls.wait_job(%s)', :job));
SELECT complaint(format('SELECT textcls.cancel_job(%s)', :job));
-- REPEATABLE READ sees the end of a job of another transaction as well
SELECT textcls.finetune('tickets', 'topic', options => :'quick') AS job \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT state IN ('queued', 'running', 'interrupted', 'done') AS ok FROM textcls.jobs WHERE id = :job;
SELECT textcls.wait_job(:job);
COMMIT;
-- A savepoint that is rolled back takes its job with it
SELECT count(*) AS before FROM textcls.jobs \gset
BEGIN;
SAVEPOINT a;
SELECT textcls.finetune('tickets', 'topic', model => 'gone', options => :'quick') > 0 AS ok;
ROLLBACK TO a;
SAVEPOINT b;
SELECT textcls.finetune('tickets', 'topic', model => 'kept', options => :'quick') AS job \gset
RELEASE b;
COMMIT;
SELECT textcls.wait_job(:job);
SELECT count(*) - :before AS jobs, max(model) FILTER (WHERE id = :job) AS model FROM textcls.jobs;
SELECT name FROM textcls.models WHERE name IN ('gone', 'kept');
-- The error of a job is the error of waiting for it
CREATE TABLE constant AS SELECT body, 'same'::text AS topic FROM tickets;
SELECT textcls.finetune('constant', 'topic') AS job \gset
SELECT textcls.wait_job(:job);
SELECT state, error, error_state, error_hint FROM textcls.jobs WHERE id = :job;

-- Without training workers jobs stay queued
SET textcls.max_training_workers = 0;
SELECT textcls.finetune('tickets', 'topic', model => 'later', options => :'quick') AS job \gset
SELECT textcls.wait_job(:job, '100 ms');
SELECT textcls.cancel_job(:job);
SELECT complaint(format('SELECT textcls.wait_job(%s)', :job));
SELECT state, started_at IS NULL AS never_started, finished_at IS NOT NULL AS ended FROM textcls.jobs WHERE id = :job;
SELECT textcls.finetune('tickets', 'topic', model => 'later', options => :'quick') AS job \gset
RESET textcls.max_training_workers;
SELECT textcls.resume_jobs();
SELECT textcls.wait_job(:job);

-- Each role sees and cancels its own jobs
CREATE ROLE regress_textcls_one LOGIN;
CREATE ROLE regress_textcls_two LOGIN;
CREATE ROLE regress_textcls_member LOGIN IN ROLE regress_textcls_one;
GRANT SELECT ON tickets TO regress_textcls_one;
GRANT CREATE ON SCHEMA textcls TO regress_textcls_one;
GRANT SET ON PARAMETER textcls.max_training_workers TO regress_textcls_one;
SET ROLE regress_textcls_one;
SET textcls.max_training_workers = 0;
SELECT textcls.finetune('tickets', 'topic', model => 'ones', options => :'quick') AS job \gset
RESET textcls.max_training_workers;
SET ROLE regress_textcls_two;
SELECT count(*) FROM textcls.jobs;
SELECT complaint(format('SELECT textcls.cancel_job(%s)', :job));
SELECT complaint(format('SELECT textcls.wait_job(%s)', :job));
SELECT textcls.resume_jobs();
SELECT count(*) FROM textcls.job;
SET ROLE regress_textcls_member;
SELECT role, model, state FROM textcls.jobs;
SELECT textcls.cancel_job(:job);
RESET ROLE;
SELECT role, state FROM textcls.jobs WHERE id = :job;
REVOKE ALL ON PARAMETER textcls.max_training_workers FROM regress_textcls_one;
DROP OWNED BY regress_textcls_one;
DROP ROLE regress_textcls_member, regress_textcls_two, regress_textcls_one;
SELECT role, state FROM textcls.jobs WHERE id = :job;

-- Nothing is left of checkpoints
SELECT count(*) FROM textcls.checkpoint;
SELECT count(*) > 0 AS ok FROM (SELECT textcls.drop_model(name) FROM textcls.models) dropped;
DROP TABLE tickets, constant;
DROP FUNCTION complaint(text);
