-- tag(): a trigger that fills a label column
\getenv inputs PG_ABS_SRCDIR
\set model :inputs '/data/models/bert_f32'
SELECT textcls.import_model('tagger', :'model') > 0 AS imported;

-- a dropped column before, any order, and a column for the label of any type that takes it
CREATE TABLE inbox (gone int, topic varchar(14), id int, body text, short char(20));
ALTER TABLE inbox DROP COLUMN gone;
CREATE TRIGGER tag BEFORE INSERT OR UPDATE OF body ON inbox FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'topic', 'tagger');
INSERT INTO inbox (id, body) VALUES (1, 'Zebra'), (2, 'win a prize now'), (3, NULL), (4, '') RETURNING id, topic;
-- a label that is given is replaced, on update only when the text is
INSERT INTO inbox (id, body, topic) VALUES (5, 'Zebra', 'mine') RETURNING id, topic;
UPDATE inbox SET topic = 'mine' WHERE id <= 2 RETURNING id, topic;
UPDATE inbox SET body = 'win a prize now' WHERE id = 1 RETURNING id, topic;
UPDATE inbox SET body = NULL WHERE id = 2 RETURNING id, topic;
-- a long value that is stored out of line
UPDATE inbox SET body = (SELECT string_agg(md5(i::text), ' ') FROM generate_series(1, 2000) i) WHERE id = 1 RETURNING id, topic IS NOT NULL AS tagged;
DROP TRIGGER tag ON inbox;

-- WHEN; the default model; COPY
SET textcls.default_model = 'tagger';
CREATE TRIGGER tag BEFORE INSERT ON inbox FOR EACH ROW WHEN (NEW.topic IS NULL) EXECUTE FUNCTION textcls.tag('short', 'topic');
INSERT INTO inbox (id, short, topic) VALUES (10, 'Zebra', 'mine'), (11, 'Zebra', NULL) RETURNING id, topic;
COPY inbox (id, short) FROM stdin;
12	win a prize now
\.
SELECT topic FROM inbox WHERE id = 12;
DROP TRIGGER tag ON inbox;
RESET textcls.default_model;
DROP TABLE inbox;

-- partitions whose columns lie in another order
CREATE TABLE parted (id int, body text, topic text) PARTITION BY RANGE (id);
CREATE TABLE part1 (topic text, id int, body text);
ALTER TABLE parted ATTACH PARTITION part1 FOR VALUES FROM (0) TO (10);
CREATE TRIGGER tag BEFORE INSERT ON parted FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'topic', 'tagger');
INSERT INTO parted VALUES (1, 'Zebra') RETURNING *;
DROP TABLE parted;

-- enum, domain, and what does not fit
CREATE TYPE topic AS ENUM ('business', 'other');
CREATE DOMAIN short_label AS text CHECK (length(VALUE) < 10);
CREATE TABLE typed (id int, body text, e topic, d short_label, v varchar(4), n int, made text GENERATED ALWAYS AS (body || '!') STORED);
CREATE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'e', 'tagger');
INSERT INTO typed VALUES (1, 'win a prize now') RETURNING e;
INSERT INTO typed VALUES (1, 'Zebra') RETURNING e;
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'd', 'tagger');
INSERT INTO typed VALUES (2, 'win a prize now') RETURNING d;
INSERT INTO typed VALUES (2, 'Zebra') RETURNING d;
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'v', 'tagger');
INSERT INTO typed VALUES (3, 'win a prize now') RETURNING v;
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'n', 'tagger');
INSERT INTO typed VALUES (4, 'win a prize now') RETURNING n;

-- keep the row and warn
SET textcls.tag_on_error = 'warn';
INSERT INTO typed VALUES (5, 'win a prize now'), (6, NULL), (7, 'Zebra') RETURNING id, n;
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'd', 'no such model');
INSERT INTO typed VALUES (8, 'win a prize now') RETURNING id, d;
-- a timeout is no reason to keep a row
CREATE FUNCTION forever(topic text) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS $$ BEGIN PERFORM pg_sleep(60); RETURN true; END $$;
CREATE DOMAIN slow AS text CHECK (forever(VALUE));
ALTER TABLE typed ADD COLUMN s slow;
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 's', 'tagger');
SET statement_timeout = 300;
INSERT INTO typed VALUES (9, 'win a prize now');
RESET statement_timeout;
RESET textcls.tag_on_error;
SELECT id, e, d FROM typed ORDER BY id;

-- wrong use
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('made', 'd', 'tagger');
INSERT INTO typed VALUES (20, 'a');
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'made', 'tagger');
INSERT INTO typed VALUES (20, 'a');
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('id', 'd', 'tagger');
INSERT INTO typed VALUES (20, 'a');
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'ctid', 'tagger');
INSERT INTO typed VALUES (20, 'a');
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body');
INSERT INTO typed VALUES (20, 'a');
CREATE OR REPLACE TRIGGER tag AFTER INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'd', 'tagger');
INSERT INTO typed VALUES (20, 'a');
CREATE OR REPLACE TRIGGER tag BEFORE INSERT ON typed FOR EACH STATEMENT EXECUTE FUNCTION textcls.tag('body', 'd', 'tagger');
INSERT INTO typed VALUES (20, 'a');
DROP TRIGGER tag ON typed;
CREATE TRIGGER tag BEFORE DELETE ON typed FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'd', 'tagger');
DELETE FROM typed;
SELECT textcls.tag();
DROP TABLE typed;
DROP DOMAIN slow, short_label;
DROP FUNCTION forever(text);
DROP TYPE topic;

-- the model must be usable by the table's owner, whoever writes
CREATE ROLE regress_textcls_owner;
CREATE ROLE regress_textcls_writer;
CREATE TABLE owned (body text, topic text, who text DEFAULT current_user);
ALTER TABLE owned OWNER TO regress_textcls_owner;
GRANT SELECT, INSERT ON owned TO regress_textcls_writer;
CREATE TRIGGER tag BEFORE INSERT ON owned FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'topic', 'tagger');
-- the superuser who inserts could use the model, the owner cannot
INSERT INTO owned VALUES ('Zebra');
SELECT current_user = session_user AS restored;
SELECT textcls.grant_model('tagger', 'regress_textcls_owner');
SET ROLE regress_textcls_writer;
SELECT textcls.classify('Zebra', 'tagger');
INSERT INTO owned VALUES ('Zebra') RETURNING *;
SELECT current_user;
RESET ROLE;
-- a warning gives the user back as well
SELECT textcls.revoke_model('tagger', 'regress_textcls_owner');
SET ROLE regress_textcls_writer;
SET textcls.tag_on_error = 'warn';
INSERT INTO owned VALUES ('Zebra') RETURNING *;
SELECT current_user;
RESET textcls.tag_on_error;
RESET ROLE;
DROP TABLE owned;
DROP ROLE regress_textcls_owner, regress_textcls_writer;

SELECT textcls.drop_model('tagger');
