# Every way to stop a training, and how long it takes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsJobs;
use Time::HiRes qw(sleep time);

srand($ENV{TEXTCLS_SEED} // 1);
my $node = training_server('cancel', 3000, "textcls.checkpoint_interval = 1s\n");

sub start_long_job
{
	my $job = $node->safe_psql('postgres', finetune_sql('cancelled', 100000));
	wait_until($node, "SELECT textcls.job_is_alive($job)");
	return $job;
}

# cancel_job at any time
my @latencies;
for (1 .. 8)
{
	my $job = start_long_job();

	sleep rand 1;
	my $out = $node->safe_psql('postgres', qq{
		SELECT clock_timestamp() AS t, textcls.cancel_job($job) AS ok \\gset
		DO \$\$ BEGIN PERFORM textcls.wait_job($job); EXCEPTION WHEN query_canceled THEN END \$\$;
		SELECT :'ok', extract(epoch FROM finished_at - :'t') * 1000, state FROM textcls.jobs WHERE id = $job});
	my ($ok, $latency, $state) = split /\|/, $out;
	is("$ok $state", 't cancelled', "cancel_job $_");
	push @latencies, $latency;
}
@latencies = sort { $a <=> $b } @latencies;
cmp_ok($latencies[-1], '<', 1000, sprintf('cancelled within %.0f ms at most, %.0f ms in the median',
	$latencies[-1], $latencies[@latencies / 2]));

# pg_cancel_backend is final, too
my $job = start_long_job();
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . worker_pid($node) . ')');
my (undef, undef, $err) = $node->psql('postgres', "SELECT textcls.wait_job($job)");
like($err, qr/job $job was cancelled/, 'pg_cancel_backend cancels the job');

# pg_terminate_backend interrupts; resume_jobs() goes on; a cancel ends an interrupted job
$job = start_long_job();
wait_until($node, "SELECT step > 0 FROM textcls.checkpoint WHERE job = $job");
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . worker_pid($node) . ', 2000)');
is(job_state($node, $job), 'interrupted', 'pg_terminate_backend interrupts the job');
is($node->safe_psql('postgres', 'SELECT textcls.resume_jobs()'), '1', 'resume_jobs() starts it again');
ok(wait_until($node, "SELECT textcls.job_is_alive($job)"), 'it runs');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . worker_pid($node) . ', 2000)');
is($node->safe_psql('postgres', "SELECT textcls.cancel_job($job)"), 't', 'an interrupted job can be cancelled');
is(job_state($node, $job), 'cancelled', 'and stays so');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_largeobject_metadata'), '0', 'checkpoints are freed');

# A call that waits is cancelled like any query
my $start = time;
(undef, undef, $err) = $node->psql('postgres', "SET statement_timeout = '1s'; "
	  . finetune_sql('waits', 100000) =~ s/\)$/, wait => true)/r);
my $took = time - $start;
like($err, qr/canceling statement due to statement timeout/, 'statement_timeout ends wait => true');
cmp_ok($took, '<', 2, sprintf('in time (%.2f s)', $took));
is($node->safe_psql('postgres', "SELECT count(*) FROM textcls.jobs WHERE model = 'waits'"), '0', 'and nothing is left');

# A waiting session sees the end at once
my $lag = $node->safe_psql('postgres', finetune_sql('quick', 100)
	  . " AS job \\gset\nSELECT textcls.wait_job(:job) AS state \\gset\n"
	  . "SELECT extract(epoch FROM clock_timestamp() - finished_at) * 1000 FROM textcls.jobs WHERE id = :job");
cmp_ok($lag, '<', 500, sprintf('wait_job() returns %.0f ms after the end', $lag));

# Shutdown
$job = start_long_job();
sleep 0.5;
$start = time;
$node->stop('fast');
$took = time - $start;
cmp_ok($took, '<', 3, sprintf('pg_ctl stop -m fast took %.2f s', $took));
$node->start;
is(job_state($node, $job), 'interrupted', 'the job is interrupted');
is($node->safe_psql('postgres', "SELECT textcls.cancel_job($job)"), 't', 'cancelled');

check_log($node);
$node->stop;
done_testing();
