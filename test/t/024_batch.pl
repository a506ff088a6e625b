# Batches in the executor where a script of one session does not reach: a session's first statement,
# parallel workers, foreign tables, memory.
use strict;
use warnings;
use lib 'test/t/lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclsServer;

my $models = fixture('.');
my $node   = PostgreSQL::Test::Cluster->new('batch');
$node->init;
# all that is compiled at all would be
$node->append_conf('postgresql.conf', "jit = on\njit_above_cost = 0\nshared_buffers = 16MB\nmax_worker_processes = 16\n");
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION textcls;
	SELECT textcls.import_model('m', '$models/bert_f32');
	CREATE TABLE texts (id int PRIMARY KEY, body text);
	INSERT INTO texts SELECT i, repeat((ARRAY['zebra ', 'win a prize ', 'the cat ', 'cafe '])[i % 4 + 1], i % 13 + 1) || i FROM generate_series(1, 5000) i;
	ANALYZE texts;
});

# ---- the first statement of a session, which loads the library while it is planned

my $query = q{SELECT count(*) FROM texts WHERE textcls.classify(body, 'm') = 'business'};
my $alone = $node->safe_psql('postgres', "SET textcls.batch = off; $query");
my $plan  = $node->safe_psql('postgres', "EXPLAIN (ANALYZE) $query");
like($plan, qr/Custom Scan \(Textcls Batch\).*Texts: [1-9]/s, 'the first statement of a session is batched');
unlike($plan, qr/JIT:/, '... and not compiled');
is($node->safe_psql('postgres', $query), $alone, '... with the answer of single rows');
like($node->safe_psql('postgres', 'EXPLAIN (ANALYZE) SELECT count(*) FROM texts'), qr/JIT:/, 'other statements are compiled as ever')
  if $node->safe_psql('postgres', 'SELECT pg_jit_available()') eq 't';

# ---- parallel workers

sub property
{
	my ($name) = @_;
	my ($value) = $plan =~ /$name: (\d+)/;
	return $value;
}

my $parallel = 'SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;';
for my $leader ('on', 'off')
{
	my $settings = "$parallel SET parallel_leader_participation = $leader;";
	$plan = $node->safe_psql('postgres', "$settings EXPLAIN (ANALYZE, VERBOSE) $query");
	my $launched = property('Workers Launched');
	cmp_ok($launched, '>', 0, 'workers run');
	# each process computes its first row alone
	cmp_ok(property('Texts'), '>=', 5000 - 1 - $launched, "leader $leader: EXPLAIN counts the texts of all processes");
	cmp_ok(property('Texts'), '<=', 5000, '... once');
	is($node->safe_psql('postgres', "$settings $query"), $alone, '... with the same answer');
}
$plan = $node->safe_psql('postgres', qq{$parallel SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
	EXPLAIN (ANALYZE) SELECT count(*) FROM generate_series(1, 2) i LEFT JOIN (SELECT 1 AS one FROM texts WHERE id < 2000 AND textcls.classify(body, 'm') = 'business') t ON i > 0});
cmp_ok(property('Texts'), '>', 1900, 'workers that start a second time') if $plan =~ /Gather/;
$node->safe_psql('postgres', q{
	CREATE FUNCTION below(n int) RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE AS
		$$ BEGIN RETURN (SELECT count(*) FROM texts WHERE id < n AND textcls.classify(body, 'm') = 'business'); END $$;
});
my $nested = 'SELECT id, below(id) FROM texts WHERE id % 50 = 0 AND id < 1000 ORDER BY 1';
is($node->safe_psql('postgres', "$parallel SET min_parallel_table_scan_size = 0; $nested"),
	$node->safe_psql('postgres', "SET textcls.batch = off; $nested"), 'queries of functions within workers');

# ---- rows of another server, and of several at a time

my ($host, $port) = ($node->host, $node->port);
$node->safe_psql('postgres', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres', async_capable 'true', fetch_size '70');
	CREATE USER MAPPING FOR CURRENT_USER SERVER other;
	CREATE VIEW labelled AS SELECT id, textcls.classify(body, 'm') AS label FROM texts;
	CREATE FOREIGN TABLE far_label (id int, label text) SERVER other OPTIONS (table_name 'labelled');
	CREATE FOREIGN TABLE far_text (id int, body text) SERVER other OPTIONS (table_name 'texts');
	CREATE TABLE far_parts (id int, body text) PARTITION BY RANGE (id);
	CREATE FOREIGN TABLE far_1 PARTITION OF far_parts FOR VALUES FROM (0) TO (100) SERVER other OPTIONS (table_name 'texts');
	CREATE FOREIGN TABLE far_2 PARTITION OF far_parts FOR VALUES FROM (100) TO (10000) SERVER other OPTIONS (table_name 'texts');
});
my $labels = $node->safe_psql('postgres', 'SET textcls.batch = off; SELECT * FROM labelled WHERE id < 1000 ORDER BY id');
is($node->safe_psql('postgres', 'SELECT * FROM far_label WHERE id < 1000 ORDER BY id'), $labels, 'a foreign server computes labels through its cursors');
for my $table (qw(far_text far_parts))
{
	my $far = "SELECT DISTINCT id, textcls.classify(body, 'm') FROM $table WHERE id < 1000 ORDER BY id";
	like($node->safe_psql('postgres', "EXPLAIN $far"), qr/Textcls Batch.*Foreign Scan/s, "$table: batches of foreign rows");
	is($node->safe_psql('postgres', $far), $labels, '... with the same labels');
}

# ---- memory

sub private_memory
{
	my ($pid) = @_;
	my ($value) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	return $value;
}

SKIP:
{
	skip 'no /proc', 3 unless -r '/proc/self/status';
	$node->safe_psql('postgres', q{
		CREATE FUNCTION one(n int) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT textcls.classify(body, 'm') FROM texts WHERE id = n $$;
	});
	my %queries = (
		'a function whose query is started many times' => 'SELECT count(one(i % 5000)) FROM generate_series(1, %d) i',
		'many rows' => q{SELECT count(textcls.embed(body || i, 'm')) FROM texts, generate_series(1, %d / 2000) i},
		'long texts' => q{SELECT count(textcls.classify(repeat(body, 2000), 'm')) FROM texts WHERE id < %d / 20});
	for my $name (sort keys %queries)
	{
		my $session = $node->background_psql('postgres');
		my $pid = $session->query_safe('SELECT pg_backend_pid()');
		$session->query_safe(sprintf $queries{$name}, 2000);
		my $before = private_memory($pid);
		$session->query_safe(sprintf $queries{$name}, 20000);
		my $grown = private_memory($pid) - $before;
		cmp_ok($grown, '<', 6 * 1024, "$name: the memory of a session is bounded ($grown kB)");
		$session->quit;
	}
}

check_server_log($node);
$node->stop;
done_testing();
