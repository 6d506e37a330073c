package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// storageRow is a storage with how full it is, and how that has come.
type storageRow struct {
	Name, Href string
	Used       string
	Spark      *spark
	Full       pill
	On         html
	Trend      string
}

// spark is a line of what was, in a box of 96 by 28. The cells beside it say the same in words.
type spark struct{ Tone, Line, Area string }

const (
	sparkDays   = 90
	sparkWidth  = 96.0
	sparkHeight = 28.0
)

// soonFull is how long before a storage is full it is warned of.
const soonFull = 30 * 24 * time.Hour

func (v *visit) storageRows(all []app.StorageState) (rows []storageRow, err error) {
	for _, s := range all[:min(len(all), storagesOnOverview)] {
		u, err := v.App.StorageUsage(v.ctx, v.who, s.ID, sparkDays)
		if err != nil {
			return nil, err
		}
		r := storageRow{Name: s.Name, Href: pathOf("storage", s.ID), Used: bytesText(s.Bytes), Trend: trendText(s.Growth, len(u.Days))}
		if s.Limit > 0 {
			r.Used += " of " + bytesText(s.Limit)
		}
		r.Full, r.On = v.fullness(s)
		r.Spark = sparkOf(u.Days, r.Full.Tone)
		rows = append(rows, r)
	}
	return rows, nil
}

// fullness says when a storage is full.
func (v *visit) fullness(s app.StorageState) (pill, html) {
	now := v.App.Clock.Now()
	switch {
	case s.Limit == 0:
		return pill{"ok", "ok", "No limit", true}, ""
	case s.Bytes >= s.Limit:
		return pill{"fail", "fail", "Full", true}, ""
	case s.FullOn == nil:
		return pill{"ok", "ok", "Not in sight", true}, ""
	}
	day := s.FullOn.In(v.zone).Format("2 Jan 2006")
	left := html("full in " + spanText(s.FullOn.Sub(now).Truncate(24*time.Hour)+24*time.Hour)) //nolint:gosec // digits
	if s.FullOn.Sub(now) < soonFull {
		return pill{"warn", "warn", day, true}, left
	}
	return pill{"ok", "ok", day, true}, left
}

// trendText says how fast something grows.
func trendText(growth float64, days int) string {
	const little = 1 << 10 // bytes a day
	switch {
	case days < 3:
		return "Measured since a few days only"
	case growth > little:
		return bytesText(int64(growth)) + " more a day"
	case growth < -little:
		return bytesText(int64(-growth)) + " less a day"
	}
	return "As much as before"
}

// sparkOf draws what was; nil if too little is known.
func sparkOf(days []backstay.UsageDay, tone string) *spark {
	if len(days) < 2 {
		return nil
	}
	most := int64(1)
	for _, d := range days {
		most = max(most, d.Bytes)
	}
	first, err := time.Parse(time.DateOnly, days[0].Day)
	last, err2 := time.Parse(time.DateOnly, days[len(days)-1].Day)
	if err != nil || err2 != nil || !last.After(first) {
		return nil
	}
	var points []string
	for _, d := range days {
		at, err := time.Parse(time.DateOnly, d.Day)
		if err != nil {
			continue
		}
		x := at.Sub(first).Hours() / last.Sub(first).Hours() * sparkWidth
		y := sparkHeight - 2 - float64(d.Bytes)/float64(most)*(sparkHeight-4)
		points = append(points, fmt.Sprintf("%.1f,%.1f", x, y))
	}
	if tone == "ok" {
		tone = "run"
	}
	line := strings.Join(points, " ")
	return &spark{Tone: tone, Line: line, Area: fmt.Sprintf("0,%.0f %s %.0f,%.0f", sparkHeight, line, sparkWidth, sparkHeight)}
}
