-- +goose Up

-- Other servers by whose word people sign in.
create table identity_providers (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	name text not null, issuer text not null, client_id text not null, scopes text not null, domains text not null,
	new_accounts boolean not null, disabled boolean not null, authority text not null, local boolean not null, set_up_by text not null, sealed text not null
);
create unique index identity_providers_name on identity_providers (lower(name));
create unique index identity_providers_issuer on identity_providers (issuer); -- an identity is an issuer and a subject

-- Messages to one person, which hold what only they may read.
alter table channels add column links boolean not null default false;
alter table channels add column links_by text not null default '';
alter table deliveries add column "to" text not null default '';
alter table deliveries add column sealed text not null default '';
