# A streaming standby answers like its primary, follows a deployment and refuses to train.
use strict;
use warnings;
use lib 'test/t/lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;

my $models  = fixture('.');
my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', qq{
	CREATE EXTENSION textcls;
	SELECT textcls.import_model('m', '$models/bert_f32');
	CREATE TABLE texts AS SELECT i AS id, (ARRAY['zebra ', 'win a prize ', 'cafe '])[i % 3 + 1] || i AS body, 'x' AS label
		FROM generate_series(1, 300) i;
});

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my $answers = q{SELECT md5(string_agg(concat_ws(' ', textcls.classify(body, 'm'), p, textcls.embed(body, 'm')), ',' ORDER BY id))
	FROM texts, textcls.predict(body, 'm', top_k => NULL) p};
my $version = q{SELECT DISTINCT model_version FROM textcls.predict('zebra', 'm')};

# SQLSTATE of a statement that must fail.
sub state_of
{
	my ($node, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$sql");
	return $err =~ /ERROR:\s+(\w{5})/ ? $1 : "none: $out$err";
}

$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $answers), $primary->safe_psql('postgres', $answers), 'labels, scores and embeddings are equal');
is($standby->safe_psql('postgres', q{SELECT count(*) > 2 FROM textcls.tokenize('zebra', 'm')}), 't', 'tokenize works');

# one session on the standby, open all the time
my $session = $standby->background_psql('postgres');

my $first = $session->query_safe($version);
$primary->safe_psql('postgres', qq{SELECT textcls.import_model('m', '$models/distilbert')});
$primary->wait_for_catchup($standby);
my $second = $session->query_safe($version);
isnt($second, $first, 'an open session sees the deployment');
is($standby->safe_psql('postgres', q{SELECT textcls.classify('zebra', 'm')}), 'POSITIVE', 'a new session sees it too');
is($standby->safe_psql('postgres', $answers), $primary->safe_psql('postgres', $answers), 'the new version answers equally');

$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($session->query_safe($version), $second, 'a snapshot is taken');
$primary->safe_psql('postgres', q{SELECT textcls.rollback('m')});
$primary->wait_for_catchup($standby);
is($session->query_safe($version), $second, 'REPEATABLE READ keeps its version');
$session->query_safe('COMMIT');
is($session->query_safe($version), $first, 'rollback() is seen after it');
$session->quit;

for my $statement (
	q{SELECT textcls.finetune('texts', 'label')},
	q{SELECT textcls.finetune('texts', 'label', wait => true)},
	qq{SELECT textcls.import_model('n', '$models/distilbert')},
	q{SELECT textcls.deploy('m', 2)},
	q{SELECT textcls.rollback('m')},
	q{SELECT textcls.drop_model('m')})
{
	is(state_of($standby, $statement), '25006', "refused on a standby: $statement");
}

$standby->promote;
is($standby->safe_psql('postgres', q{SELECT textcls.deploy('m', 2); SELECT textcls.classify('zebra', 'm')}) =~ /POSITIVE/, 1,
	'a promoted standby deploys');

check_server_log($_) for $primary, $standby;

$standby->stop;
$primary->stop;
done_testing();
