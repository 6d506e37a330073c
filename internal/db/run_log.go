package db

import "context"

// LogEnds returns the numbers of the last line of a run's log, of its first error and of its first warning; 0 where there is none.
func (tx *Tx) LogEnds(ctx context.Context, run string) (last, fault, warning int64, err error) {
	err = tx.tx.NewRaw(`select coalesce(max(seq), 0), coalesce(min(case when level = 'error' then seq end), 0),
		coalesce(min(case when level = 'warning' then seq end), 0) from run_lines where run = ?`, run).Scan(ctx, &last, &fault, &warning)
	return last, fault, warning, explain("look through log", err)
}
