-- models: import, views, versions, deploy, rollback, export, drop, verify, repair
\getenv abs_srcdir PG_ABS_SRCDIR
\set models :abs_srcdir '/data/models'
\set VERBOSITY default
SELECT :'models' || '/distilbert' AS distilbert, :'models' || '/bert_sharded' AS sharded,
       :'models' || '/sentence' AS sentence, :'models' || '/bert_old' AS bert_old,
       :'models' || '/bert_mlm' AS bert_mlm \gset

SELECT textcls.import_model('animals', :'distilbert') > 0 AS imported;
SELECT name, purpose, deployed_version, previous_version, versions, owner = current_user::regrole AS mine
  FROM textcls.models;
SELECT model, version, purpose, is_deployed, base_model, architecture, labels, octet_length(sha256)
  FROM textcls.model_versions;

-- the weights are a valid safetensors file in a large object of the caller's
SELECT get_byte(lo_get(weights, 0, 9), 8) = ascii('{') AS header, l.lomowner = current_user::regrole AS mine,
       sha256 = sha256(lo_get(weights)) AS digest, obj_description(weights, 'pg_largeobject') AS comment
  FROM textcls.model_versions v JOIN pg_largeobject_metadata l ON l.oid = v.weights;

-- a second version is deployed unless told otherwise; numbers go on
SELECT textcls.import_model('animals', :'sharded', deploy => 'never') > 0 AS imported;
SELECT version, is_deployed FROM textcls.model_versions WHERE model = 'animals' ORDER BY 1;
SELECT textcls.deploy('animals', 2);
SELECT deployed_version, previous_version FROM textcls.models WHERE name = 'animals';
SELECT textcls.rollback('animals');
SELECT deployed_version, previous_version FROM textcls.models WHERE name = 'animals';
SELECT textcls.rollback('animals');
SELECT textcls.deploy('animals', 2);
SELECT deployed_version, previous_version FROM textcls.models WHERE name = 'animals';
SELECT textcls.deploy('animals', 3);
SELECT textcls.deploy('plants', 1);
SELECT textcls.import_model('animals', :'distilbert', deploy => 'sometimes');

-- deploying is transactional
BEGIN;
SELECT textcls.deploy('animals', 1);
ROLLBACK;
SELECT deployed_version FROM textcls.models WHERE name = 'animals';
BEGIN;
SELECT textcls.import_model('gone', :'distilbert') > 0 AS imported;
ROLLBACK;
SELECT count(*) FROM textcls.models WHERE name = 'gone';
SELECT count(*) FROM pg_largeobject_metadata WHERE obj_description(oid, 'pg_largeobject') LIKE '%gone%';

-- an encoder; it cannot become a version of a classifier
SELECT textcls.import_model('reader', :'sentence') > 0 AS imported;
SELECT name, purpose FROM textcls.models ORDER BY 1;
SELECT textcls.import_model('animals', :'sentence');
SELECT model, version, labels FROM textcls.model_versions WHERE model = 'reader';

-- only one classifier: no name is needed; of two: one is
SELECT textcls.classify('the cat sat on the mat') IS NOT NULL AS labelled;
SELECT textcls.import_model('old', :'bert_old') > 0 AS imported;
SELECT textcls.classify('the cat sat on the mat');
SET textcls.default_model = 'animals';
SELECT textcls.classify('the cat sat on the mat') IS NOT NULL AS labelled;
RESET textcls.default_model;

-- bad arguments
SELECT textcls.import_model('', :'distilbert');
SELECT textcls.import_model(repeat('x', 256), :'distilbert');
SELECT textcls.import_model(NULL, :'distilbert');
SELECT textcls.import_model('x', NULL);
SELECT textcls.import_model('x', 'relative/path');
SELECT textcls.import_model('x', '/no such directory');
SELECT textcls.import_model('x', '{}', '{}', NULL::bytea);
SELECT textcls.import_model('x', '{}', '{}', ''::bytea);
SELECT textcls.import_model('x', '{}', '{}', '{}'::oid[]);
SELECT textcls.import_model('x', '{}', '{}', '{0}'::oid[]);
SELECT textcls.export_model('animals', '/no such directory/below');
SELECT textcls.export_model('animals', 'relative/path');
SELECT textcls.export_model('animals', current_setting('data_directory') || '/base/x');
SELECT textcls.export_model('animals', '/tmp/x', 0);
SELECT count(*) FROM textcls.model_files('animals', 9);

