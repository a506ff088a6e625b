-- precision: settings, a model's own precision, what auto picks
\getenv inputs PG_ABS_SRCDIR
\set directory :inputs '/data/models/bert_f32'
SELECT textcls.import_model('p_three', :'directory') > 0 AS imported;

-- unknown words are PostgreSQL's own errors, or ours
SET textcls.precision = 'fp16';
SET textcls.max_isa = 'mmx';
SELECT textcls.set_precision('p_three', 'fp16');
SELECT textcls.set_precision('none', 'fp32');

-- the administrator limits the instructions
CREATE ROLE regress_textcls_precision;
SET ROLE regress_textcls_precision;
SET textcls.max_isa = 'plain';
SET textcls.precision = 'int8';
SELECT textcls.set_precision('p_three', 'fp32');
RESET ROLE;
RESET textcls.precision;

-- plain C serves everywhere, and bf16 is answered by fp32 without a kernel for it
SET textcls.max_isa = 'plain';
SELECT name, value FROM textcls.engine() WHERE name IN ('instruction set', 'precision', 'fp32 kernel', 'int8 kernel') ORDER BY name;
SELECT value LIKE 'none: %' AS no_bf16 FROM textcls.engine() WHERE name = 'bf16 kernel';
CREATE FUNCTION pg_temp.kernel() RETURNS SETOF text LANGUAGE sql AS
  $$ SELECT name || ': ' || value FROM textcls.engine('p_three') WHERE name LIKE 'model%' AND name <> 'model' $$;
SELECT * FROM pg_temp.kernel();

-- the model's own word, which goes with its transaction
BEGIN;
SELECT textcls.set_precision('p_three', 'int8');
SELECT * FROM pg_temp.kernel();
ROLLBACK;
SELECT precision FROM textcls.models WHERE name = 'p_three';
SELECT textcls.set_precision('p_three', 'bf16');
SELECT precision FROM textcls.models WHERE name = 'p_three';
SELECT * FROM pg_temp.kernel();

-- the session's word goes before it
SET textcls.precision = 'int8';
SELECT * FROM pg_temp.kernel();
SELECT value FROM textcls.engine() WHERE name = 'precision';

-- results: the same to rounding within a precision, near between them
CREATE TEMP TABLE p_result AS
  SELECT 'fp32' AS precision, * FROM textcls.predict('win a prize now', 'p_three', NULL) WHERE false;
SET textcls.precision = 'fp32';
INSERT INTO p_result SELECT 'fp32', * FROM textcls.predict('win a prize now', 'p_three', NULL);
SET textcls.precision = 'bf16';
INSERT INTO p_result SELECT 'bf16', * FROM textcls.predict('win a prize now', 'p_three', NULL);
SET textcls.precision = 'int8';
INSERT INTO p_result SELECT 'int8', * FROM textcls.predict('win a prize now', 'p_three', NULL);
SELECT bool_and(abs(r.score - f.score) < 0.02) AS near, count(*)
  FROM p_result r JOIN p_result f ON f.label = r.label AND f.precision = 'fp32';
SELECT bool_and(r.score = f.score) AS same
  FROM p_result r JOIN p_result f ON f.label = r.label AND f.precision = 'fp32' WHERE r.precision = 'bf16';
RESET textcls.precision;

-- auto takes int8 once a comparison allows it: enough rows, by the owner
CREATE TABLE p_rows AS
  SELECT 'win a prize, number ' || i AS body, (textcls.predict('win a prize, number ' || i, 'p_three')).label AS label
  FROM generate_series(1, 120) i;
SELECT rows, agreement >= 0.9 AS agrees, accuracy_change FROM textcls.measure_precision('p_three', 'p_rows', 'body');
SELECT rows, abs(accuracy_change) < 0.1 AS near FROM textcls.measure_precision('p_three', 'p_rows', 'body', 'label');
SELECT int8_rows, int8_agreement > 0.9 AS agrees FROM textcls.model_versions WHERE model = 'p_three';
SELECT textcls.set_precision('p_three', 'auto');
UPDATE textcls.model_version SET int8_agreement = 0.995, int8_accuracy_change = -0.003 WHERE model = 'p_three';
SELECT * FROM pg_temp.kernel();
UPDATE textcls.model_version SET int8_agreement = 0.99 WHERE model = 'p_three';
SELECT * FROM pg_temp.kernel();
UPDATE textcls.model_version SET int8_agreement = 1, int8_rows = 99 WHERE model = 'p_three';
SELECT * FROM pg_temp.kernel();
UPDATE textcls.model_version SET int8_accuracy_change = -0.004, int8_rows = 1000 WHERE model = 'p_three';
SELECT * FROM pg_temp.kernel();
SELECT textcls.measure_precision('p_three', 'p_rows', 'nothing');
SELECT textcls.measure_precision('p_three', NULL);
CREATE TABLE p_empty (body text);
SELECT textcls.measure_precision('p_three', 'p_empty');
GRANT SELECT ON p_rows TO regress_textcls_precision;
SELECT textcls.grant_model('p_three', 'regress_textcls_precision');
SET ROLE regress_textcls_precision;
SELECT textcls.measure_precision('p_three', 'p_rows', 'body');
RESET ROLE;
DROP TABLE p_rows, p_empty;

-- the files of two precisions lie beside each other
SELECT precision, kernel FROM textcls.prepared WHERE model = 'p_three' AND kernel LIKE '%plain%' ORDER BY 1;

RESET textcls.max_isa;
SELECT textcls.drop_model('p_three');
DROP ROLE regress_textcls_precision;
