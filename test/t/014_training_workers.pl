# Several processes train one model: equal weights, and no process that is left behind, whatever ends one of them.
use strict;
use warnings;
use FindBin;
use IPC::Run;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsJobs;
use Time::HiRes qw(sleep time);

srand($ENV{TEXTCLS_SEED} // 1);

# Four slots: the server's replication launcher, the sweeper, a job and its helper.
my $node = training_server('workers', 3000, "shared_preload_libraries = 'textcls'\ntextcls.checkpoint_interval = 1s\n"
	  . "max_worker_processes = 4\n");
my $steps = 600;

sub team_sql
{
	my ($model, $steps, $workers) = @_;
	my $count = $workers // 2;

	return finetune_sql($model, $steps) =~ s/\{/{"training_workers": $count, /r;
}

sub waiting
{
	return $_[0] =~ s/\)$/, wait => true)/r;
}

sub weights
{
	my ($model) = @_;

	return $node->safe_psql('postgres',
		"SELECT encode(sha256, 'hex') FROM textcls.model_versions WHERE model = '$model' AND version = 1");
}

# The job that runs, with a helper that trains.
sub start_long_job
{
	my $job = $node->safe_psql('postgres', team_sql('long', 100000));

	wait_until($node, "SELECT phase = 'train' AND step > 0 FROM textcls.jobs WHERE id = $job");
	return $job;
}

sub helper_pid
{
	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'textcls training helper'");
}

sub all_are_gone
{
	my ($what) = @_;

	ok(wait_until($node, q{SELECT count(*) = 0 FROM pg_stat_activity
		WHERE backend_type IN ('textcls training', 'textcls training helper')}, 10), "$what: no process is left");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), '0', "$what: no file is left");
	return;
}

# The same weights, in the background and in the caller's process
$node->safe_psql('postgres', team_sql('first', $steps) . " AS job \\gset\nSELECT textcls.wait_job(:job)");
$node->safe_psql('postgres', waiting(team_sql('second', $steps)));
is(weights('second'), weights('first'), 'two processes give the same weights again');
is($node->safe_psql('postgres', "SELECT DISTINCT workers FROM textcls.jobs WHERE model IN ('first', 'second')"), '2',
	'the view of jobs says how many compute');
is( $node->safe_psql('postgres', "SELECT metrics->>'accuracy' FROM textcls.model_versions WHERE model = 'first'"),
	'1', 'they learn');
all_are_gone('the end');
$node->safe_psql('postgres', 'BEGIN; ' . waiting(team_sql('gone', 50)) . '; ROLLBACK');
is($node->safe_psql('postgres', "SELECT count(*) FROM textcls.models WHERE name = 'gone'"), '0', 'a rollback leaves nothing');

# What is asked for
my $err;
(undef, undef, $err) = $node->psql('postgres', team_sql('bad', 10, 0));
like($err, qr/option "training_workers" must be between 1 and 64/, 'no process is too few');
(undef, undef, $err) = $node->psql('postgres', team_sql('bad', 10, 5));
like($err, qr/option "training_workers" is 5, textcls.max_workers_per_training is 4\nHINT:  Ask for fewer/, 'the setting is a limit');
(undef, undef, $err) = $node->psql('postgres', 'SET textcls.max_workers_per_training = 10; ' . team_sql('bad', 10, 5));
like($err, qr/option "training_workers" is 5, max_worker_processes is 4/, 'so is that of the server');
(undef, undef, $err) = $node->psql('postgres', "SET textcls.max_job_memory = '16MB'; " . team_sql('bad', 10, 4));
like($err, qr/needs about \d+ MB of memory.*HINT: .*training_workers/s, 'memory counts for all of them');
(undef, undef, $err) = $node->psql('postgres',
	waiting(team_sql('bad', 100)) =~ s/"max_steps"/"learning_rate": 1e9, "max_steps"/r);
like($err, qr/training diverged at step/, 'an error of all of them is told once');
all_are_gone('an error');

# Who is seen, and who waits for a free slot
my $job = start_long_job();
is($node->safe_psql('postgres', "SELECT application_name, datname, query FROM pg_stat_activity WHERE pid = " . helper_pid()),
	"textcls|postgres|textcls job $job: worker 2 of 2", 'the activity says what the helper does');
(undef, undef, $err) = $node->psql('postgres', "SET statement_timeout = '1s'; " . waiting(team_sql('waits', 50)));
like($err, qr/canceling statement due to statement timeout/, 'without a free slot a training waits, and can be cancelled');
my ($in, $out) = ('', '');
my $waiter = IPC::Run::start(
	[ $node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c',
		waiting(team_sql('waits', 50)) ],
	'>', \$out, '2>', \$err);
