-- tokenize(): tokens, ids and places in the text
\getenv inputs PG_ABS_SRCDIR
\set models :inputs '/data/models/'
SELECT textcls.import_model('tokens', :'models' || 'bert_f32') > 0 AS imported;

-- special tokens have no place; accents fall away, so a token differs from the characters it stands for
SELECT * FROM textcls.tokenize('The zebra naïve, 中 ☃', 'tokens');
SELECT token, substr('The zebra naïve, 中 ☃', char_start + 1, char_end - char_start) AS characters
FROM textcls.tokenize('The zebra naïve, 中 ☃', 'tokens') WHERE char_end > 0;

-- nothing between the special tokens, and nothing at all
SELECT * FROM textcls.tokenize('', 'tokens');
SELECT * FROM textcls.tokenize(E' \t\n', 'tokens');
SELECT * FROM textcls.tokenize(NULL, 'tokens');

-- all tokens, also those that are cut off when the model reads the text
SELECT count(*) FROM textcls.tokenize(repeat('cat ', 1000), 'tokens');

-- only the beginning of a text is looked at
SET textcls.max_text = '1kB';
SELECT count(*) FROM textcls.tokenize(repeat('cat ', 1000), 'tokens');
-- cut between characters: 341 of three bytes
SELECT count(*) FROM textcls.tokenize(repeat('中', 1000), 'tokens') WHERE token = '中';
RESET textcls.max_text;

-- any place where a set is allowed
SELECT (textcls.tokenize('the cat', 'tokens')).token;
SELECT t.body, count(*) FROM (VALUES ('the cat'), ('sat'), (NULL)) t (body), textcls.tokenize(t.body, 'tokens') GROUP BY 1 ORDER BY 1;

-- an encoder has a tokenizer as well
SELECT textcls.import_model('tokens_encoder', :'models' || 'sentence') > 0 AS imported;
SELECT array_agg(token) FROM textcls.tokenize('the mat', 'tokens_encoder');

SELECT * FROM textcls.tokenize('a', 'no such model');

SELECT textcls.drop_model('tokens'), textcls.drop_model('tokens_encoder');
