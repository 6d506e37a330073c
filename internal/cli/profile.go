package cli

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/client"
)

func (p *program) newProfile() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "Look after your own account at a server",
		Long:  "Look after your own account at the server that you are signed in at: your name and address, your password, and your authenticator app. 'backstay factor' lists by\nwhat you sign in, 'backstay session' where.",
		Example: `  backstay profile update --set zone=Europe/Berlin
  backstay profile totp`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	o := single{"your account", reflect.TypeFor[backstay.User](), client.Profile, client.UpdateProfile}
	cmd.AddCommand(p.newShow(o, "profile", o.name), p.newUpdate(o, "profile", o.name, "zone=Europe/Berlin"), p.newProfilePassword(), p.newTOTP(), p.newRecoveryCodes())
	return withCodes(cmd, 0, 2)
}

func (p *program) newProfilePassword() *cobra.Command {
	var next newPassword
	var confirm bool
	cmd := &cobra.Command{
		Use:     "password",
		Short:   "Change your password",
		Long:    "Change the password of your account. Your other sessions end. The server asks you to confirm that it is you, by the old password or a code.",
		Example: "  backstay profile password\n  backstay profile password --new-password-file new.txt",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := next.read(cmd.Context(), p)
			if err != nil {
				return err
			}
			return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
				if err := s.Do(ctx, client.ChangePassword, client.Request{Body: map[string]string{"password": password}}, nil); err != nil {
					return err
				}
				return s.say("your password is changed, and your other sessions have ended")
			})
		},
	}
	next.register(cmd.Flags())
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

// key is that of an authenticator app, which is shown once.
type key struct{ ID, Key, Address string }

// codes are recovery codes, which are shown once.
type codes struct{ Codes []string }

func (c codes) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "Recovery codes, each of which signs in once:\n%s\n", strings.Join(c.Codes, "\n"))
	return err
}

func (p *program) newTOTP() *cobra.Command {
	var out secretly
	var confirm bool
	cmd := &cobra.Command{
		Use:   "totp",
		Short: "Set up an authenticator app as a second factor",
		Long: `Set up an authenticator app as a second factor. Its key is shown as a QR code to scan, and as text to type; then a first code of the app is asked for, so
that nobody locks themselves out. In the end recovery codes are shown, each of which signs in once if the app is lost: keep them in a safe place. With
--output key and codes are written to a new file that only you can read.`,
		Example: "  backstay profile totp",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return out.write(p, func(w io.Writer) error { return p.setUpTOTP(cmd, confirm, out.file == "", w) })
		},
	}
	out.register(cmd)
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) setUpTOTP(cmd *cobra.Command, confirm, draw bool, w io.Writer) error {
	var k key
	err := p.onServer(cmd, confirm, func(ctx context.Context, s asker) error { return s.Do(ctx, client.BeginTOTP, client.Request{}, &k) })
	if err != nil {
		return err
	}
	picture := ""
	if draw {
		if picture, err = auth.QRText(auth.Secret(k.Address)); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(w, "%sKey: %s\nAddress: %s\n", picture, k.Key, k.Address); err != nil {
		return err
	}
	if err := p.out.Flush(); err != nil {
		return err
	}
	code, err := p.askLine("First code of your authenticator app")
	if err != nil {
		return err
	}
	return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
		var c codes
		if err := s.Do(ctx, client.ConfirmTOTP, client.Request{ID: k.ID, Body: map[string]string{"code": code}}, &c); err != nil {
			return err
		}
		return c.write(w)
	})
}

func (p *program) newRecoveryCodes() *cobra.Command {
	var out secretly
	var confirm bool
	cmd := &cobra.Command{
		Use:     "recovery-codes",
		Short:   "Make new recovery codes; the old ones are void",
		Long:    "Make new recovery codes, each of which signs in once instead of a code of the authenticator app. The old ones are void.",
		Example: "  backstay profile recovery-codes\n  backstay profile recovery-codes --output codes.txt",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return out.write(p, func(w io.Writer) error {
				return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
					var c codes
					if err := s.Do(ctx, client.RecoveryCodes, client.Request{}, &c); err != nil {
						return err
					}
					return c.write(w)
				})
			})
		},
	}
	out.register(cmd)
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}
