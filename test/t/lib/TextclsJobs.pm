# TextclsJobs.pm: a server with texts to train on, and what the tests of jobs ask of it.
package TextclsJobs;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(training_server finetune_sql job_state wait_until worker_pid check_log);

# A server with the extension and $rows labelled texts in the table texts.
sub training_server
{
	my ($name, $rows, $configuration) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', "restart_after_crash = on\nautovacuum = off\n$configuration");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION textcls');
	$node->safe_psql('postgres', qq{
		CREATE TABLE texts AS
		SELECT format('%s wrote on day %s that %s and would like an answer about number %s',
				(ARRAY['anna', 'ben', 'carla', 'david', 'emma'])[1 + i % 5], i % 31,
				(ARRAY['the invoice is wrong', 'the app crashes', 'the parcel is late'])[1 + i % 3], i) AS body,
			(ARRAY['billing', 'bug', 'delivery'])[1 + i % 3] AS topic
		FROM generate_series(1, $rows) i});
	return $node;
}

# A call that trains a small model of this name for so many steps.
sub finetune_sql
{
	my ($model, $steps) = @_;

	return "SELECT textcls.finetune('texts', 'topic', 'body', '$model', options => '{\"hidden_size\": 64,"
	  . " \"num_attention_heads\": 2, \"intermediate_size\": 128, \"vocab_size\": 500, \"early_stopping_patience\": 0, \"max_steps\": $steps}')";
}

sub job_state
{
	my ($node, $job) = @_;

	return $node->safe_psql('postgres', "SELECT state FROM textcls.jobs WHERE id = $job");
}

# Poll for a true value; survives connections that are refused after a crash.
sub wait_until
{
	my ($node, $query, $seconds) = @_;
	my $deadline = time + ($seconds // 60);

	while (time < $deadline)
	{
		my ($rc, $out) = $node->psql('postgres', $query);
		return 1 if $rc == 0 && $out eq 't';
		sleep 0.02;
	}
	return 0;
}

sub worker_pid
{
	my ($node) = @_;

	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'textcls training'");
}

# No process of the server ended in a way that nobody asked for, and nothing leaked.
sub check_log
{
	my ($node, %allowed) = @_;
	my @bad = grep { /terminated by signal|exited with exit code [^01]|TRAP:|Sanitizer|leak/ }
	  split /\n/, slurp_file($node->logfile);

	@bad = grep { !/signal 9/ } @bad if $allowed{kill};
	is(join("\n", @bad), '', 'the server log is clean');
	return;
}

1;
