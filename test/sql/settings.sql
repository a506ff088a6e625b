-- settings: defaults, contexts, limits
LOAD 'textcls';
SELECT name, setting, unit, context, vartype, min_val, max_val, enumvals
  FROM pg_settings WHERE name LIKE 'textcls.%' ORDER BY name;

-- the prefix is reserved
SET textcls.no_such_setting = 1;

-- out of range, not a value
SET textcls.max_text = 0;
SET textcls.tag_on_error = 'maybe';
SET textcls.checkpoint_interval = '1 week';

-- those that bind the server's resources are the administrator's
CREATE ROLE regress_textcls_user;
SET ROLE regress_textcls_user;
SET textcls.max_job_memory = '1GB';
SET textcls.max_training_workers = 2;
SET textcls.share_weights = off;
SET textcls.prepared_size_limit = 0;
SET textcls.gemm_path = 'plain C';
SET textcls.max_text = '64kB';
SET textcls.default_model = 'some';
SHOW textcls.max_text;
RESET ROLE;
RESET textcls.max_text;

-- a default model that does not exist is found out by the call
SELECT textcls.classify('text');
RESET textcls.default_model;
SELECT textcls.classify('text');

-- the matrix product: by name, a wrong name; read when the session first computes
\c -
\set VERBOSITY terse
SET textcls.gemm_path = 'no such core';
SELECT textcls.engine();
\set VERBOSITY default
SET textcls.gemm_path = 'plain c';
SELECT value FROM textcls.engine() WHERE name = 'matrix product';

DROP ROLE regress_textcls_user;
