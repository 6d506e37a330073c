package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/client"
)

func (p *program) newPlan() *cobra.Command {
	return p.newNoun("plan", p.newPlanStart(), p.newPlanSwitch("enable", "Let a plan be started by its schedule", true),
		p.newPlanSwitch("disable", "Keep a plan from being started by its schedule", false))
}

// runNow is what a person wants of a run that they start now, where it is not what the plan says.
type runNow struct {
	Type         string   `json:"type,omitempty"`
	Modules      []string `json:"modules,omitempty"`
	Repositories []string `json:"repositories,omitempty"`
}

func (p *program) newPlanStart() *cobra.Command {
	var now runNow
	var follow bool
	cmd := &cobra.Command{
		Use:   "start NAME",
		Short: "Start a run of a plan now",
		Long: `Start a run of a plan now, outside its schedule. With --follow the log of the run is shown until it ends, and the exit code tells
how it ended.`,
		Example: `  backstay plan start nightly
  backstay plan start nightly --type full --follow`,
		Args: wants(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.startPlan(ctx, args[0], now, follow) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&now.Type, "type", "", "`type` of the backup instead of the plan's: full, incremental or differential")
	f.StringArrayVar(&now.Modules, "module", nil, "only this `module` of the plan's; may be repeated")
	f.StringArrayVar(&now.Repositories, "repository", nil, "only to this `repository` of the plan's; may be repeated")
	f.BoolVarP(&follow, "follow", "f", false, "show the log until the run ends")
	return withCodes(cmd, 0, 1, 2, 3, 4, 5, 6, 130)
}

func (s asker) startPlan(ctx context.Context, name string, now runNow, follow bool) error {
	plan, err := s.find(ctx, "plans", name, "")
	if err != nil {
		return err
	}
	for path, names := range map[string][]string{"modules": now.Modules, "repositories": now.Repositories} {
		for i, name := range names {
			f, err := s.find(ctx, path, name, "")
			if err != nil {
				return err
			}
			names[i] = f.id
		}
	}
	var run backstay.Run
	if err := s.Do(ctx, client.StartPlan, client.Request{ID: plan.id, Body: now}, &run); err != nil {
		return err
	}
	if follow {
		return s.follow(ctx, run.ID)
	}
	return s.started(run)
}

// started tells of a new run.
func (s asker) started(run backstay.Run) error {
	if s.flags.json {
		return s.printJSON(run)
	}
	return s.say("started run %s\nFollow it: backstay run log %s --follow", run.ID, run.ID)
}

func (p *program) newPlanSwitch(verb, short string, on bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:     verb + " NAME",
		Short:   short,
		Long:    short + ". It can be started by hand in any case.",
		Example: fmt.Sprintf("  backstay plan %s nightly", verb),
		Args:    wants(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.update(cmd, nounOf("plan"), args[0], map[string]any{"active": on}, false)
		},
	}
	return withCodes(cmd, 0, 1, 2, 5, 6)
}
