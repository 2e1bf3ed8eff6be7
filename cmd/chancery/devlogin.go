package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/dev"
)

func (c *command) devLoginCommand(folder *string) *cobra.Command {
	var acr string
	cmd := &cobra.Command{
		Use:   "login USER",
		Short: "Sign in at the fake IdP: whom chancery token acts for",
		Long: `Sign in at the fake IdP with the code flow and PKCE, without a browser and without a password. ID token and refresh token are
kept in the folder, in a file that only you can read (0600), in place of those of the sign-in before.`,
		Example: `  chancery dev login alice
  chancery dev login bob --acr phr`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.checkOutput(); err != nil {
				return err
			}
			return c.devLogin(cmd.Context(), c.devFolder(*folder), args[0], acr)
		},
	}
	cmd.ValidArgsFunction = cobra.FixedCompletions(devPeople(), cobra.ShellCompDirectiveNoFileComp)
	cmd.Flags().StringVar(&acr, "acr", "", "how to sign in, for what a step-up asks: phr")
	c.addOutputFlag(cmd, asTable)
	return cmd
}

// devPeople are those who can sign in.
func devPeople() []string {
	var who []string
	for _, person := range dev.People() {
		who = append(who, person.Name)
	}
	return who
}

// loginRecord is what came of a sign-in, without the tokens.
type loginRecord struct {
	User         string    `json:"user"`
	IdP          string    `json:"idp"`
	Subject      string    `json:"sub"`
	Email        string    `json:"email,omitempty"`
	Groups       []string  `json:"groups"`
	ACR          string    `json:"acr,omitempty"`
	Expires      time.Time `json:"id_token_expires"`
	RefreshToken bool      `json:"refresh_token"`
	File         string    `json:"file"`
}

func (c *command) devLogin(ctx context.Context, folder, user, acr string) error {
	found, err := dev.Find(folder)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	token, err := dev.SignIn{IdP: found.IdP.Issuer, ClientID: found.IdP.ClientID, User: user, ACR: acr, HTTP: dev.NoRedirects(dev.Direct())}.Do(ctx)
	if err != nil {
		return plainError(err)
	}
	idToken, _ := token.Extra("id_token").(string)
	claims := dev.ClaimsOf(idToken)
	text := func(name string) string { value, _ := claims[name].(string); return value }
	exp, _ := claims["exp"].(float64)
	record := loginRecord{
		User: user, IdP: found.IdP.Issuer, Subject: text("sub"), Email: text("email"), ACR: text("acr"), Groups: []string{},
		Expires: time.Unix(int64(exp), 0).UTC(), RefreshToken: token.RefreshToken != "",
	}
	groups, _ := claims["groups"].([]any)
	for _, group := range groups {
		record.Groups = append(record.Groups, fmt.Sprint(group))
	}
	if acr != "" && record.ACR != acr {
		return fmt.Errorf("%s cannot sign in with acr %s at this IdP: bob can, with phr", user, acr)
	}
	record.File, err = found.KeepSession(dev.Session{
		User: user, IDToken: secret.New(idToken), RefreshToken: secret.New(token.RefreshToken), Expires: record.Expires,
	})
	if err != nil {
		return err
	}
	return c.print(record, func(w io.Writer) error {
		_, _ = fmt.Fprintf(w, "%s signed in at %s (code flow with PKCE)\n", visible(user), visible(record.IdP))
		_, _ = fmt.Fprintf(w, "  ID token       sub %s, email %s, groups %s", visible(record.Subject), visible(record.Email), visible(strings.Join(record.Groups, " ")))
		if record.ACR != "" {
			_, _ = fmt.Fprintf(w, ", acr %s", visible(record.ACR))
		}
		_, _ = fmt.Fprintf(w, "; until %s\n", clock(record.Expires))
		if record.RefreshToken {
			_, _ = fmt.Fprintln(w, "  refresh token  yes")
		}
		_, err := fmt.Fprintf(w, "  kept in        %s (0600)\n", visible(record.File))
		return err
	})
}

// devSession is proof of the sign-in that chancery token acts on: the ID token as long as it is good.
func devSession(found *dev.Context, now time.Time) (token secret.Text, isIDToken bool, err error) {
	session, err := found.Session()
	switch {
	case err != nil:
		return secret.Text{}, false, err
	case now.Before(session.Expires.Add(-10 * time.Second)):
		return session.IDToken, true, nil
	case !session.RefreshToken.IsZero():
		return session.RefreshToken, false, nil
	}
	return secret.Text{}, false, errors.New("the sign-in is over: chancery dev login " + session.User)
}
