package app

import (
	"errors"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/doctor"
)

// failure is an error of a run as people are told of it.
func failure(stage string, err error) *backstay.Failure {
	if err == nil {
		return nil
	}
	if errors.Is(err, db.ErrUnreachable) {
		err = doctor.Mark(err, "database-unreachable")
	}
	entry := doctor.Find(err)
	return &backstay.Failure{Code: entry.Code, Stage: stage, Text: err.Error(), Hint: entry.Next[0].Text}
}

// storageError is what a storage or a repository answered to somebody who waits for it.
func storageError(err error) error {
	entry := doctor.Find(err)
	e := backstay.Errorf(backstay.Conflict, "%w", err)
	if entry.Name == doctor.Unexpected {
		return e
	}
	return e.WithHint(entry.Next[0].Text)
}

// marked puts the name of an entry of the error doctor on an error that does not tell it by itself.
func marked(name string, e *backstay.Error) *backstay.Error {
	cause := e.Err
	if cause == nil {
		cause = errors.New(e.Msg)
	}
	next := *e
	next.Err = doctor.Mark(cause, name)
	return &next
}
