# Timeouts and cancels end a computation soon, and what follows is right.
use strict;
use warnings;
use lib 'test/t/lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;
use Time::HiRes qw(sleep time);

my $median_max = 0.1;
my $worst_max  = 0.25;
my $models = fixture('.');

my $node = PostgreSQL::Test::Cluster->new('cancel');
$node->init;
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION textcls;
	SELECT textcls.import_model('m', '$models/bert_f32');
	CREATE TABLE texts AS SELECT i AS id, 'x' AS label, repeat('zebra win a prize now ', 8) || i AS body FROM generate_series(1, 100000) i;
	CREATE TABLE tagged (id int, label text, body text);
	CREATE TRIGGER tag BEFORE INSERT ON tagged FOR EACH ROW EXECUTE FUNCTION textcls.tag('body', 'label', 'm');
});

my %statements = (
	'batches'           => q{SELECT count(textcls.classify(body, 'm')) FROM texts},
	'row by row'        => q{SET textcls.batch = off; SELECT count(textcls.classify(body, 'm')) FROM texts},
	'one array'         => q{SELECT cardinality(textcls.classify(array_agg(body), 'm')) FROM texts},
	'rows of one array' => q{SELECT count(*) FROM textcls.predict((SELECT array_agg(body) FROM texts), 'm')},
	'evaluate'          => q{SELECT count(*) FROM textcls.evaluate('texts', 'label', 'body', 'm')},
	'a tagged table'    => q{SET textcls.tag_on_error = 'warn'; INSERT INTO tagged SELECT * FROM texts});

if (defined $ENV{TEXTCLS_MINILM})
{
	$node->safe_psql('postgres', qq{SELECT textcls.import_model('minilm', '$ENV{TEXTCLS_MINILM}')});
	$statements{'long texts'} = q{SELECT count(textcls.embed(repeat('some more words ', 200) || id, 'minilm')) FROM texts};
}

my $expected = $node->safe_psql('postgres', q{SELECT textcls.predict('zebra', 'm')});

# Seconds that a statement runs beyond its timeout, and its messages; the session goes on.
sub run_with_timeout
{
	my ($sql, $timeout) = @_;
	my ($status, $out, $err) = $node->psql('postgres', qq{
		SELECT textcls.predict('zebra', 'm');
		SET statement_timeout = $timeout;
		SELECT extract(epoch FROM clock_timestamp()) AS started \\gset
		$sql;
		RESET statement_timeout;
		SELECT extract(epoch FROM clock_timestamp()) - :started - $timeout / 1000.0;
		SELECT textcls.predict('zebra', 'm');
	}, on_error_stop => 0);
	my @lines = split /\n/, $out;
	is($lines[-1], $expected, 'the next answer of the session is right');
	return ($lines[-2], $err);
}

my @overshoots;
for my $name (sort keys %statements)
{
	for my $timeout (50, 200, 600)
	{
		my ($overshoot, $messages) = run_with_timeout($statements{$name}, $timeout);
		like($messages, qr/canceling statement due to statement timeout/, "$name: ends after $timeout ms");
		unlike($messages, qr/WARNING/, "$name: a timeout is no warning");
		note sprintf('%s: %.0f ms late', $name, 1000 * $overshoot);
		push @overshoots, $overshoot;
	}
}
@overshoots = sort { $a <=> $b } @overshoots;
diag sprintf('statement_timeout: median %.0f ms late, at most %.0f ms', 1000 * $overshoots[ $#overshoots / 2 ], 1000 * $overshoots[-1]);
cmp_ok($overshoots[ $#overshoots / 2 ], '<', $median_max, 'the median statement ends within 100 ms of its timeout');
cmp_ok($overshoots[-1], '<', $worst_max, 'the latest statement ends within 250 ms');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tagged'), 0, 'no row of a cancelled statement stays');

my ($worst, $wrong) = (0, 0);
for my $i (1 .. 10)
{
	my $name = (sort keys %statements)[ $i % keys %statements ];
	my ($out, $err) = ('', '');
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "$statements{$name} /* victim */" ],
		'<', \undef, '>', \$out, '2>', \$err);
	my $victim = q{pid FROM pg_stat_activity WHERE query LIKE '%/* victim */' AND pid <> pg_backend_pid() AND state = 'active'};
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM (SELECT $victim) x");
	sleep rand 0.5;
	my $cancelled = time;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM (SELECT $victim) x");
	$psql->finish;
	my $late = time - $cancelled;
	$worst = $late if $late > $worst;
	$wrong++ unless $err =~ /canceling statement due to user request/;
}
is($wrong, 0, 'pg_cancel_backend() ends every statement');

# the time includes a psql that starts and one that ends
cmp_ok($worst, '<', $worst_max + 0.15, sprintf('the latest ends after %.0f ms', 1000 * $worst));

check_server_log($node);
$node->stop;
done_testing();
