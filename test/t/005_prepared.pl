# Prepared weights: built once, shared, checked; every kind of damage and of refusal ends
# in a right answer.
use strict;
use warnings;
use lib 'test/t/lib';

use Fcntl qw(:flock);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;
use Time::HiRes qw(sleep time utime);

my $node = PostgreSQL::Test::Cluster->new('prepared');
$node->init(allows_streaming => 1);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION textcls');
$node->safe_psql('postgres', "SELECT textcls.import_model('tiny', '" . fixture('distilbert') . "')");

my $directory = $node->data_dir . '/pgsql_tmp_textcls';
my $question  = "SELECT label, score FROM textcls.predict('win a prize now', 'tiny')";
my $answer    = $node->safe_psql('postgres', "SET textcls.share_weights = off; $question");
my $mapped    = "SELECT count(*) FROM regexp_split_to_table(pg_read_file('/proc/' || pg_backend_pid() || '/maps'),"
  . " E'\\n') l WHERE l LIKE '%r--s%pgsql_tmp_textcls%'";

sub prepared { return grep { !/\.(ok|tmp|lock)$|self-test/ } glob "$directory/*"; }

# A new session's answer, and whether it came from a mapping.
sub ask { return $node->safe_psql('postgres', "$question; $mapped"); }

is(scalar(prepared()), 0, 'share_weights = off makes no file');
is(ask(), "$answer\n1", 'the first session builds the file and maps it');
my ($file) = prepared();
is(scalar(prepared()), 1, 'there is one file');
is(sprintf('%o %o', (stat $directory)[2] & 07777, (stat $file)[2] & 07777), '700 600', 'only the server may read it');
my $inode = (stat $file)[1];
is(ask(), "$answer\n1", 'the next session maps it');
is((stat $file)[1], $inode, 'and does not build it again');
$node->restart;
is(ask(), "$answer\n1", 'so does one after a restart');
is((stat $file)[1], $inode, 'for which it is verified, not built');
is($node->safe_psql('postgres', "SET textcls.share_weights = off; $question; $mapped"), "$answer\n0",
	'share_weights = off maps nothing');
my $whole = slurp_file($file);

# Write other bytes in the file's place, as a crash or a careless hand would.
sub put
{
	my ($content, $time) = @_;

	unlink $file;
	open(my $out, '>', $file) or die "could not write $file: $!";
	binmode $out;
	print $out $content;
	close $out;
	utime $time, $time, $file if defined $time;
}

# The damage is noticed and repaired once; the answer is right all along.
sub repaired
{
	my ($name, $damage) = @_;
	my $offset = -s $node->logfile;

	$damage->();
	is(ask(), "$answer\n1", "$name: the answer is right");
	ok($node->log_contains('is damaged and will be built again', $offset) || $name =~ /link|missing/, "$name: the log says so");
	is(slurp_file($file), $whole, "$name: the file is whole again");
	is((stat $file)[3], 1, "$name: it is a file of its own");
}

sub flipped
{
	my ($at) = @_;
	my $copy = $whole;

	substr($copy, $at, 1) = chr(ord(substr($copy, $at, 1)) ^ 0x10);
	return $copy;
}

repaired('truncated',         sub { put(substr($whole, 0, length($whole) - 4096)) });
repaired('half as long',      sub { put(substr($whole, 0, length($whole) / 2)) });
repaired('empty header',      sub { put("\0" x 64 . substr($whole, 64)) });
repaired('half zeros',        sub { put(substr($whole, 0, length($whole) / 2) . "\0" x (length($whole) - int(length($whole) / 2))) });
repaired('longer',            sub { put($whole . 'x') });
repaired('flipped in header', sub { put(flipped(20)) });
repaired('flipped in weights', sub { put(flipped(length($whole) - 1000)) });
repaired('flipped, same time, after a restart',
	sub { my $time = (stat $file)[9]; put(flipped(length($whole) / 2), $time); $node->restart });
