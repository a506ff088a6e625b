# 24 sessions that use one model: each adds little memory of its own, the weights are there once.
# With the directory of all-MiniLM-L6-v2 in TEXTCLS_MINILM, else with a tiny model.
use strict;
use warnings;
use lib 'test/t/lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;

plan skip_all => 'no /proc/self/smaps_rollup' unless -r '/proc/self/smaps_rollup';

my $sessions    = 24;
my $model       = $ENV{TEXTCLS_MINILM} ? $ENV{TEXTCLS_MINILM} : fixture('distilbert');
my $weights_kb  = (-s "$model/model.safetensors") / 1024;
my $private_max = 8 * 1024;    # kB that use may add to a session

my $node = PostgreSQL::Test::Cluster->new('memory');
$node->init;
# the buffers that a session touches are no memory of its own, and must not blur the figures
$node->append_conf('postgresql.conf', "shared_buffers = 16MB\n");
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION textcls;
	SELECT textcls.import_model('minilm', '$model');
});

# kB of a field in a file of /proc
sub field
{
	my ($file, $name) = @_;
	my ($value) = slurp_file($file) =~ /^$name:\s+(\d+) kB/m;
	return $value;
}

# kB that no other process shares; the file of weights is the system's to keep or to drop, whoever has mapped it
sub private
{
	my ($pid) = @_;
	my ($kb, $is_file) = (0, 0);

	for (split /\n/, slurp_file("/proc/$pid/smaps"))
	{
		$is_file = /pgsql_tmp_textcls/ if /^[0-9a-f]+-[0-9a-f]+ /;
		$kb += $1 if !$is_file && /^Private_(?:Clean|Dirty):\s+(\d+) kB/;
	}
	return $kb;
}

my @open;
for my $i (1 .. $sessions)
{
	my $session = { psql => $node->background_psql('postgres') };
	$session->{pid} = $session->{psql}->query_safe('SELECT pg_backend_pid()');
	push @open, $session;
}
$_->{fresh} = private($_->{pid}) for @open;

# A text as long as the model reads, three times, so that what leaks would show.
for my $session (@open)
{
	is($session->{psql}->query_safe(q{SELECT count(textcls.embed(repeat('word ', 600) || i, 'minilm')) FROM generate_series(1, 3) i}), 3,
		"session $session->{pid} embeds");
}

my ($most, $pss_sum) = (0, 0);
for my $session (@open)
{
	my $added = private($session->{pid}) - $session->{fresh};
	my $pss   = field("/proc/$session->{pid}/smaps_rollup", 'Pss');
	note "session $session->{pid}: $session->{fresh} + $added kB private, Pss $pss kB";
	$most = $added if $added > $most;
	$pss_sum += $pss;
}
diag sprintf('%d sessions with weights of %.1f MB: use adds at most %.1f MB private each, Pss of all together %.1f MB',
	$sessions, $weights_kb / 1024, $most / 1024, $pss_sum / 1024);
cmp_ok($most, '<=', $private_max, 'use adds at most 8 MB of private memory to a session');
cmp_ok($pss_sum, '<=', $weights_kb * 1.1 + $sessions * 2 * $private_max, 'the weights are in memory once');

# Once a session has its buffers, many calls in one query leave nothing behind.
my $session = $open[0];
$session->{psql}->query_safe(q{SELECT count(textcls.embed('word ' || i, 'minilm')) FROM generate_series(1, 2000) i});
my $before = field("/proc/$session->{pid}/status", 'RssAnon');
$session->{psql}->query_safe(q{SELECT count(textcls.embed('word ' || i, 'minilm')) FROM generate_series(1, 2000) i});
my $grown = field("/proc/$session->{pid}/status", 'RssAnon') - $before;
cmp_ok($grown, '<', 1024, "2000 calls more grow a session by less than 1 MB ($grown kB)");

$_->{psql}->quit for @open;
check_server_log($node);
$node->stop;
done_testing();
