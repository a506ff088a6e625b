# Prepared weights as a set: what the view shows and to whom, last use, the size limit, a full disk.
use strict;
use warnings;
use lib 'test/t/lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;
use Time::HiRes qw(sleep time);

use constant { HOUR => 3600, DAY => 24 * 3600 };

my $node = PostgreSQL::Test::Cluster->new('limit');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION textcls');
$node->safe_psql('postgres', "SELECT textcls.import_model('$_->[0]', '" . fixture($_->[1]) . "')")
  for [ 'tiny', 'distilbert' ], [ 'other', 'bert_sharded' ], [ 'third', 'bert_old' ];

my $directory = $node->data_dir . '/pgsql_tmp_textcls';

# What a session says about models that it embeds a text with.
sub question { return join '; ', map { "SELECT round((textcls.embed('win a prize now', '$_'))[1]::numeric, 4)" } @_ }
my %answer = map { $_ => $node->safe_psql('postgres', 'SET textcls.share_weights = off; ' . question($_)) } qw(tiny other third);

sub prepared { return grep { !/\.(ok|tmp|lock)$|self-test/ } glob "$directory/*"; }

# The file of a model, by the fingerprint in the catalog; undef where there is none.
sub file_of
{
	my ($model) = @_;
	my $fingerprint =
	  $node->safe_psql('postgres', "SELECT encode(fingerprint, 'hex') FROM textcls.model_version WHERE model = '$model'");
	my ($file) = grep { /\/$fingerprint-/ } prepared();

	return $file;
}

# A file of so many kB that no version belongs to, and that was used so many seconds ago.
sub stray
{
	my ($digit, $kb, $age) = @_;
	my $file = "$directory/" . $digit x 64 . '-1-stray';

	append_to_file($file, "\0" x ($kb * 1024));
	append_to_file("$file.ok", 'of another life');
	chmod 0600, $file, "$file.ok";
	utime time - $age, time - $age, "$file.ok";
	return $file;
}

# ---------- the view ----------

my $row = q{SELECT model, version, bytes > 0, prepared_at > now() - interval '1 minute', last_used_at >= prepared_at, is_mapped, is_verified
	FROM textcls.prepared};

is($node->safe_psql('postgres', $row), '', 'no file, no row');
is($node->safe_psql('postgres', question('tiny') . "; $row"), "$answer{tiny}\ntiny|1|t|t|t|t|t", 'a file that this session uses');
is($node->safe_psql('postgres', $row), 'tiny|1|t|t|t|f|t', 'in another session it is not mapped');
is($node->safe_psql('postgres', 'SELECT bytes FROM textcls.prepared'), -s file_of('tiny'), 'its size');
is($node->safe_psql('postgres', 'SELECT precision, kernel IS NOT NULL, layout LIKE precision || $$-%$$ FROM textcls.prepared'),
	'fp32|t|t', 'its precision and kernel');
$node->restart;
is($node->safe_psql('postgres', $row), 'tiny|1|t|t|t|f|f', 'after a restart it is not verified');
is($node->safe_psql('postgres', question('tiny') . "; $row"), "$answer{tiny}\ntiny|1|t|t|t|t|t", 'until it is used');

my $stray = stray('a', 1, 0);
$node->safe_psql('postgres', q{
	CREATE ROLE nobody; CREATE ROLE reader; CREATE ROLE monitor IN ROLE pg_monitor;
	SELECT textcls.grant_model('tiny', 'reader')});
my $names = q{SELECT coalesce(model, 'unknown'), version IS NULL, layout = 'stray' FROM textcls.prepared ORDER BY 1, 3};
is($node->safe_psql('postgres', $names), "tiny|f|f\nunknown|t|t", 'a superuser sees all files');
is($node->safe_psql('postgres', "SET ROLE nobody; $names"), '', 'who may use no model sees none');
is($node->safe_psql('postgres', "SET ROLE reader; $names"), 'tiny|f|f', 'who may use a model sees its file');
is($node->safe_psql('postgres', "SET ROLE monitor; $names"), "unknown|t|f\nunknown|t|t", 'pg_monitor sees files, not whose they are');
is($node->safe_psql('template1', 'CREATE EXTENSION textcls; ' . $names), "unknown|t|f\nunknown|t|t", 'of other databases, too');
unlink $stray, "$stray.ok";

# ---------- last use ----------

my $file    = file_of('tiny');
my $changed = (stat $file)[9];
my $marker  = (stat "$file.ok")[1];
utime time - 2 * DAY, time - 2 * DAY, "$file.ok";
is($node->safe_psql('postgres', question('tiny') . q{; SELECT last_used_at > now() - interval '1 minute' FROM textcls.prepared}),
	"$answer{tiny}\nt", 'a use is noted');
