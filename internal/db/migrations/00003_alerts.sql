-- +goose Up

-- Who is told of what, and how.
create table channels (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null, owner text not null, scope text not null, -- no project: the server's own
	name text not null, kind text not null, settings text not null, local boolean not null, sealed text not null
);
create unique index channels_name on channels (project, lower(name));

create table notification_rules (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null, owner text not null, scope text not null,
	plan text not null, "user" text not null, channel text not null references channels,
	events text not null, min_severity text not null, quiet text, digest text, reminder_hours bigint not null
);

-- Messages on their way, and those that went. They are written together with what they tell of.
create table deliveries (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null, owner text not null, scope text not null,
	channel text not null references channels on delete cascade, rule text not null,
	event text not null, event_id text not null, severity text not null, subject text not null, alert text not null,
	digest boolean not null, state text not null, due timestamptz not null, next timestamptz not null, attempts bigint not null, error text not null,
	message text not null, lease_until timestamptz
);
create unique index deliveries_once on deliveries (event_id, channel);
create index deliveries_due on deliveries (next) where state = 'pending';
create index deliveries_alert on deliveries (alert, channel);
create index deliveries_created on deliveries (created_at);

create table alerts (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null, owner text not null, scope text not null,
	kind text not null, severity text not null, plan text not null, object text not null, object_id text not null, name text not null, run text not null,
	text text not null, next text not null, clean_up text, opened_at timestamptz not null, resolved_at timestamptz,
	acknowledged_by text not null, acknowledged_at timestamptz, open boolean not null
);
create unique index alerts_open on alerts (kind, object_id) where open; -- one for each thing
create index alerts_created on alerts (created_at);
