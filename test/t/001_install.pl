# What loading the library does to a server process: no thread, no foreign symbol, a
# matrix product that was tested, whatever OpenBLAS chose.
use strict;
use warnings;
use lib 'test/t/lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;

my $node = PostgreSQL::Test::Cluster->new('install');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION textcls');

# Symbols: what leaves the library, and what it wants from others.
my ($library) = run_command([ 'pg_config', '--pkglibdir' ]);
$library .= '/textcls.so';
my ($symbols) = run_command([ 'nm', '-D', '--defined-only', $library ]);
my @foreign = grep { !/^(textcls_\w+|pg_finfo_textcls_\w+|Pg_magic_func|_PG_init)$/ }
  map { (split)[-1] =~ s/@.*//r } split /\n/, $symbols;
is("@foreign", '', 'only entry points are exported');
my ($wanted) = run_command([ 'nm', '-D', '--undefined-only', $library ]);
my @unhidden = grep { /\b(json_|jansson|utf8proc|cblas|openblas|gotoblas|pthread_create|omp_|GOMP)/ } split /\n/, $wanted;
is("@unhidden", '', 'jansson, utf8proc and OpenBLAS are inside, and nothing starts threads');
my ($needed) = run_command([ 'objdump', '-p', $library ]);
is(join(' ', sort grep { !/^lib(c|m|gcc_s)\.|^ld-/ } $needed =~ /NEEDED\s+(\S+)/g), '', 'no library beside libc is needed');

# Threads: one task in a backend before and after loading, computing, and embedding.
my $directory = fixture('distilbert');
my $tasks = "SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/task')";
is( $node->safe_psql('postgres', qq{
		$tasks;
		LOAD 'textcls';
		$tasks;
		DO \$\$ BEGIN PERFORM textcls.import_model('tiny', '$directory'); END \$\$;
		SELECT textcls.classify('the cat sat on the mat') IS NOT NULL;
		SELECT count(*) FROM (SELECT textcls.embed('text ' || i, 'tiny') FROM generate_series(1, 50) i) e;
		$tasks}),
	"1\n1\nt\n50\n1", 'a backend has one task from first to last');

# The signals that the library must not take.
my $masks = "SELECT array_to_string(regexp_match(pg_read_file('/proc/' || pg_backend_pid() || '/status'),"
  . " 'SigIgn:\\s+(\\w+)\\s+SigCgt:\\s+(\\w+)'), ' ')";
my ($before, undef, $after) =
  split /\n/, $node->safe_psql('postgres', "$masks; SELECT textcls.classify('the cat sat on the mat'); $masks");
like($before, qr/^[0-9a-f]+ [0-9a-f]+$/, 'signals of a backend are known');
is($after, $before, 'signal handlers are those that were there before');

# The self-test: once in a server's life.
my %facts = engine_facts($node);
like($facts{'self-test'}, qr/passed in/, 'the self-test passed');
is($facts{version}, '1.0', 'the version is said');
my @markers = glob($node->data_dir . '/pgsql_tmp_textcls/self-test-*');
my $tests = () = $facts{'self-test'} =~ /passed in/g;
is(scalar @markers, $tests, 'the outcome of each path and kernel is noted');
my @noted = map { slurp_file($_) } @markers;
my @inodes = map { (stat $_)[1] } @markers;
engine_facts($node);
is_deeply([ map { (stat $_)[1] } @markers ], \@inodes, 'and read by the next session');
$node->restart;
engine_facts($node);
isnt(slurp_file($markers[$_]), $noted[$_], 'a restart makes it again') for 0 .. $#markers;

# Other cores: by the variable and by the setting.
sub restart_with_core
{
	my ($core) = @_;

	$node->stop;
	local $ENV{OPENBLAS_CORETYPE} = $core;
	$node->start;
	return engine_facts($node);
}
my $question = "SELECT label, round(score::numeric, 3) FROM textcls.predict('win a prize', 'tiny')";
my $answer = $node->safe_psql('postgres', $question);
SKIP:
{
	skip 'only OpenBLAS for x86-64 has these cores', 4 unless $facts{library} =~ /DYNAMIC_ARCH/ && `uname -m` =~ /x86_64/;

	%facts = restart_with_core('Nehalem');
	is($facts{'matrix product'}, 'OpenBLAS Nehalem', 'OPENBLAS_CORETYPE is heeded');
	is($node->safe_psql('postgres', $question), $answer, 'and gives the same answer');
	skip 'this CPU has AVX-512', 2 if $facts{'cpu features'} =~ /avx512/;

	# A core that this CPU cannot run: it crashes in the child, another is taken.
	%facts = restart_with_core('SkylakeX');
	like($facts{'self-test'}, qr/^OpenBLAS SkylakeX crashes \(signal 4\) in .*; OpenBLAS \w+ passed/,
		'a core that crashes is passed over');
	is($node->safe_psql('postgres', $question), $answer, 'and the answer is right');
}
$node->restart;
is($node->safe_psql('postgres', "SET textcls.gemm_path = 'plain C'; $question"), $answer,
	'plain C gives the same answer');

# Preloaded: the postmaster and its children stay single-threaded too.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'textcls'");
$node->restart;
my $postmaster = $node->safe_psql('postgres', "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)");
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_ls_dir('/proc/$postmaster/task')"), '1',
	'preloaded into the postmaster it starts no thread');
is($node->safe_psql('postgres', "SELECT textcls.classify('the cat sat on the mat') IS NOT NULL"), 't', 'and works');

$node->stop;
check_server_log($node);
done_testing();
