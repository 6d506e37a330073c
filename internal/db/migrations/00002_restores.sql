-- +goose Up
create table restores (
	id text primary key, created_at timestamptz not null, updated_at timestamptz not null, version bigint not null,
	project text not null references projects, owner text not null, scope text not null,
	snapshot text not null, source text not null, paths text not null, without text not null, target text not null, folder text not null, conflicts text not null,
	state text not null, totals text not null, result text not null, run text not null, failure text, planned_at timestamptz, plan_file text not null
);
create index restores_created on restores (created_at);
create index restores_state on restores (state);
