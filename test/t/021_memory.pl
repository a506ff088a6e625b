# Ten sessions that use one model: each needs little memory of its own, the weights
# are there once.  Needs the directory of all-MiniLM-L6-v2 in TEXTCLS_MINILM.
use strict;
use warnings;
use lib 'test/t/lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;

plan skip_all => 'TEXTCLS_MINILM is not set' unless defined $ENV{TEXTCLS_MINILM};
plan skip_all => 'no /proc/self/smaps_rollup' unless -r '/proc/self/smaps_rollup';

my $sessions    = 10;
my $weights_kb  = (-s "$ENV{TEXTCLS_MINILM}/model.safetensors") / 1024;
my $private_max = 32 * 1024;    # kB of one session

my $node = PostgreSQL::Test::Cluster->new('memory');
$node->init;
# the buffers that a session touches are no memory of its own, and must not blur the figures
# nor is what LLVM takes once the estimated cost of a query makes the server compile it
$node->append_conf('postgresql.conf', "shared_buffers = 16MB\njit = off\n");
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION textcls;
	SELECT textcls.import_model('minilm', '$ENV{TEXTCLS_MINILM}');
});

# kB of a field in a file of /proc
sub field
{
	my ($file, $name) = @_;
	my ($value) = slurp_file($file) =~ /^$name:\s+(\d+) kB/m;
	return $value;
}

my @open;
for my $i (1 .. $sessions)
{
	my $session = { psql => $node->background_psql('postgres') };
	$session->{pid} = $session->{psql}->query_safe('SELECT pg_backend_pid()');
	push @open, $session;
}

# A text of 128 tokens, ten times, so that what leaks would show.
for my $session (@open)
{
	$session->{fresh} = field("/proc/$session->{pid}/status", 'RssAnon');
	is($session->{psql}->query_safe(q{SELECT count(textcls.embed(repeat('word ', 126) || i, 'minilm')) FROM generate_series(1, 10) i}), 10,
		"session $session->{pid} embeds");
}

my ($most, $pss_sum) = (0, 0);
for my $session (@open)
{
	my $anonymous = field("/proc/$session->{pid}/status", 'RssAnon');
	my $pss       = field("/proc/$session->{pid}/smaps_rollup", 'Pss');
	note "session $session->{pid}: RssAnon $session->{fresh} -> $anonymous kB, Pss $pss kB";
	$most = $anonymous if $anonymous > $most;
	$pss_sum += $pss;
}
diag sprintf('%d sessions with weights of %.1f MB: at most %.1f MB private each, Pss of all together %.1f MB',
	$sessions, $weights_kb / 1024, $most / 1024, $pss_sum / 1024);
cmp_ok($most, '<=', $private_max, 'private memory of each session is at most 32 MB');
cmp_ok($pss_sum, '<=', $weights_kb * 1.1 + $sessions * $private_max, 'the weights are in memory once');

# Use in one query and over many calls leaves nothing behind.
my $session = $open[0];
$session->{psql}->query_safe(q{SELECT count(textcls.embed('word ' || i, 'minilm')) FROM generate_series(1, 200) i});
my $before = field("/proc/$session->{pid}/status", 'RssAnon');
$session->{psql}->query_safe(q{SELECT count(textcls.embed('word ' || i, 'minilm')) FROM generate_series(1, 2000) i});
my $grown = field("/proc/$session->{pid}/status", 'RssAnon') - $before;
cmp_ok($grown, '<', 1024, "2000 calls in one query grow a session by less than 1 MB ($grown kB)");

$_->{psql}->quit for @open;
check_server_log($node);
$node->stop;
done_testing();
