# A job goes on after kill -9, a shutdown and a lost server, to the same weights.
#
# TEXTCLS_KILLS is the number of kills, 3 when it is not set.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsJobs;
use Time::HiRes qw(sleep time);

$SIG{PIPE} = 'IGNORE';
srand($ENV{TEXTCLS_SEED} // 1);

my $kills = $ENV{TEXTCLS_KILLS} || 3;
my $steps = 400 + 300 * $kills;
my $node = training_server('crash', 3000, "shared_preload_libraries = 'textcls'\ntextcls.checkpoint_interval = 1s\n");

sub weights
{
	my ($model) = @_;
	return $node->safe_psql('postgres',
		"SELECT encode(sha256, 'hex') FROM textcls.model_versions WHERE model = '$model' AND version = 1");
}

sub orphans
{
	return $node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM pg_largeobject_metadata)
		- (SELECT count(*) FROM textcls.model_version) - (SELECT count(*) FROM textcls.checkpoint)');
}

# Kill the worker of a job that runs, and wait until the server is back.
sub kill_worker
{
	my $pid = worker_pid($node);

	return 0 if $pid eq '';
	kill 'KILL', $pid;
	sleep 0.05;
	return wait_until($node, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
}

is($node->safe_psql('postgres', finetune_sql('clean', $steps) . " AS job \\gset\nSELECT textcls.wait_job(:job)"),
	'done', 'a run without interruption');

my $job = $node->safe_psql('postgres', finetune_sql('killed', $steps));
my $done = 0;
while ($done < $kills)
{
	my $attempts = $node->safe_psql('postgres', "SELECT attempts FROM textcls.jobs WHERE id = $job");

	# The third start without a checkpoint is the last: let it reach one.
	wait_until($node, "SELECT attempts = 0 FROM textcls.jobs WHERE id = $job") if $attempts >= 2;
	sleep rand 2;
	last if job_state($node, $job) eq 'done';
	$done += kill_worker();
}
is($done, $kills, "the worker was killed $kills times");
is($node->safe_psql('postgres', "SELECT textcls.wait_job($job)"), 'done', 'the sweeper lets the job go on');
is(weights('killed'), weights('clean'), 'and its weights are those of the run without interruption');
is(orphans(), '0', 'no large object is left over');
is($node->safe_psql('postgres', "SELECT count(*) FROM textcls.model_versions WHERE model = 'killed'"), '1', 'one version');

# Shutdown and restart
$job = $node->safe_psql('postgres', finetune_sql('stopped', $steps));
ok(wait_until($node, "SELECT step > 0 FROM textcls.checkpoint WHERE job = $job"), 'a checkpoint is written');
my $start = time;
$node->stop('fast');
my $took = time - $start;
cmp_ok($took, '<', 3, sprintf('a fast shutdown does not wait for the training (%.1f s)', $took));
$node->start;
ok(wait_until($node, "SELECT state = 'running' FROM textcls.jobs WHERE id = $job"), 'the job runs again');
$node->stop('immediate');
$node->start;
ok(wait_until($node, "SELECT state IN ('running', 'done') FROM textcls.jobs WHERE id = $job"), 'and again');
is($node->safe_psql('postgres', "SELECT textcls.wait_job($job)"), 'done', 'it ends');
is(weights('stopped'), weights('clean'), 'with the same weights');

# Without the sweeper an interrupted job waits for resume_jobs().
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$job = $node->safe_psql('postgres', finetune_sql('waits', $steps));
ok(wait_until($node, "SELECT step > 0 FROM textcls.checkpoint WHERE job = $job"), 'a checkpoint is written');
kill_worker();
is(job_state($node, $job), 'interrupted', 'a killed job is interrupted');
my (undef, undef, $err) = $node->psql('postgres', "SELECT textcls.wait_job($job)");
like($err, qr/job $job is interrupted.*HINT:  Call textcls.resume_jobs/s, 'waiting for it says what to do');

# The rows have changed: the checkpoint is of no use.
$node->safe_psql('postgres', "UPDATE texts SET topic = 'bug' WHERE ctid = '(0,1)' OR ctid = '(0,2)'");
is($node->safe_psql('postgres', 'SELECT textcls.resume_jobs()'), '1', 'resume_jobs() finds it');
(undef, undef, $err) = $node->psql('postgres', "SELECT textcls.wait_job($job)");
like($err, qr/the rows of relation public.texts have changed since the job was interrupted/, 'changed rows end it');

# A job that never gets far is given up.
$node->safe_psql('postgres', 'ALTER SYSTEM SET textcls.checkpoint_interval = 3600');
$node->reload;
$job = $node->safe_psql('postgres', finetune_sql('hopeless', 100000));
for (1 .. 3)
{
	ok(wait_until($node, "SELECT phase = 'train' AND textcls.job_is_alive($job) FROM textcls.jobs WHERE id = $job"), "start $_");
	kill_worker();
	$node->safe_psql('postgres', 'SELECT textcls.resume_jobs()');
}
(undef, undef, $err) = $node->psql('postgres', "SELECT textcls.wait_job($job)");
like($err, qr/the worker of job $job was lost 3 times without reaching a checkpoint/, 'then it has failed');
is(orphans(), '0', 'no large object is left over');

check_log($node, kill => 1);
$node->stop;
done_testing();
