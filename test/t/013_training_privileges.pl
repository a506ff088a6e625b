# A worker runs with its role's rights of the time when it reads, and no others.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsJobs;

my $node = training_server('privileges', 600, "");
my ($job, $err);

$node->safe_psql('postgres', q{
	CREATE ROLE trainer LOGIN;
	CREATE ROLE admin LOGIN SUPERUSER;
	GRANT CREATE ON SCHEMA textcls TO trainer;
	GRANT SELECT ON texts TO trainer;
	GRANT SET ON PARAMETER textcls.max_training_workers TO trainer;
	ALTER ROLE trainer SET search_path = evil, public;
	ALTER ROLE trainer SET default_transaction_read_only = on;
	ALTER ROLE trainer SET row_security = off;
	CREATE SCHEMA evil AUTHORIZATION trainer});

# Queue a job of the role, without a worker.
sub queue
{
	my ($model) = @_;
	return $node->safe_psql('postgres', 'SET default_transaction_read_only = off; SET textcls.max_training_workers = 0; '
		  . finetune_sql($model, 10), extra_params => [ '-U', 'trainer' ]);
}

sub run_queued
{
	my ($id) = @_;
	$node->safe_psql('postgres', 'SELECT textcls.resume_jobs()');
	my (undef, $out, $stderr) = $node->psql('postgres', "SELECT textcls.wait_job($id)");
	return $out . $stderr;
}

# Functions that the role's search_path would put before the system's
$node->safe_psql('postgres', q{
	CREATE FUNCTION evil.hashtextextended(text, bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$});
is(run_queued(queue('plain')), 'done', 'the settings of the role do not reach the worker');

# Row security hides rows, and row_security = off of the role is not honoured
$node->safe_psql('postgres', q{
	ALTER TABLE texts ENABLE ROW LEVEL SECURITY;
	CREATE POLICY part ON texts FOR SELECT TO trainer USING (topic <> 'bug')});
$job = queue('hidden');
is(run_queued($job), 'done', 'a job under row security');
is($node->safe_psql('postgres', "SELECT rows_read FROM textcls.jobs WHERE id = $job"), '400', 'read the visible rows');
is($node->safe_psql('postgres', "SELECT labels FROM textcls.model_versions WHERE model = 'hidden'"),
	'{billing,delivery}', 'and learnt their labels');

# A right that is lost before the worker reads
$job = queue('late');
$node->safe_psql('postgres', 'REVOKE SELECT ON texts FROM trainer');
like(run_queued($job), qr/permission denied for table texts/, 'the privilege is checked again by the worker');
$node->safe_psql('postgres', 'GRANT SELECT ON texts TO trainer');
$job = queue('unwanted');
$node->safe_psql('postgres', 'REVOKE CREATE ON SCHEMA textcls FROM trainer');
like(run_queued($job), qr/permission denied to create a model/, 'and so is the right to create a model');
$node->safe_psql('postgres', 'GRANT CREATE ON SCHEMA textcls TO trainer');

# The model is its role's; nobody else may make a version of it, or use it
is($node->safe_psql('postgres', "SELECT owner FROM textcls.models WHERE name = 'plain'"), 'trainer', 'the submitter owns the model');
$node->safe_psql('postgres', 'CREATE ROLE other LOGIN; GRANT CREATE ON SCHEMA textcls TO other; GRANT SELECT ON texts TO other');
(undef, undef, $err) = $node->psql('postgres', finetune_sql('plain', 10), extra_params => [ '-U', 'other' ]);
like($err, qr/must be owner of model "plain"/, 'a model of another role');

# A job whose role is gone or may no longer log in stays queued and hurts nobody
$job = queue('left');
$node->safe_psql('postgres', 'ALTER ROLE trainer NOLOGIN');
is($node->safe_psql('postgres', 'SELECT textcls.resume_jobs()'), '0', 'the job of a role without LOGIN is not started');
is(job_state($node, $job), 'queued', 'and stays queued');
$node->safe_psql('postgres', q{
	SELECT textcls.drop_model(name) FROM textcls.models;
	REVOKE ALL ON PARAMETER textcls.max_training_workers FROM trainer;
	DROP OWNED BY trainer CASCADE;
	DROP ROLE trainer});
is(job_state($node, $job), 'queued', 'the view outlives the role');
is($node->safe_psql('postgres', "SELECT textcls.cancel_job($job)"), 't', 'a superuser can cancel it');

check_log($node);
$node->stop;
done_testing();
