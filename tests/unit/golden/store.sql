CREATE TABLE imagescan_clusters ( sha256 VARCHAR(64) NOT NULL, name TEXT NOT NULL, seen_at VARCHAR(40) NOT NULL, images BLOB NOT NULL, PRIMARY KEY (sha256) );
CREATE TABLE imagescan_current_verdicts ( subject_sha256 VARCHAR(64) NOT NULL, verdict_id INTEGER NOT NULL, judged_at VARCHAR(40) NOT NULL, feed_checked VARCHAR(40) NOT NULL, feed TEXT NOT NULL, PRIMARY KEY (subject_sha256) );
CREATE TABLE imagescan_errors ( sha256 VARCHAR(64) NOT NULL, subject TEXT NOT NULL, digest VARCHAR(200) NOT NULL, reference TEXT NOT NULL, code VARCHAR(100) NOT NULL, message TEXT NOT NULL, first_at VARCHAR(40) NOT NULL, last_at VARCHAR(40) NOT NULL, attempts INTEGER NOT NULL, PRIMARY KEY (sha256) );
CREATE TABLE imagescan_evaluation_states ( digest VARCHAR(200) NOT NULL, question VARCHAR(64) NOT NULL, in_force VARCHAR(64) NOT NULL, error_code VARCHAR(100) NOT NULL, error_message TEXT NOT NULL, since VARCHAR(40) NOT NULL, PRIMARY KEY (digest) );
CREATE TABLE imagescan_evaluations ( digest VARCHAR(200) NOT NULL, question VARCHAR(64) NOT NULL, schema_version INTEGER NOT NULL, rule_set VARCHAR(64) NOT NULL, counts TEXT NOT NULL, complete BOOLEAN NOT NULL, evaluated_at VARCHAR(40) NOT NULL, asked TEXT NOT NULL, body BLOB NOT NULL, arf BLOB, PRIMARY KEY (digest, question) );
CREATE TABLE imagescan_images ( digest VARCHAR(200) NOT NULL, kind VARCHAR(20) NOT NULL, platform VARCHAR(100) NOT NULL, wanted_platforms TEXT NOT NULL, first_seen VARCHAR(40) NOT NULL, PRIMARY KEY (digest) );
CREATE TABLE imagescan_index_children ( index_digest VARCHAR(200) NOT NULL, position INTEGER NOT NULL, child_digest VARCHAR(200) NOT NULL, platform VARCHAR(100) NOT NULL, PRIMARY KEY (index_digest, position) );
CREATE TABLE imagescan_inventories ( digest VARCHAR(200) NOT NULL, schema_version INTEGER NOT NULL, package_set VARCHAR(64) NOT NULL, packages INTEGER NOT NULL, kind VARCHAR(20) NOT NULL, complete BOOLEAN NOT NULL, scanned_at VARCHAR(40) NOT NULL, body BLOB NOT NULL, PRIMARY KEY (digest) );
CREATE TABLE imagescan_meta ( name VARCHAR(50) NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name) );
CREATE TABLE imagescan_names ( sha256 VARCHAR(64) NOT NULL, digest VARCHAR(200) NOT NULL, source VARCHAR(20) NOT NULL, cluster VARCHAR(200) NOT NULL, reference TEXT NOT NULL, first_seen VARCHAR(40) NOT NULL, last_seen VARCHAR(40) NOT NULL, PRIMARY KEY (sha256, digest, source, cluster) );
CREATE TABLE imagescan_package_sets ( sha256 VARCHAR(64) NOT NULL, packages INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (sha256) );
CREATE TABLE imagescan_references ( sha256 VARCHAR(64) NOT NULL, reference TEXT NOT NULL, digest VARCHAR(200) NOT NULL, PRIMARY KEY (sha256) );
CREATE TABLE imagescan_rule_sets ( sha256 VARCHAR(64) NOT NULL, rules INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (sha256) );
CREATE TABLE imagescan_scan_jobs ( uid VARCHAR(100) NOT NULL, server TEXT NOT NULL, namespace VARCHAR(253) NOT NULL, name VARCHAR(253) NOT NULL, plan_sha256 VARCHAR(64) NOT NULL, created VARCHAR(40) NOT NULL, PRIMARY KEY (uid) );
CREATE TABLE imagescan_verdict_changes ( subject_sha256 VARCHAR(64) NOT NULL, "before" VARCHAR(20) NOT NULL, "after" VARCHAR(20) NOT NULL, since VARCHAR(40) NOT NULL, reasons TEXT NOT NULL, PRIMARY KEY (subject_sha256) );
CREATE TABLE imagescan_verdicts ( id INTEGER NOT NULL, subject_sha256 VARCHAR(64) NOT NULL, subject TEXT NOT NULL, digest VARCHAR(200) NOT NULL, verdict VARCHAR(20) NOT NULL, judged_at VARCHAR(40) NOT NULL, feed TEXT NOT NULL, document_sha256 VARCHAR(64) NOT NULL, document BLOB NOT NULL, PRIMARY KEY (id) );
CREATE INDEX ix_imagescan_errors_digest ON imagescan_errors (digest);
CREATE INDEX ix_imagescan_evaluations_question ON imagescan_evaluations (question);
CREATE INDEX ix_imagescan_evaluations_rule_set ON imagescan_evaluations (rule_set);
CREATE INDEX ix_imagescan_index_children_child_digest ON imagescan_index_children (child_digest);
CREATE INDEX ix_imagescan_inventories_package_set ON imagescan_inventories (package_set);
CREATE INDEX ix_imagescan_references_digest ON imagescan_references (digest);
CREATE INDEX ix_imagescan_verdicts_digest ON imagescan_verdicts (digest);
CREATE INDEX ix_imagescan_verdicts_subject_sha256 ON imagescan_verdicts (subject_sha256);
-- application_id: 0
-- user_version: 0
-- schema_version: 2
