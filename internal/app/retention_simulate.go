package app

import (
	"context"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/schedule"
)

// ForecastRetention tells what a schedule and a policy come to after some days, of a plan that need not be there yet. It is about no snapshots
// that there are, so that whoever has signed in may ask.
func (a *App) ForecastRetention(ctx context.Context, who backstay.Actor, s schedule.Schedule, p retention.Policy, days int) (*Forecast, error) {
	if err := a.SignedIn(who); err != nil {
		return nil, err
	}
	return a.forecast(ctx, RetentionQuestion{Schedule: &s, Days: days}, p)
}
