# The SQL examples of README.md run in order and give the results shown, and its
# options table has the options and defaults of the code.
#
# A block of SQL may be followed by a block without a language: its result.  A
# comment before a block says what is special about it:
#   test: skip, REASON    not run
#   test: later           run when all others are done
use strict;
use warnings;

use File::Spec;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model_in_readme = '/srv/models/all-MiniLM-L6-v2';
my $model           = $ENV{TEXTCLS_MINILM} // File::Spec->rel2abs('test/data/models/sentence');
my @blocks;

sub read_blocks
{
	my ($file) = @_;
	my ($block, $language, $directive);

	open(my $readme, '<', $file) or die "could not open $file: $!";
	while (my $line = <$readme>)
	{
		if ($line =~ /^```(\w*)$/ && !defined $block)
		{
			($block, $language) = ('', $1);
		}
		elsif ($line =~ /^```$/)
		{
			if ($language eq 'sql')
			{
				push @blocks, { sql => $block, line => $., directive => $directive // '' };
				$directive = undef;
			}
			elsif ($language eq '')
			{
				$blocks[-1]{result} //= $block if @blocks;
			}
			$block = undef;
		}
		elsif (defined $block)
		{
			$block .= $line;
		}
		elsif ($line =~ /^<!-- test: (.*) -->$/)
		{
			$directive = $1;
		}
	}
	close($readme);
}

# Blanks at ends of lines and the number of blanks do not count.
sub normalize
{
	my ($text) = @_;

	$text =~ s/[ \t]+/ /g;
	$text =~ s/^ | $//mg;
	$text =~ s/\n+/\n/g;
	$text =~ s/^\n|\n$//g;
	return $text;
}

read_blocks('README.md');
my ($first) = grep { $_->{sql} =~ /textcls\.classify/ } @blocks;
cmp_ok($first->{line}, '<=', 60, 'the first classification stands in the first 60 lines');

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->append_conf('postgresql.conf', 'max_worker_processes = 16');
$node->start;
my $directory = PostgreSQL::Test::Utils::tempdir;

sub run_block
{
	my ($block) = @_;
	my $sql = $block->{sql};
	my ($out, $err) = ('', '');

	$sql =~ s/\Q$model_in_readme\E/$model/g;
	$sql =~ s/\/srv\/models/$directory/g;
	my $status = IPC::Run::run(
		[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', '-' ],
		'<', \$sql, '>', \$out, '2>', \$err);
	ok($status, "example that ends at line $block->{line} runs") or diag("$sql\n$err");
	is(normalize($out), normalize($block->{result}), "example that ends at line $block->{line} has its result")
	  if defined $block->{result};
}

my @run = grep { $_->{directive} !~ /^skip/ } @blocks;
run_block($_) foreach grep { $_->{directive} ne 'later' } @run;
run_block($_) foreach grep { $_->{directive} eq 'later' } @run;

# Rows "| `name` | default with a base | default from scratch | ... |" of the options table.
sub check_defaults
{
	my ($model_name, $column) = @_;
	my %options = split /[\t\n]/, $node->safe_psql('postgres',
		"SELECT o.key || E'\\t' || o.value FROM textcls.model_versions v, jsonb_each_text(v.options) o
		 WHERE v.model = '$model_name' AND v.version = 1");

	open(my $readme, '<', 'README.md') or die "could not open README.md: $!";
	while (my $line = <$readme>)
	{
		my @cells = map { s/^[ `]+|[ `]+$//gr } split /\|/, $line;
		next unless @cells >= 5 && exists $options{ $cells[1] } && $cells[$column] =~ /^[\w.-]+$/;
		my ($shown, $real) = ($cells[$column], $options{ $cells[1] });
		ok($shown =~ /^[\d.e-]+$/ ? $shown == $real : $shown eq $real,
			"default of $cells[1] for $model_name is $shown") or diag("it is $real");
	}
	close($readme);
}

$node->safe_psql('postgres', "SELECT textcls.finetune('messages', 'topic', model => 'based', base_model => 'minilm', wait => true)");
check_defaults('based', 2);
check_defaults('messages', 3);

$node->stop;
done_testing();
