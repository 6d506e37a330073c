-- +goose Up

-- People, and how they prove who they are.
create table users (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, email text not null, phone text not null, zone text not null, language text not null,
	preferences text not null, disabled boolean not null, mfa boolean not null, last_seen_at timestamptz
);
create unique index users_email on users (lower(email));

create table factors ( -- passwords, TOTP secrets, passkeys, recovery codes, identities of OIDC issuers
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	"user" text not null references users on delete cascade,
	kind text not null, name text not null, lookup text not null, value text not null, counter bigint not null, confirmed boolean not null, last_used_at timestamptz
);
create index factors_user on factors ("user", kind);
create unique index factors_lookup on factors (kind, lookup) where lookup <> '';

create table sessions (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	"user" text not null references users on delete cascade,
	method text not null, mfa boolean not null, ip text not null, user_agent text not null,
	last_used_at timestamptz not null, fresh_until timestamptz not null, expires_at timestamptz not null,
	pending boolean not null, hash text not null
);
create unique index sessions_hash on sessions (hash);
create index sessions_user on sessions ("user");

create table tokens (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	"user" text not null references users on delete cascade,
	name text not null, permissions text not null, within text not null,
	expires_at timestamptz not null, last_used_at timestamptz, last_used_ip text not null,
	hash text not null
);
create unique index tokens_hash on tokens (hash);
create index tokens_user on tokens ("user");

create table links ( -- by which a person chooses a password, once
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	"user" text not null references users on delete cascade, expires_at timestamptz not null, hash text not null
);
create unique index links_hash on links (hash);

create table attempts ( -- failed sign-ins, by what was tried
	id text primary key, failures bigint not null, last_at timestamptz not null
);

create table ceremonies ( -- sign-ins that go over several requests
	id text primary key, kind text not null, value text not null, expires_at timestamptz not null
);

-- Rights.
create table groups (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, help text not null, members text not null
);
create unique index groups_name on groups (lower(name));

create table roles (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, help text not null, permissions text not null
);
create unique index roles_name on roles (lower(name));

create table grants (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	subject_kind text not null, subject text not null, role text not null, scope text not null, effect text not null
);
create unique index grants_once on grants (subject_kind, subject, role, scope, effect);

-- What is protected, where, and how.
create table projects (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, help text not null, scope text not null
);
create unique index projects_name on projects (lower(name));

create table sources (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, kind text not null, settings text not null, local boolean not null, sealed text not null
);
create unique index sources_name on sources (project, lower(name));

create table modules (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, source text not null references sources, paths text not null
);
create unique index modules_name on modules (source, lower(name));

create table storages (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, location text not null, settings text not null, "limit" bigint not null, upload text not null, download text not null,
	parallel bigint not null, local boolean not null, sealed text not null
);
create unique index storages_name on storages (project, lower(name));

create table repositories (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, storage text not null references storages, path text not null, format text not null, verify_days bigint not null,
	bytes bigint not null, snapshots bigint not null, verified_at timestamptz, sealed text not null
);
create unique index repositories_name on repositories (project, lower(name));
create unique index repositories_place on repositories (storage, path);

create table plans (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	name text not null, active boolean not null, sources text not null, modules text not null, repositories text not null,
	type text not null, full_schedule text not null, schedule text not null, retention text not null, compression text not null, excludes text not null,
	retries bigint not null, timeout_minutes bigint not null, upload text not null, slow text not null, verify text not null,
	before_hook text not null, after_hook text not null, priority bigint not null,
	handled_at timestamptz, next_at timestamptz
);
create unique index plans_name on plans (project, lower(name));
create index plans_next on plans (next_at) where active;

create table runs (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	kind text not null, state text not null, plan text not null, sources text not null, modules text not null, repositories text not null, snapshots text not null,
	type text not null, options text not null, trigger text not null, due_at timestamptz not null, started_at timestamptz, ended_at timestamptz,
	attempt bigint not null, retry_of text not null, priority bigint not null,
	cancel boolean not null, worker text not null, fence bigint not null, lease_until timestamptz,
	failure text, figures text not null, outcomes text not null
);
create index runs_queue on runs (priority desc, due_at) where state = 'pending';
create index runs_lease on runs (lease_until) where state = 'running';
create index runs_created on runs (created_at);
create index runs_plan on runs (plan, created_at);
create unique index runs_once on runs (plan, due_at) where trigger = 'schedule'; -- a due time is used up by one run

create table run_lines (
	run text not null references runs on delete cascade, seq bigint not null, time timestamptz not null, level text not null, text text not null,
	primary key (run, seq)
);

create table snapshots (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	repository text not null references repositories on delete cascade, handle text not null, original text not null, source text not null, plan text not null, run text not null,
	time timestamptz not null, host text not null, paths text not null, tags text not null, type text not null,
	files bigint not null, bytes bigint not null, added bigint not null,
	protected boolean not null, kept_until timestamptz, health text not null, health_level text not null, health_at timestamptz
);
create unique index snapshots_handle on snapshots (repository, handle);
create index snapshots_source on snapshots (source, time);
create index snapshots_time on snapshots (time, id);

-- What happened.
create table audit_events (
	seq bigint primary key, time timestamptz not null, actor_kind text not null, actor text not null, actor_name text not null, token text not null, method text not null, mfa boolean not null,
	ip text not null, user_agent text not null, request text not null, project text not null,
	action text not null, object text not null, object_id text not null, name text not null, result text not null, reason text not null,
	before text, after text, run text not null, hash text not null
);
create index audit_events_time on audit_events (time);
create index audit_events_object on audit_events (object_id, seq);
create index audit_events_actor on audit_events (actor, seq);

create table audit_head (id bigint primary key, seq bigint not null, hash text not null);
insert into audit_head (id, seq, hash) values (1, 0, '');

create table queue_head (id bigint primary key, fence bigint not null); -- who claims a run changes it first
insert into queue_head (id, fence) values (1, 0);

create table audit_marks (seq bigint primary key, head text not null); -- signed heads of the chain

-- What the server itself has to remember.
create table settings (id text primary key, value text not null);
