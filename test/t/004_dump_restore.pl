# Models survive a dump: whole, they answer the same; without large objects, the errors
# say so, and verify() and repair() find what is left.
use strict;
use warnings;
use lib 'test/t/lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;

my $texts = join ', ', map { "('$_')" } 'the cat sat on the mat', 'win a prize now', 'meeting moved to noon',
  'Zebra', 'a b c d e f g', 'the the the the';
# Every bit of the scores, which texts computed together may change.
my $answers = "SET textcls.batch = off; SELECT t, model, label, encode(float4send(score), 'hex'), encode(float4send(margin), 'hex')"
  . " FROM (VALUES $texts) x (t), unnest(ARRAY['animals', 'news']) model,"
  . ' LATERAL textcls.predict(t, model, top_k => 3) ORDER BY t, model, rank';

my $node = PostgreSQL::Test::Cluster->new('dumped');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE reader; CREATE EXTENSION textcls');
$node->safe_psql('postgres', "SELECT textcls.import_model('animals', '" . fixture('distilbert') . "')");
$node->safe_psql('postgres', "SELECT textcls.import_model('news', '" . fixture('bert_sharded') . "')") for 1 .. 2;
$node->safe_psql('postgres', "SELECT textcls.deploy('news', 1), textcls.grant_model('news', 'reader')");
my $expected = $node->safe_psql('postgres', $answers);
my $catalog  = 'SELECT model, version, is_deployed, weights, sha256 FROM textcls.model_versions ORDER BY 1, 2';
my $versions = $node->safe_psql('postgres', $catalog);

# Exported and read back: the same bits.
my $export = PostgreSQL::Test::Utils::tempdir() . '/news';
is($node->safe_psql('postgres', "SELECT textcls.export_model('news', '$export')"), '6', 'six files are exported');
$node->safe_psql('postgres', "SELECT textcls.import_model('again', '$export')");
is( $node->safe_psql('postgres',
		"SELECT count(DISTINCT sha256) FROM textcls.model_versions WHERE model IN ('news', 'again')"),
	'1', 'an exported directory gives the same weights');
is( $node->safe_psql('postgres', $answers =~ s/'animals', 'news'/'again'/r),
	join("\n", grep { /\|news\|/ } split /\n/, $expected) =~ s/\|news\|/|again|/gr, 'and the same answers');
my ($rc, $out, $error) = $node->psql('postgres', "SELECT textcls.export_model('news', '$export')");
like($error, qr/already exists/, 'an export replaces nothing');
$node->safe_psql('postgres', "SELECT textcls.drop_model('again')");

# A whole dump.
my $dump = PostgreSQL::Test::Utils::tempdir() . '/whole';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init;
$restored->start;
$restored->safe_psql('postgres', 'CREATE ROLE reader');
$restored->command_ok([ 'pg_restore', '-e', '-d', $restored->connstr('postgres'), $dump ], 'pg_restore');
is($restored->safe_psql('postgres', $catalog), $versions, 'versions and their objects are restored');
is($restored->safe_psql('postgres', $answers), $expected, 'the answers are equal to the last bit');
is($restored->safe_psql('postgres', 'SELECT * FROM textcls.verify()'), '', 'verify() finds nothing');
is($restored->safe_psql('postgres', "SET ROLE reader; SELECT textcls.classify('Zebra') IS NOT NULL"), 't',
	'privileges are restored');
is( $restored->safe_psql('postgres', "SELECT textcls.import_model('news', '" . fixture('bert_sharded') . "') > 3"),
	't', 'a new version gets a new id');
$restored->command_like([ 'vacuumlo', '-v', '-n', 'postgres' ],
	qr/Would remove 0 large objects/, 'vacuumlo spares the weights');

# Dumps without large objects.
sub restore_partly
{
	my ($database, @options) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$database";

	$node->command_ok([ 'pg_dump', '-Fc', @options, '-f', $file, '-d', $node->connstr('postgres') ], "pg_dump @options");
	$restored->safe_psql('postgres', "CREATE DATABASE $database");
	$restored->command_ok([ 'pg_restore', '-d', $restored->connstr($database), $file ], "pg_restore of it");
}