is((stat $file)[9], $changed, 'without a change of the file');
is((stat "$file.ok")[1], $marker, 'which is not verified again');

my $session = $node->background_psql('postgres');
$session->query_safe(question('tiny'));
utime time - 2 * DAY, time - 2 * DAY, "$file.ok";
$session->query_safe(question('tiny'));
cmp_ok((stat "$file.ok")[9], '<', time - DAY, 'a session notes its use once an hour, not at each call');
$session->quit;

# Not used for a week: removed by the next build, whenever it was read or prepared.
my @old = (stray('a', 1, 8 * DAY), stray('b', 1, 6 * DAY));
utime time, time - 30 * DAY, $_ for @old;
utime time - 8 * DAY, time - 8 * DAY, $file;
is($node->safe_psql('postgres', question('tiny')), $answer{tiny}, 'an old file that is in use');
is($node->safe_psql('postgres', question('other')), $answer{other}, 'another is built');
is(join(' ', map { -e $_ ? 1 : 0 } $old[0], "$old[0].ok", $old[1], "$old[1].ok", $file), '0 0 1 1 1',
	'what was not used for a week is removed, what is used stays');
unlink $old[1], "$old[1].ok";

# ---------- prepare ----------

# What a call raises.
sub refused
{
	my ($name, $sql, $pattern) = @_;
	my ($rc, $out, $error) = $node->psql('postgres', $sql);

	like($error, $pattern, "$name: the error says why");
	unlike($error, qr/WARNING/, "$name: and no warning");
}

my $third = q{SELECT model, precision, version, kernel IS NOT NULL, layout LIKE 'fp32%', bytes, is_new, milliseconds >= 0 FROM textcls.prepare('third', 'fp32')};
is($node->safe_psql('postgres', $third), 'third|fp32|1|t|t|' . (-s file_of('third')) . '|t|t', 'a file is prepared');
is($node->safe_psql('postgres', $third), 'third|fp32|1|t|t|' . (-s file_of('third')) . '|f|t', 'the second time it is there');
is($node->safe_psql('postgres', question('third') . q{; SELECT count(*) FROM textcls.prepared WHERE is_mapped}), "$answer{third}\n1", 'and used');
is($node->safe_psql('postgres', q{
	SELECT is_new FROM textcls.prepare('third', 'int8'); SELECT is_new FROM textcls.prepare('third', 'int8');
	SELECT count(DISTINCT precision), count(DISTINCT layout) FROM textcls.prepared WHERE model = 'third'}), "t\nf\n2|2",
	'another precision is another file');
unlink grep { /int8/ } prepared();
refused('no right', "SET ROLE nobody; SELECT textcls.prepare('third')", qr/ERROR:  permission denied for model "third"/);
refused('no such model', q{SELECT textcls.prepare('none')}, qr/ERROR:  model "none" does not exist/);
refused('no such precision', q{SELECT textcls.prepare('third', 'fp8')}, qr/ERROR:  there is no precision "fp8"\nHINT:  Use "fp32"/);
refused('not shared', q{SET textcls.share_weights = off; SELECT textcls.prepare('third')}, qr/ERROR:  prepared weights are not shared/);
unlink file_of('third');
refused('over the limit', q{SET textcls.prepared_size_limit = '1kB'; SELECT textcls.prepare('third')},
	qr/ERROR:  could not share prepared weights: a file of \d+ kB is over textcls.prepared_size_limit/);
chmod 0500, $directory;
refused('read-only', q{SELECT textcls.prepare('third')}, qr/ERROR:  could not share prepared weights: could not write a file: Permission denied/);
chmod 0700, $directory;

# ---------- another processor under the same data directory ----------

SKIP:
{
	skip 'no textcls.max_isa', 5
	  if $node->safe_psql('postgres', q{LOAD 'textcls'; SELECT count(*) FROM pg_settings WHERE name = 'textcls.max_isa'}) eq '0';

	my (%layout, %value);
	for my $isa ('plain', 'auto', 'plain')
	{
		my $said = $node->safe_psql('postgres', "SET textcls.max_isa = '$isa'; SET textcls.precision = 'fp32'; " . question('tiny')
			  . '; SELECT layout FROM textcls.prepared WHERE is_mapped');
		($value{$isa}, $layout{$isa}) = split /\n/, $said;
		cmp_ok(abs($value{$isa} - $answer{tiny}), '<', 0.001, "$isa: the answer is right");
	}
	isnt($layout{plain}, $layout{auto}, 'each has a file of its own');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM textcls.prepared WHERE model = 'tiny'}), 2, 'and both stay');
	unlink grep { /\Q$layout{plain}\E$/ } prepared();
}

# ---------- the limit ----------

