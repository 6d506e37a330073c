package app

import (
	"context"
	"errors"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// explain says in a person's words what went wrong with a thing. It is the only place that turns errors of the database into such.
func explain(err error, thing string) *backstay.Error {
	if thing == "" {
		thing = "what was asked for"
	}
	var known *backstay.Error
	var unseen hidden
	switch {
	case errors.As(err, &unseen):
		return backstay.Errorf(backstay.NotFound, "there is no such %s", unseen.kind)
	case errors.As(err, &known):
		return known
	case errors.Is(err, db.ErrNotFound):
		return backstay.Errorf(backstay.NotFound, "there is no such %s", thing)
	case errors.Is(err, db.ErrChanged):
		return marked("changed-meanwhile", backstay.Errorf(backstay.Conflict, "%s was changed by somebody else in the meantime", thing).WithHint("Load it again and repeat your change."))
	case errors.Is(err, db.ErrTaken):
		return backstay.Errorf(backstay.Conflict, "%s is there already", thing).WithHint("Choose another name.")
	case errors.Is(err, db.ErrInUse):
		return backstay.Errorf(backstay.Conflict, "%s is still needed by something else", thing).WithHint("Delete first what uses it.")
	case errors.Is(err, db.ErrDamaged):
		return backstay.Errorf(backstay.Damaged, "the database of the server is damaged: %w", err).WithHint(DamagedHint)
	case errors.Is(err, db.ErrUnreachable):
		return marked("database-unreachable", backstay.Errorf(backstay.Failed, "the database can't be reached: %w", err).WithHint("Wait a moment and try again. If it stays, look whether the database is running."))
	case errors.Is(err, db.ErrQuery):
		return backstay.Errorf(backstay.Invalid, "%w", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return backstay.Errorf(backstay.Cancelled, "cancelled: %w", err)
	default:
		e := backstay.Errorf(backstay.Failed, "something went wrong on the server")
		e.Err = err
		return e.WithHint("The log of the server has the details, under the id of the request.")
	}
}

// DamagedHint says what to do about a database that is damaged.
const DamagedHint = "Stop the server and keep a copy of its folder. Then make a new one: 'backstay server restore' from its backup of itself, or an empty one that takes over the repositories. " +
	"These are not affected, and are restored by their password alone."