restore_partly('no_blobs', '--no-blobs');
($rc, $out, $error) = $restored->psql('no_blobs', "SELECT textcls.classify('Zebra', 'news')");
like($error, qr/weights of model "news" version 1 are missing\nDETAIL:  Large object \d+ does not exist/,
	'a model without its weights says so');
like($error, qr/HINT:  .*--blobs/, 'and what to do');
is( $restored->safe_psql('no_blobs', 'SELECT model, version, problem FROM textcls.verify()'),
	"animals|1|weights are missing\nnews|1|weights are missing\nnews|2|weights are missing", 'verify() lists them');
is($restored->safe_psql('no_blobs', "SELECT count(*) FROM textcls.repair() WHERE action = 'model removed'"), '2',
	'repair() removes the models');
is($restored->safe_psql('no_blobs', 'SELECT count(*) FROM textcls.verify()'), '0', 'and nothing is left to repair');
is( $restored->safe_psql('no_blobs', "SELECT textcls.import_model('news', '" . fixture('bert_sharded') . "') > 0"),
	't', 'the name is free again');

restore_partly('structure', '--schema-only');
($rc, $out, $error) = $restored->psql('structure', "SELECT textcls.classify('Zebra', 'news')");
like($error, qr/model "news" does not exist/, 'a dump of the structure has no models');
is($restored->safe_psql('structure', 'SELECT count(*) FROM textcls.verify()'), '0', 'and nothing to repair');

# A dump of the schema has rows and no objects; it goes into a database with the extension.
my $rows = PostgreSQL::Test::Utils::tempdir() . '/rows';
$node->command_ok([ 'pg_dump', '-Fc', '-n', 'textcls', '-f', $rows, '-d', $node->connstr('postgres') ], 'pg_dump -n');
$restored->safe_psql('postgres', 'CREATE DATABASE rows');
$restored->safe_psql('rows', 'CREATE EXTENSION textcls');
$restored->command_ok([ 'pg_restore', '-a', '-d', $restored->connstr('rows'), $rows ], 'pg_restore of it');
($rc, $out, $error) = $restored->psql('rows', "SELECT textcls.classify('Zebra', 'news')");
like($error, qr/weights of model "news" version 1 are missing/, 'its models have no weights');
is($restored->safe_psql('rows', "SELECT count(*) > 0 FROM textcls.repair(); SELECT count(*) FROM textcls.models"),
	"t\n0", 'and are removed by repair()');

# Some objects come back, others do not.
$restored->safe_psql('postgres', 'SELECT lo_unlink(weights) FROM textcls.model_versions'
	. " WHERE is_deployed AND model = 'news'");
is( $restored->safe_psql('postgres', "SELECT version, action FROM textcls.repair() WHERE model = 'news'"),
	"2|deployed\n3|version removed", 'repair() deploys the newest sound version');
is( $restored->safe_psql('postgres', $answers), $expected, 'which answers');

# DROP EXTENSION cannot drop large objects.
my $objects = 'SELECT count(*) FROM pg_largeobject_metadata';
is($restored->safe_psql('postgres', "DROP EXTENSION textcls; $objects"), '3', 'DROP EXTENSION leaves the objects');
$restored->safe_psql('postgres', 'CREATE EXTENSION textcls');
is( $restored->safe_psql('postgres', 'SELECT problem FROM textcls.verify() ORDER BY 1'),
	"belongs to nothing, was model \"animals\" version 1\nbelongs to nothing, was model \"news\" version 1\n"
	  . 'belongs to nothing, was model "news" version 2', 'verify() of a new extension knows them');
is($restored->safe_psql('postgres', "SELECT count(*) FROM textcls.repair(); $objects"), "3\n0", 'repair() unlinks them');

# drop_all_models() before DROP EXTENSION leaves nothing.
is($node->safe_psql('postgres', "SELECT textcls.drop_all_models(); DROP EXTENSION textcls; $objects"), "2\n0",
	'drop_all_models() leaves no object');

$node->stop;
$restored->stop;
check_server_log($_) for $node, $restored;
done_testing();