# Room for all but the oldest of four.
my @strays = map { stray($_->[0], 1024, $_->[1]) } [ 'a', 2 * HOUR ], [ 'b', 3 * HOUR ], [ 'c', 1 * HOUR ];
my $kb = 10;
$kb += (-s $_) / 1024 for prepared();
unlink file_of('other');
my $offset = -s $node->logfile;
is($node->safe_psql('postgres', "SET textcls.prepared_size_limit = '" . int($kb) . "kB'; " . question('other')), $answer{other}, 'a file that just fits');
is(scalar(grep { -e $_ } @strays), 3, 'removes nothing');
unlink file_of('other');
is($node->safe_psql('postgres', "SET textcls.prepared_size_limit = '" . int($kb - 20) . "kB'; " . question('other')), $answer{other}, 'one that does not');
is(join(' ', map { -e $_ ? 1 : 0 } @strays, "$strays[1].ok"), '1 0 1 0', 'removes the file that was used least recently');
ok($node->log_contains('prepared file "b{64}-1-stray" is removed to make room', $offset), 'and the log says so');
ok(-e file_of('tiny'), 'a file in use stays');

# A file that is over the limit alone.
unlink file_of('other');
my ($rc, $out, $error) = $node->psql('postgres', "SET textcls.prepared_size_limit = '1kB'; " . question('other', 'other', 'third'));
is($out, join("\n", $answer{other}, $answer{other}, $answer{third}), 'a model over the limit answers from private memory');
like($error, qr/WARNING:  could not share prepared weights: a file of \d+ kB is over textcls.prepared_size_limit \(1 kB\)/, 'a warning names the setting');
is(scalar(() = $error =~ /WARNING/g), 1, 'once');
is(scalar(grep { -e $_ } @strays), 2, 'nothing is removed for it');
is($node->safe_psql('postgres', 'SET textcls.prepared_size_limit = 0; ' . question('other')), $answer{other}, 'no limit');
ok(defined file_of('other'), 'no limit, a file');

# Sessions that compute with a file that is removed.
my $busy = $node->background_psql('postgres');
$busy->query_safe(question('tiny'));
$busy->{stdin} .= q{SELECT count(DISTINCT textcls.embed('win a prize now', 'tiny')) FROM generate_series(1, 20000);} . "\n\\echo done\n";
$busy->{run}->pump_nb;
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%20000%' AND pid <> pg_backend_pid()});
unlink file_of('other');
utime time - 6 * HOUR, time - 6 * HOUR, "$file.ok";
is($node->safe_psql('postgres', "SET textcls.prepared_size_limit = '" . int($kb / 3) . "kB'; " . question('other')), $answer{other}, 'a file is built');
ok(!-e $file, 'and another one removed, which a session computes with');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%20000%' AND pid <> pg_backend_pid()}), 1,
	'while it does');
$busy->{run}->pump until $busy->{stdout} =~ /done/;
like($busy->{stdout}, qr/^1\n/, 'it goes on with the same result');
$busy->{stdout} = '';
is($busy->query_safe(question('tiny')), $answer{tiny}, 'in further calls, too');
$busy->quit;

# ---------- a full disk ----------

SKIP:
{
	skip 'no prlimit', 7 if system('prlimit --version >/dev/null 2>&1') != 0;

	# The limit of a process is met where the disk would be full: when the file's blocks are allocated.
	my $full = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $full->query_safe('SELECT pg_backend_pid()');
	unlink prepared();
	is(system('prlimit', '--pid', $pid, '--fsize=4096'), 0, 'files of a session are limited');
	is($full->query(question('tiny', 'other')), "$answer{tiny}\n$answer{other}", 'it answers from private memory');
	like($full->{stderr}, qr/WARNING:  could not share prepared weights: could not write a file: File too large/, 'a warning says why');
	is(scalar(() = $full->{stderr} =~ /WARNING/g), 1, 'once');
	is(join(' ', prepared(), glob "$directory/*.tmp"), '', 'nothing is left');
	$full->{stderr} = '';
	$full->query("SELECT textcls.prepare('third')");
	like($full->{stderr}, qr/ERROR:  could not share prepared weights: could not write a file: File too large/, 'prepare() raises it');
	$full->quit;
	is($node->safe_psql('postgres', question('tiny') . '; SELECT count(*) FROM textcls.prepared WHERE is_mapped'), "$answer{tiny}\n1", 'others build it');
}

# ---------- drop ----------

is($node->safe_psql('postgres', question('tiny')), $answer{tiny}, 'a file');
my $layouts = file_of('tiny') =~ s/-[^\/]*$/-1-another/r;
append_to_file($_, 'x') for $layouts, "$layouts.ok";
$node->safe_psql('postgres', "SELECT textcls.drop_model('tiny')");
is(scalar(grep { -e $_ } $layouts, "$layouts.ok", $file, "$file.ok"), 0, 'a dropped model takes the files of all layouts along');

$node->stop;
check_server_log($node);
done_testing();