repaired('missing', sub { unlink $file });
repaired('symbolic link',
	sub { my $other = PostgreSQL::Test::Utils::tempdir() . '/other'; rename $file, $other; symlink $other, $file });
repaired('hard link', sub { link $file, PostgreSQL::Test::Utils::tempdir() . '/other' });

# What a crash leaves is removed by the next build.
append_to_file("$file.12345.tmp", 'half written');
unlink $file;
is(ask(), "$answer\n1", 'a half-written file of a crashed session is no hindrance');
ok(!-e "$file.12345.tmp", 'and is removed');

# Many sessions at once: one builds, the others wait for it.
unlink $file;
my @sessions = map { $node->background_psql('postgres') } 1 .. 6;
$_->query_safe('SELECT 1') for @sessions;
my @answers;
$_->{stdin} .= "$question;\n\\echo done\n" for @sessions;
for my $session (@sessions)
{
	$session->{run}->pump until $session->{stdout} =~ /done/;
	push @answers, $session->{stdout} =~ s/\ndone.*//sr;
}
is_deeply(\@answers, [ ($answer) x 6 ], 'six sessions at once get the answer');
is(scalar(prepared()), 1, 'and make one file');
is(scalar(glob "$directory/*.tmp"), undef, 'and leave nothing behind');
$_->quit for @sessions;

# Who waits for a builder can be cancelled.
unlink $file;
open(my $lock, '+<', "$directory/build.lock") or die "could not open lock: $!";
flock($lock, LOCK_EX) or die "could not lock: $!";
my $waiting = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $waiting->query_safe('SELECT pg_backend_pid()');
$waiting->{stdin} .= "$question;\n\\echo done\n";
$waiting->{run}->pump_nb;
$node->poll_query_until('postgres', "SELECT wait_event = 'Extension' FROM pg_stat_activity WHERE pid = $pid");
my $start = time;
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$waiting->{run}->pump until $waiting->{stdout} =~ /done/;
cmp_ok(time - $start, '<', 1, 'waiting for the builder is cancelled at once');
like($waiting->{stderr}, qr/canceling statement due to user request/, 'as a query is');
close $lock;
$waiting->quit;
is(ask(), "$answer\n1", 'a lock that is given up hinders nobody');

# A directory that cannot be used: a right answer, one warning a session.
sub private
{
	my ($name, $pattern) = @_;
	my ($rc, $out, $error) =
	  $node->psql('postgres', "$question; SELECT textcls.embed('x', 'other') IS NOT NULL; $mapped");

	is($out, "$answer\nt\n0", "$name: the answer comes from private memory");
	like($error, $pattern, "$name: a warning says why");
	is(scalar(() = $error =~ /WARNING/g), 1, "$name: once");
}

$node->safe_psql('postgres', "SELECT textcls.import_model('other', '" . fixture('bert_sharded') . "')");
chmod 0500, $directory;
is(ask(), "$answer\n1", 'a file in a read-only directory is mapped');
chmod 0700, $directory;
unlink glob "$directory/*";
chmod 0500, $directory;
private('read-only directory', qr/could not share prepared weights: could not open the lock file: Permission denied/);
chmod 0700, $directory;
chmod 0770, $directory;
private('open to others', qr/could not share prepared weights: no directory for them: Permission denied/);
chmod 0700, $directory;
rmdir $directory or die "could not remove $directory: $!";
append_to_file($directory, 'in the way');
private('no directory', qr/could not share prepared weights: no directory for them/);
unlink $directory;
is(ask(), "$answer\n1", 'an absent directory is made');

# Dropping the model removes the file; base backups leave the directory out.
$node->backup('base');
ok(!-e $node->backup_dir . '/base/pgsql_tmp_textcls', 'base backups leave the files out');
$node->safe_psql('postgres', "SELECT textcls.drop_model('tiny')");
ok(!-e $file, 'a dropped model takes its file along');

$node->stop;
check_server_log($node);
done_testing();
