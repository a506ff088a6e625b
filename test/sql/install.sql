-- what CREATE EXTENSION makes, and that a session goes on as before once the library is loaded
SELECT extname, extversion, extrelocatable, n.nspname AS schema
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'textcls';

-- relations, and who may read them
SELECT c.relname, c.relkind, has_table_privilege('public', c.oid, 'SELECT') AS readable,
       has_table_privilege('public', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS writable
  FROM pg_class c WHERE c.relnamespace = 'textcls'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY 1;

-- functions: volatility, parallel safety, and whether everybody may call them
SELECT p.oid::regprocedure, p.provolatile AS v, p.proparallel AS p, p.proisstrict AS strict,
       has_function_privilege('public', p.oid, 'EXECUTE') AS public
  FROM pg_proc p WHERE p.pronamespace = 'textcls'::regnamespace ORDER BY p.proname, p.pronargs, p.oid::regprocedure::text COLLATE "C";

-- rows of these tables are dumped with the database
SELECT c.relname FROM pg_extension e, unnest(e.extconfig) t JOIN pg_class c ON c.oid = t
  WHERE e.extname = 'textcls' ORDER BY 1;

-- the reference to large objects has a type that vacuumlo knows
SELECT attrelid::regclass, atttypid::regtype FROM pg_attribute
  WHERE attname = 'weights' AND attrelid IN ('textcls.model_version'::regclass, 'textcls.checkpoint'::regclass) ORDER BY 1;

-- neither trusted nor movable
SELECT superuser, trusted, relocatable, schema FROM pg_available_extension_versions
  WHERE name = 'textcls' AND version = '1.0';
ALTER EXTENSION textcls SET SCHEMA public;

-- the library leaves floating point, JIT and everything else of the session alone
LOAD 'textcls';
SELECT '1e-310'::float8 > 0 AS denormal, '1e-310'::float8 / 2 > 0 AS arithmetic;
SELECT name, value <> '' AS said FROM textcls.engine() ORDER BY 1;
SELECT '1e-310'::float8 > 0 AS denormal, '1e-310'::float8 / 2 > 0 AS arithmetic;
SET jit = on;
SET jit_above_cost = 0;
SET jit_inline_above_cost = 0;
SET jit_optimize_above_cost = 0;
SELECT sum(i * 1.5) FROM generate_series(1, 1000) i;
SELECT count(*) FROM generate_series(1, 10) i WHERE textcls.may_use(0::oid) OR i > 5;
RESET jit;

-- an extension in another schema, a second time, and without the schema's name
CREATE EXTENSION textcls;
CREATE EXTENSION textcls SCHEMA public;
