-- +goose Up

-- What each repository took, a row a day: the last that was known of it on that day, in UTC.
create table usage (
	repository text not null references repositories on delete cascade, day text not null, storage text not null, bytes bigint not null, snapshots bigint not null,
	primary key (repository, day)
);
create index usage_day on usage (day);
create index usage_storage on usage (storage, day, bytes, snapshots);

-- What the overview asks about everything at once. The indexes hold all of the answer: the rows are long, and there are many.
create index snapshots_newest on snapshots (source, time, health, health_level);
drop index snapshots_source; -- it is the beginning of that one
create index runs_due on runs (state, due_at, project, owner, scope, id, ended_at) where ended_at is not null; -- lists of runs in a state are in another order, and must not be answered by it
