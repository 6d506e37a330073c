-- A database of the first schema, as sqlite3 .dump writes it: what a program of version 1 has left. It is never changed.
BEGIN TRANSACTION;
CREATE TABLE attempts ( -- failed sign-ins, by what was tried
	id text primary key, failures bigint not null, last_at timestamptz not null
);
INSERT INTO "attempts" VALUES('email:eve@example.org',3,'2026-11-27 12:00:00+00:00');
CREATE TABLE audit_events (
	seq bigint primary key, time timestamptz not null, actor_kind text not null, actor text not null, actor_name text not null, token text not null, method text not null, mfa boolean not null,
	ip text not null, user_agent text not null, request text not null, project text not null,
	action text not null, object text not null, object_id text not null, name text not null, result text not null, reason text not null,
	before text, after text, run text not null, hash text not null
);
INSERT INTO "audit_events" VALUES(1,'2026-11-27 12:30:00.123456+00:00','user','users1','Ada Owner','','password',1,'127.0.0.1','Firefox','r1','projects1','plan.created','plan','plans1','Nightly','allowed','',NULL,'{"name":"Nightly"}','','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc');
CREATE TABLE audit_head (id bigint primary key, seq bigint not null, hash text not null);
INSERT INTO "audit_head" VALUES(1,1,'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc');
CREATE TABLE audit_marks (seq bigint primary key, head text not null);
INSERT INTO "audit_marks" VALUES(1,'{"seq":1}');
CREATE TABLE ceremonies ( -- sign-ins that go over several requests
	id text primary key, kind text not null, value text not null, expires_at timestamptz not null
);
INSERT INTO "ceremonies" VALUES('ceremonies1','passkey','{}','2026-11-27 12:00:00+00:00');
CREATE TABLE factors ( -- passwords, TOTP secrets, passkeys, recovery codes, identities of OIDC issuers
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	"user" text not null references users on delete cascade,
	kind text not null, name text not null, lookup text not null, value text not null, counter bigint not null, confirmed boolean not null, last_used_at timestamptz
);
INSERT INTO "factors" VALUES('factors1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'users1','password','Password','','$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA',1,1,'2026-11-27 12:00:00+00:00');
CREATE TABLE "goose_db_version" (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "goose_db_version" VALUES(1,0,1,'2026-11-27 12:00:00');
INSERT INTO "goose_db_version" VALUES(2,1,1,'2026-11-27 12:00:00');
CREATE TABLE grants (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	subject_kind text not null, subject text not null, role text not null, scope text not null, effect text not null
);
INSERT INTO "grants" VALUES('grants1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'user','users1','owner','/','allow');
CREATE TABLE groups (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, help text not null, members text not null
);
INSERT INTO "groups" VALUES('groups1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'Operators','They look after backups','["users1"]');
CREATE TABLE links ( -- by which a person chooses a password, once
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	"user" text not null references users on delete cascade, expires_at timestamptz not null, hash text not null
);
INSERT INTO "links" VALUES('links1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'users1','2026-11-27 12:00:00+00:00','link-hash');
CREATE TABLE modules (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, source text not null references sources, paths text not null
);
INSERT INTO "modules" VALUES('modules1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'projects1','users1','/project/projects1/module/modules1','Photos','sources1','["photos"]');
CREATE TABLE plans (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, active boolean not null, sources text not null, modules text not null, repositories text not null,
	type text not null, full_schedule text not null, schedule text not null, retention text not null, compression text not null, excludes text not null,
	retries bigint not null, timeout_minutes bigint not null, upload text not null, slow text not null, verify text not null,
	before_hook text not null, after_hook text not null, priority bigint not null,
	handled_at timestamptz, next_at timestamptz
);
INSERT INTO "plans" VALUES('plans1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'projects1','users1','/project/projects1/plan/plans1','Nightly',1,'["sources1"]','["modules1"]','["repositories1"]','incremental','{"every":"month"}','{"every":"day","at":"02:30","zone":"Europe/Berlin"}','{"daily":"7","monthly":"12"}','auto','["*.tmp"]',2,600,'','wait','structure','','',1,'2026-11-27 12:00:00+00:00','2026-11-27 12:00:00+00:00');
CREATE TABLE projects (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, help text not null, scope text not null
);
INSERT INTO "projects" VALUES('projects1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'Home','All of home','/project/projects1');
CREATE TABLE queue_head (id bigint primary key, fence bigint not null);
INSERT INTO "queue_head" VALUES(1,7);
CREATE TABLE repositories (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, storage text not null references storages, path text not null, format text not null, verify_days bigint not null,
	bytes bigint not null, snapshots bigint not null, verified_at timestamptz, sealed text not null
);
INSERT INTO "repositories" VALUES('repositories1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'projects1','users1','/project/projects1/repositorie/repositories1','Main','storages1','main','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',30,12345,2,'2026-11-27 12:00:00+00:00','AeeSealed');
CREATE TABLE roles (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, help text not null, permissions text not null
);
INSERT INTO "roles" VALUES('roles1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'Starter','Starts runs','["run.start","source.read"]');
CREATE TABLE run_lines (
	run text not null references runs on delete cascade, seq bigint not null, time timestamptz not null, level text not null, text text not null,
	primary key (run, seq)
);
INSERT INTO "run_lines" VALUES('runs1',1,'2026-11-27 12:30:00.123456+00:00','info','backing up');
CREATE TABLE runs (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	kind text not null, state text not null, plan text not null, sources text not null, modules text not null, repositories text not null, snapshots text not null,
	type text not null, options text not null, trigger text not null, due_at timestamptz not null, started_at timestamptz, ended_at timestamptz,
	attempt bigint not null, retry_of text not null, priority bigint not null,
	cancel boolean not null, worker text not null, fence bigint not null, lease_until timestamptz,
	failure text, figures text not null, outcomes text not null
);
INSERT INTO "runs" VALUES('runs1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'projects1','users1','/project/projects1/run/runs1','backup','partial','plans1','["sources1"]','[]','["repositories1"]','[]','incremental','{}','schedule','2026-11-27 12:30:00.123456+00:00','2026-11-27 12:30:00.123456+00:00','2026-11-27 12:30:00.123456+00:00',1,'',1,0,'host/1/abc',7,'2026-11-27 12:00:00+00:00','{"code":"BST-1000","text":"what went wrong","hint":"Do this next."}','{"files":10,"bytes":1000,"phases":{"read":12}}','[{"source":"sources1","repository":"repositories1","snapshot":"aa"}]');
CREATE TABLE sessions (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	"user" text not null references users on delete cascade,
	method text not null, mfa boolean not null, ip text not null, user_agent text not null,
	last_used_at timestamptz not null, fresh_until timestamptz not null, expires_at timestamptz not null,
	pending boolean not null, hash text not null
);
INSERT INTO "sessions" VALUES('sessions1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'users1','password',1,'127.0.0.1','Firefox','2026-11-27 12:00:00+00:00','2026-11-27 12:00:00+00:00','2026-11-27 12:00:00+00:00',0,'session-hash');
CREATE TABLE settings (id text primary key, value text not null);
INSERT INTO "settings" VALUES('server','{"name":"Home backups","session_idle_minutes":720,"session_max_minutes":10080,"fresh_minutes":10,"private_networks":true,"keep_runs_days":400,"version":3}');
CREATE TABLE snapshots (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	repository text not null references repositories on delete cascade, handle text not null, original text not null, source text not null, plan text not null, run text not null,
	time timestamptz not null, host text not null, paths text not null, tags text not null, type text not null,
	files bigint not null, bytes bigint not null, added bigint not null,
	protected boolean not null, kept_until timestamptz, health text not null, health_level text not null, health_at timestamptz
);
INSERT INTO "snapshots" VALUES('snapshots1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'projects1','users1','/project/projects1/snapshot/snapshots1','repositories1','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','sources1','plans1','runs1','2026-11-27 12:30:00.123456+00:00','host','["/home"]','["run=runs1"]','full',10,1000,900,1,'2026-11-27 12:00:00+00:00','good','structure','2026-11-27 12:00:00+00:00');
CREATE TABLE sources (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, kind text not null, settings text not null, local boolean not null, sealed text not null
);
INSERT INTO "sources" VALUES('sources1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'projects1','users1','/project/projects1/source/sources1','Files','files','{"paths":"/home"}',1,'AeeSealed');
CREATE TABLE storages (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, location text not null, settings text not null, "limit" bigint not null, upload text not null, download text not null,
	parallel bigint not null, local boolean not null, sealed text not null
);
INSERT INTO "storages" VALUES('storages1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'projects1','users1','/project/projects1/storage/storages1','Disk','/srv/backup','{}',1000000000,'1024','',2,1,'AeeSealed');
CREATE TABLE tokens (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	"user" text not null references users on delete cascade,
	name text not null, permissions text not null, within text not null,
	expires_at timestamptz not null, last_used_at timestamptz, last_used_ip text not null,
	hash text not null
);
INSERT INTO "tokens" VALUES('tokens1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'users1','Script','["run.start"]','/project/projects1','2026-11-27 12:00:00+00:00','2026-11-27 12:00:00+00:00','127.0.0.1','token-hash');
CREATE TABLE users (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, email text not null, phone text not null, zone text not null, language text not null,
	preferences text not null, disabled boolean not null, mfa boolean not null, last_seen_at timestamptz
);
INSERT INTO "users" VALUES('users1','2026-11-27 12:00:00+00:00','2026-11-27 12:30:00.123456+00:00',1,'Ada Owner','ada@example.org','+49 30 123456','Europe/Berlin','de','{"retention":{"last":"3"},"events":["run.failed"],"theme":"dark"}',0,1,'2026-11-27 12:00:00+00:00');
CREATE UNIQUE INDEX users_email on users (lower(email));
CREATE INDEX factors_user on factors ("user", kind);
CREATE UNIQUE INDEX factors_lookup on factors (kind, lookup) where lookup <> '';
CREATE UNIQUE INDEX sessions_hash on sessions (hash);
CREATE INDEX sessions_user on sessions ("user");
CREATE UNIQUE INDEX tokens_hash on tokens (hash);
CREATE INDEX tokens_user on tokens ("user");
CREATE UNIQUE INDEX links_hash on links (hash);
CREATE UNIQUE INDEX groups_name on groups (lower(name));
CREATE UNIQUE INDEX roles_name on roles (lower(name));
CREATE UNIQUE INDEX grants_once on grants (subject_kind, subject, role, scope, effect);
CREATE UNIQUE INDEX projects_name on projects (lower(name));
CREATE UNIQUE INDEX sources_name on sources (project, lower(name));
CREATE UNIQUE INDEX modules_name on modules (source, lower(name));
CREATE UNIQUE INDEX storages_name on storages (project, lower(name));
CREATE UNIQUE INDEX repositories_name on repositories (project, lower(name));
CREATE UNIQUE INDEX repositories_place on repositories (storage, path);
CREATE UNIQUE INDEX plans_name on plans (project, lower(name));
CREATE INDEX plans_next on plans (next_at) where active;
CREATE INDEX runs_queue on runs (priority desc, due_at) where state = 'pending';
CREATE INDEX runs_lease on runs (lease_until) where state = 'running';
CREATE INDEX runs_created on runs (created_at);
CREATE INDEX runs_plan on runs (plan, created_at);
CREATE UNIQUE INDEX runs_once on runs (plan, due_at) where trigger = 'schedule';
CREATE UNIQUE INDEX snapshots_handle on snapshots (repository, handle);
CREATE INDEX snapshots_source on snapshots (source, time);
CREATE INDEX snapshots_time on snapshots (time, id);
CREATE INDEX audit_events_time on audit_events (time);
CREATE INDEX audit_events_object on audit_events (object_id, seq);
CREATE INDEX audit_events_actor on audit_events (actor, seq);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('goose_db_version',2);
COMMIT;
