# TextclsServer.pm: what the tests of installing and storing share.
package TextclsServer;

use strict;
use warnings;
use Exporter 'import';
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(fixture engine_facts check_server_log);

# The absolute path of a tiny model's directory.
sub fixture
{
	return File::Spec->rel2abs("test/data/models/$_[0]");
}

# What textcls.engine() says, as a hash.
sub engine_facts
{
	my ($node) = @_;

	return split /[\n\t]/,
	  $node->safe_psql('postgres', 'SELECT name, value FROM textcls.engine()', extra_params => [ '-F', "\t" ]);
}

# No process of the server ended in a way that nobody asked for, and nothing leaked.
sub check_server_log
{
	my ($node) = @_;
	my @bad = grep { /terminated by signal|exited with exit code [^01]|TRAP:|Sanitizer|PANIC|WARNING:.*leak/ }
	  split /\n/, slurp_file($node->logfile);

	is("@bad", '', $node->name . ': no crash and no leak in the log');
}

1;
