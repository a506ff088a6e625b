# Databases of other encodings: the same tokens and labels for the same characters,
# and a clear error for bytes that stand for none.
use strict;
use warnings;
use lib 'test/t/lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;

my $models = fixture('.');
my $node   = PostgreSQL::Test::Cluster->new('encodings');
$node->init;
$node->start;

sub database { return 'd_' . lc $_[0] }

for my $encoding (qw(UTF8 LATIN1 WIN1252 EUC_JP SQL_ASCII))
{
	$node->safe_psql('postgres', qq{CREATE DATABASE ${\database($encoding)} ENCODING '$encoding' LOCALE 'C' TEMPLATE template0});
	$node->safe_psql(database($encoding), qq{
		CREATE EXTENSION textcls;
		SELECT textcls.import_model('m', '$models/bert_f32');
		CREATE TABLE texts (id int, label text, body text);
	});
}

# Characters are given and answered in UTF-8, except where the database knows none.
sub answer
{
	my ($encoding, $sql) = @_;
	my $client = $encoding eq 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
	return $node->safe_psql(database($encoding), "SET client_encoding = '$client'; $sql");
}

sub failure
{
	my ($encoding, $sql) = @_;
	my ($status, $out, $err) = $node->psql(database($encoding), "\\set VERBOSITY verbose\n$sql");
	return $err;
}

# what the text is about, and the encodings that have its characters
my @texts = (
	[ 'win a prize now', qw(LATIN1 WIN1252 EUC_JP SQL_ASCII) ],
	[ "caf\xc3\xa9 na\xc3\xafve \xc3\x9cBRIG", qw(LATIN1 WIN1252 EUC_JP SQL_ASCII) ],
	[ "the \xe4\xb8\xad cat",          qw(EUC_JP SQL_ASCII) ],
	[ "\xe2\x82\xac prize",            qw(WIN1252 SQL_ASCII) ]);

for my $text (@texts)
{
	my ($body, @encodings) = @$text;
	my $tokens = qq{SELECT string_agg(concat_ws(' ', token, id), ',') FROM textcls.tokenize('$body', 'm')};
	my $scores = qq{SELECT rank, score, label = (SELECT textcls.classify('$body', 'm')) FROM textcls.predict('$body', 'm', NULL)};

	for my $encoding (@encodings)
	{
		is(answer($encoding, $tokens), answer('UTF8', $tokens), "$encoding: tokens of '$body'");
		is(answer($encoding, $scores), answer('UTF8', $scores), "$encoding: scores of '$body'");
	}
}

# places count characters, not bytes
for my $encoding (qw(UTF8 LATIN1 EUC_JP))
{
	is(answer($encoding, qq{SELECT substr(body, char_start + 1, char_end - char_start)
			FROM (VALUES ('\xc3\xbc cat')) t (body), textcls.tokenize(body, 'm') WHERE token = 'cat'}),
		'cat', "$encoding: places are those of characters");
}

# a label with a character beyond ASCII
for my $encoding (qw(LATIN1 WIN1252 EUC_JP SQL_ASCII))
{
	my $labels = q{SELECT label FROM textcls.predict('zebra', 'm', NULL) ORDER BY rank};
	is(answer($encoding, $labels), answer('UTF8', $labels), "$encoding: labels");
}

# SQL_ASCII stores any bytes
like(failure('SQL_ASCII', q{SELECT textcls.classify(E'prize \xff', 'm')}), qr/ERROR:  22021: .*0xff/, 'SQL_ASCII: a byte that is no character');
like(failure('SQL_ASCII', q{SELECT textcls.classify(ARRAY['prize', E'\xc3'], 'm')}), qr/ERROR:  22021: /, 'SQL_ASCII: half a character');
like(failure('SQL_ASCII', q{SELECT * FROM textcls.tokenize(E'\xed\xa0\x80', 'm')}), qr/ERROR:  22021: /, 'SQL_ASCII: a surrogate');
# EUC_JP has code points that Unicode lacks
like(failure('EUC_JP', q{SELECT textcls.classify(convert_from('\xaefe', 'EUC_JP'), 'm')}), qr/ERROR:  22P05: .*no equivalent/, 'EUC_JP: a character without equivalent');

# in batches, too, the error comes at its row: how many were there before
for my $bad ([ 'SQL_ASCII', q{E'prize \xff'} ], [ 'EUC_JP', q{convert_from('\xaefe', 'EUC_JP')} ])
{
	my ($encoding, $body) = @$bad;
	my $error = failure($encoding, qq{
		CREATE TABLE batch AS SELECT i AS id, CASE WHEN i = 41 THEN $body ELSE 'prize ' || i END AS body FROM generate_series(1, 100) i;
		DO \$\$
		DECLARE
			c CURSOR FOR SELECT textcls.classify(body, 'm') FROM batch ORDER BY id;
			r record;
		BEGIN
			OPEN c;
			FOR i IN 1 .. 100 LOOP
				RAISE NOTICE 'row %', i;
				FETCH c INTO r;
			END LOOP;
		END \$\$});
	like($error, qr/row 41\n.*ERROR:  22\w\w\w: /s, "$encoding: the error of a batch comes at its row");
	unlike($error, qr/row 42/, '... and ends the query');
}
like(answer($_, qq{CREATE TABLE cafe AS SELECT 'caf\xc3\xa9 ' || i AS body FROM generate_series(1, 100) i;
		EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT textcls.classify(body, 'm') FROM cafe}),
	qr/Texts: 99/, "$_: texts of this encoding are batched") for qw(LATIN1 WIN1252 EUC_JP SQL_ASCII);

# one bad row does not stop the others where a warning is enough
is(answer('SQL_ASCII', q{
	CREATE TRIGGER tag BEFORE INSERT ON texts FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'label', 'm');
	SET textcls.tag_on_error = 'warn';
	INSERT INTO texts (id, body) VALUES (1, 'prize'), (2, E'\xff'), (3, 'prize');
	SELECT string_agg(concat(id, label IS NULL), ' ' ORDER BY id) FROM texts}),
	'1f 2t 3f', 'SQL_ASCII: tag() warns of a bad row and keeps it');

check_server_log($node);
$node->stop;
done_testing();
