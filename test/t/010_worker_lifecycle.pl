# When a worker starts, what it holds while it computes, and what it tells.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsJobs;
use Time::HiRes qw(sleep time);

my $node = training_server('lifecycle', 3000,
	"max_prepared_transactions = 2\nmax_worker_processes = 1\nmax_logical_replication_workers = 0\n");
my ($out, $err);

# The call returns at once, and starts nothing unless it commits.
my $took = $node->safe_psql('postgres', "LOAD 'textcls'; BEGIN; SELECT clock_timestamp() AS t \\gset\n"
	  . finetune_sql('rolled_back', 10) . " > 0 AS ok \\gset\n"
	  . "SELECT extract(epoch FROM clock_timestamp() - :'t') * 1000; ROLLBACK");
cmp_ok($took, '<', 100, "finetune() returns within 100 ms ($took ms)");
is($node->safe_psql('postgres', 'SELECT count(*) FROM textcls.jobs'), '0', 'a rolled back call leaves no job');
is(worker_pid($node), '', 'and no worker');

(undef, undef, $err) = $node->psql('postgres', 'BEGIN; ' . finetune_sql('prepared', 10) . "; PREPARE TRANSACTION 'p'");
like($err, qr/cannot prepare a transaction that queued a textcls job/, 'two-phase commit is refused');
is($node->safe_psql('postgres', 'SELECT count(*) FROM textcls.jobs'), '0', 'and leaves no job');

# A long job and one that has to wait for it: the only slot is taken.
my $long = $node->safe_psql('postgres', finetune_sql('long', 1500));
ok(wait_until($node, "SELECT phase = 'train' AND step > 0 FROM textcls.jobs WHERE id = $long"), 'the worker trains');
(undef, $out, $err) = $node->psql('postgres', finetune_sql('short', 10));
my $short = $out;
like($err, qr/job $short stays queued: no background worker is free/, 'a job without a worker says so');
is(job_state($node, $short), 'queued', 'and is queued');

my $pid = worker_pid($node);
my ($samples, $snapshots, $locks) = (0, 0, 0);
for (1 .. 40)
{
	my ($xmin, $held) = split /\|/, $node->safe_psql('postgres', "SELECT
		(SELECT count(backend_xmin) FROM pg_stat_activity WHERE pid = $pid),
		(SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype = 'relation')");
	$samples++;
	$snapshots += $xmin;
	$locks += $held > 0;
	sleep 0.02;
}
# A few samples may meet a short transaction that reports, the more the slower its commit; held ones would be in all.
cmp_ok($snapshots, '<', $samples / 4, "no snapshot while computing ($snapshots of $samples samples)");
cmp_ok($locks, '<', $samples / 4, "no lock on a relation while computing ($locks of $samples samples)");
my $start = time;
$node->safe_psql('postgres', 'ALTER TABLE texts ADD COLUMN added int');
cmp_ok(time - $start, '<', 1, 'the table can be altered while the job trains');
is(scalar(my @tasks = glob "/proc/$pid/task/*"), 1, 'the worker has one thread') if -d "/proc/$pid/task";
is(job_state($node, $long), 'running', 'the job still trains');
like($node->safe_psql('postgres', "SELECT query FROM pg_stat_activity WHERE pid = $pid"),
	qr/^textcls job $long: train/, 'pg_stat_activity says what the worker does');
like($node->safe_psql('postgres', "SELECT step > 0 AND total_steps = 1500 AND percent > 0 AND loss > 0 AND eta > '0' FROM textcls.jobs WHERE id = $long"),
	qr/^t$/, 'progress, loss and ETA are reported');

# The slot is freed; the waiting job is started by who waits for it.
is($node->safe_psql('postgres', "SELECT textcls.wait_job($long)"), 'done', 'the long job is done');
is($node->safe_psql('postgres', "SELECT textcls.wait_job($short)"), 'done', 'the waiting job got its turn');
is($node->safe_psql('postgres', "SELECT count(*) > 3 AND count(*) < 400 AND max(step) = 1500 FROM textcls.training_log WHERE job = $long"),
	't', 'the log has rows at sensible intervals');

# An ending worker starts the next of two queued jobs, in a server with room for it.
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
my $first = $node->safe_psql('postgres', finetune_sql('first', 200));
my $second = $node->safe_psql('postgres', finetune_sql('second', 10));
ok(wait_until($node, "SELECT state = 'done' FROM textcls.jobs WHERE id = $second"), 'an ending worker starts the next');
is($node->safe_psql('postgres', "SELECT a.finished_at <= b.started_at FROM textcls.jobs a, textcls.jobs b
	WHERE a.id = $first AND b.id = $second"), 't', 'one after the other');

# Notification of the end
$out = $node->safe_psql('postgres', "LISTEN textcls_job; "
	  . finetune_sql('told', 10) . " AS job \\gset\nSELECT textcls.wait_job(:job) AS x \\gset\nSELECT 1");
like($out, qr/"textcls_job" with payload "\{"job": \d+, "state": "done", "model": "told", "version": 1\}"/,
	'the end is notified');

check_log($node);
$node->stop;
done_testing();
