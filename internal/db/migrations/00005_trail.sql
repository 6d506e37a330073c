-- +goose Up

-- Receivers of the audit trail outside of the server.
create table audit_sinks (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, kind text not null, settings text not null, local boolean not null, sealed text not null
);
create unique index audit_sinks_name on audit_sinks (lower(name));

create table sink_states ( -- how far each has come, apart from what people change
	sink text primary key references audit_sinks on delete cascade,
	sent bigint not null, sent_hash text not null, sent_at timestamptz, head bigint not null, head_at timestamptz,
	attempts bigint not null, next timestamptz not null, error text not null, failing_since timestamptz,
	claim text not null, lease_until timestamptz
);

create table certificates ( -- of the processes that answer by TLS
	id text primary key, subject text not null, not_after timestamptz not null, seen_at timestamptz not null
);

-- How many messages a channel takes in an hour, 0 for any number; what exceeds them is held, and goes together.
alter table channels add column hourly_limit bigint not null default 0;
alter table deliveries add column held boolean not null default false;
