-- privileges: who may create, use, change and drop models
\getenv abs_srcdir PG_ABS_SRCDIR
\set models :abs_srcdir '/data/models'
SELECT :'models' || '/distilbert' AS distilbert, :'models' || '/sentence' AS sentence \gset
CREATE ROLE regress_textcls_alice;
CREATE ROLE regress_textcls_bob;
CREATE ROLE regress_textcls_team;
GRANT regress_textcls_team TO regress_textcls_bob;

-- a role without rights: the tables are closed, models are not its own to make
SET ROLE regress_textcls_alice;
SELECT * FROM textcls.model;
INSERT INTO textcls.model VALUES ('x', 'encoder');
SELECT textcls.import_model('pets', '{}', '{}', ''::bytea);
SELECT textcls.import_model('pets', :'distilbert');
SELECT * FROM textcls.models;
SELECT textcls.classify('hello');
SELECT textcls.drop_all_models();
SELECT * FROM textcls.verify();
SELECT * FROM textcls.repair();
RESET ROLE;

-- CREATE on the schema lets it make models; files take a role of their own
GRANT CREATE ON SCHEMA textcls TO regress_textcls_alice, regress_textcls_bob;
SET ROLE regress_textcls_alice;
SELECT textcls.import_model('pets', :'distilbert');
RESET ROLE;
GRANT pg_read_server_files TO regress_textcls_alice, regress_textcls_bob;
SET ROLE regress_textcls_alice;
SELECT textcls.import_model('pets', :'distilbert') > 0 AS imported;
SELECT name, owner, versions FROM textcls.models;
SELECT textcls.export_model('pets', '/tmp/no/such');
SELECT textcls.classify('the cat sat on the mat') IS NOT NULL AS labelled;

-- another role: does not see it, may not use, change, give or drop it
SET ROLE regress_textcls_bob;
SELECT * FROM textcls.models;
SELECT * FROM textcls.model_versions;
SELECT textcls.classify('hello', 'pets');
SELECT textcls.embed('hello', 'pets');
SELECT * FROM textcls.predict('hello', 'pets');
SELECT * FROM textcls.tokenize('hello', 'pets');
SELECT count(*) FROM textcls.model_files('pets');
SELECT textcls.import_model('pets', :'distilbert');
SELECT textcls.deploy('pets', 1);
SELECT textcls.rollback('pets');
SELECT textcls.drop_model('pets');
SELECT textcls.grant_model('pets', 'regress_textcls_bob');
SELECT textcls.revoke_model('pets', 'regress_textcls_alice');

-- granted to a role that it is a member of: it may use and download, nothing else
SET ROLE regress_textcls_alice;
SELECT textcls.grant_model('pets', 'regress_textcls_team');
SET ROLE regress_textcls_bob;
SELECT name, owner FROM textcls.models;
SELECT textcls.classify('hello', 'pets') IS NOT NULL AS labelled;
SELECT count(*) > 1 AS files FROM textcls.model_files('pets');
SELECT textcls.drop_model('pets');
SELECT textcls.deploy('pets', 1);

-- a new version has the privileges of the last one, also when an administrator makes it
SET ROLE regress_textcls_alice;
SELECT textcls.import_model('pets', :'distilbert') > 0 AS imported;
SET ROLE regress_textcls_bob;
SELECT version, is_deployed FROM textcls.model_versions ORDER BY 1;
SELECT textcls.classify('hello', 'pets') IS NOT NULL AS labelled;
RESET ROLE;
SELECT textcls.import_model('pets', :'distilbert') > 0 AS imported;
SELECT DISTINCT o.lomowner::regrole, o.lomacl::text FROM textcls.model_versions v
  JOIN pg_largeobject_metadata o ON o.oid = v.weights;
SET ROLE regress_textcls_bob;
SELECT textcls.classify('hello', 'pets') IS NOT NULL AS labelled;

-- taken back: at once, in a session that has the model in memory too
SET ROLE regress_textcls_alice;
SELECT textcls.revoke_model('pets', 'regress_textcls_team');
SET ROLE regress_textcls_bob;
SELECT textcls.classify('hello', 'pets');
SELECT * FROM textcls.models;

-- PUBLIC is '-'
SET ROLE regress_textcls_alice;
SELECT textcls.grant_model('pets', '-');
SET ROLE regress_textcls_bob;
SELECT textcls.classify('hello') IS NOT NULL AS labelled;
SET ROLE regress_textcls_alice;
SELECT textcls.revoke_model('pets', '-');

-- a function with its owner's rights lends them
RESET ROLE;
CREATE FUNCTION is_pet(text) RETURNS bool LANGUAGE sql SECURITY DEFINER
  AS $$ SELECT textcls.classify($1, 'pets') IS NOT NULL $$;
ALTER FUNCTION is_pet(text) OWNER TO regress_textcls_alice;
SET ROLE regress_textcls_bob;
SELECT is_pet('hello');
SELECT textcls.classify('hello', 'pets');
RESET ROLE;
DROP FUNCTION is_pet(text);

-- names do not reach into SQL; search_path and objects of the caller's do not reach into the catalog
SET ROLE regress_textcls_alice;
SELECT textcls.import_model($$a"; DROP TABLE textcls.job; --'$$, :'sentence') > 0 AS imported;
SELECT textcls.drop_model($$a"; DROP TABLE textcls.job; --'$$);
RESET ROLE;
CREATE SCHEMA regress_textcls_trap AUTHORIZATION regress_textcls_alice;
SET ROLE regress_textcls_alice;
CREATE FUNCTION regress_textcls_trap.trap(int, int) RETURNS int LANGUAGE plpgsql
  AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE OPERATOR regress_textcls_trap.+ (leftarg = int, rightarg = int, function = regress_textcls_trap.trap);
SET search_path = regress_textcls_trap, pg_catalog;
SELECT textcls.import_model('pets', :'distilbert') OPERATOR(pg_catalog.>) 0 AS imported;
SELECT textcls.deploy('pets', 1);
SELECT current_user, pg_catalog.current_setting('search_path');
RESET search_path;

-- the owner may drop it
SELECT textcls.drop_model('pets');
RESET ROLE;
DROP SCHEMA regress_textcls_trap CASCADE;
REVOKE ALL ON SCHEMA textcls FROM regress_textcls_alice, regress_textcls_bob;
DROP OWNED BY regress_textcls_alice, regress_textcls_bob;
DROP ROLE regress_textcls_alice, regress_textcls_bob, regress_textcls_team;
