package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
)

func (p *program) newUserRights() *cobra.Command {
	var scope string
	cmd := &cobra.Command{
		Use:   "rights NAME",
		Short: "Explain what a person may do at a place, and why",
		Long: `Explain what a person may do at a place, and which grants say so. The answer is yes, fresh (after a confirmed sign-in, and never for a token), no, or denied, where a grant takes
it whatever the others give. What differs for things that they own stands behind it.`,
		Example: "  backstay user rights ada@example.org\n  backstay user rights ada@example.org --scope /project/ID/source/ID",
		Args:    wants(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, "users", args[0], "")
				if err != nil {
					return err
				}
				var answer json.RawMessage
				if err := s.Do(ctx, client.ExplainRights, client.Request{ID: f.id, Query: url.Values{"scope": {scope}}}, &answer); err != nil {
					return err
				}
				if s.flags.json {
					return s.printJSON(answer)
				}
				return s.rights(answer)
			})
		},
	}
	cmd.Flags().StringVar(&scope, "scope", "/", "the `place`: / is everywhere, /system the server, /project/ID a project")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

// reason is a grant that gives a permission or takes it.
type reason struct {
	Scope, Effect string
	RoleName      string `json:"role_name"`
	GroupName     string `json:"group_name"`
}

func (r reason) String() string {
	text := r.RoleName + " at " + r.Scope
	if r.Effect == "deny" {
		text = "denied: " + text
	}
	if r.GroupName != "" {
		text += " by group " + r.GroupName
	}
	return text
}

func (s asker) rights(answer json.RawMessage) error {
	var e struct {
		Disabled    bool
		NeedsFactor bool `json:"needs_factor"`
		Permissions []struct {
			Permission, Answer, Own string
			Because                 []reason
		}
	}
	if err := json.Unmarshal(answer, &e); err != nil {
		return err
	}
	table := show.NewTable("Permission", "Answer", "Because")
	for _, p := range e.Permissions {
		var because []string
		for _, r := range p.Because {
			because = append(because, r.String())
		}
		if p.Own != p.Answer {
			p.Answer += ", for their own: " + p.Own
		}
		table.Add(p.Permission, p.Answer, s.name(strings.Join(because, "; ")))
	}
	if _, err := table.WriteTo(s.out); err != nil {
		return err
	}
	switch {
	case e.Disabled:
		return s.say("\nThe account is disabled: they may do nothing.")
	case e.NeedsFactor:
		return s.say("\nA second factor is demanded of them: until they set one up they may do nothing of it.")
	}
	return nil
}
