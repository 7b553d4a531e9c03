PRAGMA journal_mode=@MODE@;
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);
CREATE INDEX t_name ON t(name);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
	INSERT INTO t SELECT i, printf('name-%05d', i * 7919 % 10007), i / 8.0 FROM n;
COMMIT;
SELECT count(*), min(name), max(name), sum(value) FROM t;
BEGIN; UPDATE t SET value = 0 WHERE id % 2; ROLLBACK;
SELECT sum(value) FROM t;
INSERT INTO t(name, value) VALUES('autocommit 1', 1);
INSERT INTO t(name, value) VALUES('autocommit 2', 2);
DELETE FROM t WHERE id % 3 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT id, name FROM t ORDER BY name LIMIT 5;
SELECT count(*) FROM t;
