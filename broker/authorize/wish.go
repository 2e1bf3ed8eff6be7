package authorize

import (
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/signin"
)

// clockSkew is how far an IdP's clock may be behind ours when it says that a person has just authenticated.
const clockSkew = time.Minute

// wish is a sign-in that has to come before anything else.
type wish struct {
	ask       signin.Ask
	idp       string // uid of the IdP to ask; "": whichever the person comes from
	choose    bool   // the person is asked which
	preferred bool   // what the client would like (acr_values); without it, it goes on all the same
	further   bool   // policy's, after what the client asks was met: that stays so, whatever comes of this
}

// wishOf tells what sign-in is needed first; nil: none (OIDC Core §3.1.2.1 and .3). An error is the client's.
func (d *Desk) wishOf(w *walk) (*wish, error) {
	r, now := w.request, d.Now()
	base := wish{ask: signin.Ask{LoginHint: r.LoginHint(), UILocales: r.UILocales(), Then: w.here()}}
	maxAge, hasMaxAge := r.MaxAge()
	if hasMaxAge {
		base.ask.MaxAge = &maxAge
	}
	if !w.pending.Progress.Preferred && len(r.ACRValues()) > 0 {
		base.ask.ACRValues, base.preferred = r.ACRValues(), true
	}
	s := w.session
	if s == nil {
		base.ask.Prompt = promptOf(r.Prompt().Login, r.Prompt().SelectAccount)
		base.choose = r.Prompt().SelectAccount
		return &base, nil
	}
	again := base
	again.idp = s.IdPUID
	proved := w.provedSince()
	// id_token_hint: whom the client means.
	if expected, hinted := r.Expected(); hinted {
		known := expected != ""
		switch {
		case known && expected == s.UserUID:
		case r.Prompt().None: // a hint that proves nothing says that somebody is expected who cannot be told
			return nil, oauth.Refuse(oauth.CodeSignInRequired, "another person, or a hint that is no ID token of ours for this client", "the person of the id_token_hint")
		case !known: // OIDC Core §3.1.2.1: a hint, which means nobody here
		case proved:
			return nil, oauth.Refuse(oauth.CodeSignInRequired, "another person", "the person of the id_token_hint")
		default:
			base.ask.Prompt, base.choose = promptOf(false, true), true
			return &base, nil
		}
	}
	switch {
	case r.Prompt().Login && !proved:
		again.ask.Prompt = promptOf(true, false)
		return &again, nil
	case r.Prompt().SelectAccount && !proved:
		base.ask.Prompt, base.choose = promptOf(false, true), true
		return &base, nil
	case hasMaxAge && !freshEnough(s.Proof.AuthTime, maxAge, now, w.pending.Progress.DepartedAt, proved):
		if proved { // it was asked for, and did not come
			return nil, oauth.Refuse(oauth.CodeSignInUnfinished, "an auth_time that is absent or too old", "one within max_age")
		}
		return &again, nil
	case again.preferred && !slices.Contains(r.ACRValues(), s.Proof.ACR) && !r.Prompt().None:
		again.ask.Only = s.UserUID
		return &again, nil
	}
	return nil, nil //nolint:nilnil // no wish, no error
}

// provedSince tells that the session is one with which the browser came back from the last departure of this request.
func (w *walk) provedSince() bool {
	back := w.pending.Progress.Returned
	return back != "" && w.session != nil && w.session.ID == back
}

// freshEnough: a time that is not known is never fresh. Who has just come back from an IdP that was asked is, also where
// the age is counted in no seconds at all (max_age=0, RFC 9470 §5).
func freshEnough(authTime time.Time, maxAge time.Duration, now, departed time.Time, proved bool) bool {
	switch {
	case authTime.IsZero() || authTime.After(now.Add(clockSkew)):
		return false
	case now.Sub(authTime) <= maxAge:
		return true
	}
	return proved && !authTime.Before(departed.Add(-clockSkew))
}

func promptOf(login, selectAccount bool) []string {
	var p []string
	if login {
		p = append(p, "login")
	}
	if selectAccount {
		p = append(p, "select_account")
	}
	return p
}