ok(wait_until($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%waits%' AND wait_event = 'Extension'"),
	'it waits');
$node->safe_psql('postgres', "SELECT textcls.cancel_job($job)");
ok($waiter->finish, 'and goes on when there is one');
all_are_gone('a cancel');

# pg_cancel_backend of a helper cancels, pg_terminate_backend interrupts
$job = start_long_job();
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . helper_pid() . ')');
(undef, undef, $err) = $node->psql('postgres', "SELECT textcls.wait_job($job)");
like($err, qr/job $job was cancelled/, 'pg_cancel_backend of a helper cancels the job');
all_are_gone('a helper cancelled');
$job = start_long_job();
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . helper_pid() . ', 2000)');
ok(wait_until($node, "SELECT state = 'interrupted' FROM textcls.jobs WHERE id = $job", 10),
	'pg_terminate_backend of a helper interrupts the job');
all_are_gone('a helper terminated');
is($node->safe_psql('postgres', "SELECT textcls.cancel_job($job)"), 't', 'which can be cancelled then');

# cancel_job at any time
my @latencies;
for (1 .. 8)
{
	$job = $node->safe_psql('postgres', team_sql('cancelled', 100000));
	wait_until($node, "SELECT textcls.job_is_alive($job)");
	sleep rand 1;
	push @latencies, $node->safe_psql('postgres', qq{
		SELECT clock_timestamp() AS t, textcls.cancel_job($job) AS ok \\gset
		DO \$\$
		BEGIN
			WHILE EXISTS (SELECT FROM pg_stat_activity WHERE backend_type LIKE 'textcls training%') LOOP
				PERFORM pg_sleep(0.002), pg_stat_clear_snapshot();
			END LOOP;
		END \$\$;
		SELECT extract(epoch FROM clock_timestamp() - :'t') * 1000 FROM textcls.jobs WHERE id = $job AND state = 'cancelled'});
}
@latencies = sort { $a <=> $b } @latencies;
cmp_ok($latencies[-1], '<', 1000, sprintf('all processes are gone within %.0f ms at most, %.0f ms in the median',
	$latencies[-1], $latencies[@latencies / 2]));

# A killed helper restarts the server; the job goes on to the same weights
$job = $node->safe_psql('postgres', team_sql('killed', $steps * 2));
ok(wait_until($node, "SELECT step > 0 FROM textcls.checkpoint WHERE job = $job"), 'a checkpoint is written');
my $pid = helper_pid();
kill 'KILL', $pid;
ok(wait_until($node, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)"), 'the server comes back');
is($node->safe_psql('postgres', "SELECT textcls.wait_job($job)"), 'done', 'the job goes on');
$node->safe_psql('postgres', team_sql('whole', $steps * 2) . " AS job \\gset\nSELECT textcls.wait_job(:job)");
is(weights('killed'), weights('whole'), 'to the weights of a run without interruption');
all_are_gone('a crash');

# Shutdown and restart
$job = $node->safe_psql('postgres', team_sql('stopped', $steps * 2));
ok(wait_until($node, "SELECT step > 0 FROM textcls.checkpoint WHERE job = $job"), 'a checkpoint is written');
my $start = time;
$node->stop('fast');
my $took = time - $start;
cmp_ok($took, '<', 3, sprintf('a fast shutdown took %.2f s', $took));
$node->start;
is($node->safe_psql('postgres', "SELECT textcls.wait_job($job)"), 'done', 'the job goes on');
is(weights('stopped'), weights('whole'), 'to the same weights');

# Without the postmaster nobody computes on
$job = start_long_job();
my @pids = (helper_pid(), worker_pid($node));
$node->kill9;
$start = time;
sleep 0.02 while (grep { kill 0, $_ } @pids) && time - $start < 30;
$took = time - $start;
cmp_ok($took, '<', 5, sprintf('all processes are gone %.2f s after the postmaster', $took));
$node->start;
ok(wait_until($node, "SELECT state = 'running' FROM textcls.jobs WHERE id = $job"), 'the job runs again');
is($node->safe_psql('postgres', "SELECT textcls.cancel_job($job)"), 't', 'cancelled');
all_are_gone('the postmaster killed');
is($node->safe_psql('postgres', 'SELECT count(*) FROM textcls.checkpoint'), '0', 'no checkpoint is left');

check_log($node, kill => 1);
$node->stop;
done_testing();
