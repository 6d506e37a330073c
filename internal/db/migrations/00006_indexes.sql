-- +goose Up

-- A list is in the order in which things were made, unless somebody wants another one: of everything, of a project, or of what lies right in
-- a scope that somebody has a role in. See within in list.go.
drop index runs_created;
create index runs_created on runs (created_at, id);
create index runs_project on runs (project, created_at, id);
create index runs_in on runs (substr(scope, 1, length(scope) - length(id)), created_at, id);
create index snapshots_created on snapshots (created_at, id);
create index snapshots_project on snapshots (project, created_at, id);
create index snapshots_in on snapshots (substr(scope, 1, length(scope) - length(id)), created_at, id);
create index plans_created on plans (created_at, id);
create index plans_project on plans (project, created_at, id);

-- What pages filter by.
create index snapshots_repository on snapshots (repository, created_at, id);
create index snapshots_made on snapshots (source, created_at, id);
create index snapshots_plan on snapshots (plan, created_at, id);
create index snapshots_project_time on snapshots (project, time, id);
create index snapshots_run on snapshots (run);
create index snapshots_host on snapshots (host, created_at, id);
create index snapshots_health on snapshots (health, created_at, id);
create index runs_kind on runs (kind, created_at, id);

-- What the server looks for by itself, again and again.
create index runs_ended on runs (ended_at);
create index plans_handled on plans (handled_at) where active;