-- files for clients, and the same model back from bytea and from large objects: equal weights
SELECT name, octet_length(content) > 10 AS filled FROM textcls.model_files('animals', 1);
SELECT convert_from(content, 'UTF8') AS config FROM textcls.model_files('animals', 1) WHERE name = 'config.json' \gset
SELECT convert_from(content, 'UTF8') AS tokenizer FROM textcls.model_files('animals', 1)
  WHERE name = 'tokenizer.json' \gset
SELECT convert_from(content, 'UTF8') AS vocabulary FROM textcls.model_files('animals', 1) WHERE name = 'vocab.txt' \gset
SELECT convert_from(content, 'UTF8') AS tokenizer_config FROM textcls.model_files('animals', 1)
  WHERE name = 'tokenizer_config.json' \gset
SELECT textcls.import_model('from_bytes', :'config', :'tokenizer',
         (SELECT content FROM textcls.model_files('animals', 1) WHERE name = 'model.safetensors')) > 0 AS imported;
SELECT lo_from_bytea(0, content) AS copy FROM textcls.model_files('animals', 1)
  WHERE name = 'model.safetensors' \gset
SELECT textcls.import_model('from_objects', :'config', :'vocabulary', ARRAY[:copy]::oid[], :'tokenizer_config') > 0
  AS imported;
SELECT count(DISTINCT sha256) AS digests, count(DISTINCT weights) AS objects
  FROM textcls.model_versions WHERE (model, version) IN (('animals', 1), ('from_bytes', 1), ('from_objects', 1));
SELECT count(DISTINCT textcls.classify('win a prize now', model)) AS answers
  FROM (VALUES ('from_bytes'), ('from_objects')) m (model);
SELECT lo_unlink(:copy);

-- a changed object is found when it is next prepared, and by verify
SELECT textcls.import_model('spoilt', :'bert_old') > 0 AS imported;
SELECT weights AS spoilt FROM textcls.model_versions WHERE model = 'spoilt' \gset
SELECT textcls.import_model('hollow', :'bert_mlm') > 0 AS imported;
SELECT weights AS hollow FROM textcls.model_versions WHERE model = 'hollow' \gset
SELECT lo_put(:spoilt, 5000, '\xff');
SELECT textcls.drop_model('old');
\set VERBOSITY sqlstate
SELECT textcls.classify('win a prize now', 'spoilt');
\set VERBOSITY default
BEGIN;
SELECT lo_open(:hollow, x'60000'::int) AS fd \gset
SELECT lo_truncate(:fd, 2048) = 0 AS cut, lo_lseek(:fd, 100000, 0) > 0 AS moved;
SELECT lowrite(:fd, '\x00') = 1 AS written;
COMMIT;
\set VERBOSITY sqlstate
SELECT textcls.embed('win a prize now', 'hollow');
\set VERBOSITY default

-- missing weights, an object that belongs to nothing, and what was wrong above
SELECT weights AS lost FROM textcls.model_versions WHERE (model, version) = ('animals', 2) \gset
SELECT lo_unlink(:lost);
BEGIN;
SELECT lo_from_bytea(0, 'stray') AS stray \gset
COMMENT ON LARGE OBJECT :stray IS 'textcls: model "lost" version 7';
COMMIT;
\set VERBOSITY sqlstate
SELECT textcls.classify('win a prize now', 'animals');
\set VERBOSITY default
SELECT model, version, problem FROM textcls.verify();
SELECT model, version, action FROM textcls.repair();
SELECT * FROM textcls.verify();
SELECT * FROM textcls.repair();
SELECT name, deployed_version, versions FROM textcls.models ORDER BY 1;

-- dropping: a version, the deployed one, the model; objects go with them
SELECT textcls.import_model('animals', :'distilbert') > 0 AS imported;
SELECT deployed_version, previous_version FROM textcls.models WHERE name = 'animals';
SELECT textcls.drop_model('animals', 3);
SELECT textcls.drop_model('animals', 1);
SELECT textcls.drop_model('animals', 1);
SELECT deployed_version, previous_version, versions FROM textcls.models WHERE name = 'animals';
SELECT textcls.rollback('animals');
SELECT textcls.drop_model('animals');
SELECT textcls.drop_model('animals');
SELECT textcls.drop_model(NULL);

-- a read-only transaction
BEGIN READ ONLY;
SELECT textcls.import_model('animals', :'distilbert');
ROLLBACK;
BEGIN READ ONLY;
SELECT textcls.deploy('reader', 1);
ROLLBACK;

-- everything, before DROP EXTENSION
SELECT textcls.drop_all_models();
SELECT count(*) FROM textcls.models;
SELECT count(*) FROM pg_largeobject_metadata;
