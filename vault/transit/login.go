package transit

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"time"

	"github.com/hashicorp/vault/api"
)

// token makes sure that there was a login, and tells which.
func (t *Client) token(ctx context.Context) (login uint64, err error) {
	t.mu.Lock()
	since := t.since
	t.mu.Unlock()
	if since > 0 {
		return since, nil
	}
	if err := t.login(ctx, 0); err != nil {
		return 0, err
	}
	return 1, nil
}

// login gets a new token, unless somebody did since the login that is named: of fifty requests that find the token ended,
// one logs in.
func (t *Client) login(ctx context.Context, after uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since > after {
		return nil
	}
	if t.vain.outage != nil && t.config.Now().Sub(t.vain.at).Abs() < loginPace {
		return t.vain.outage
	}
	err := t.loginNow(ctx)
	if outage, ok := errors.AsType[*Outage](err); ok && outage.Kind == Denied {
		t.vain = vain{t.config.Now(), outage}
	}
	return err
}

// vain is a login that was refused, or after which Vault denied what was asked all the same.
type vain struct {
	at     time.Time
	outage *Outage
}

// inVain notes that a login did not help.
func (t *Client) inVain(outage *Outage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.vain = vain{t.config.Now(), outage}
}

// loginNow needs the lock.
func (t *Client) loginNow(ctx context.Context) error {
	apart, err := t.api.Clone() // requests of others keep the former token until there is a new one
	if err != nil {
		return err
	}
	if t.config.Namespace != "" {
		apart.SetNamespace(t.config.Namespace)
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	secret, err := t.config.Auth.Login(ctx, apart)
	if err != nil {
		if _, isAnswer := errors.AsType[*api.ResponseError](err); !isAnswer && ctx.Err() == nil && !isNetwork(err) {
			return &Outage{Denied, err} // a file that is not there, an empty credential: ours to mend
		}
		return deniedWhenRefused(answered(ctx, err))
	}
	t.api.SetToken(secret.Auth.ClientToken)
	t.since++
	t.vain = vain{}
	t.renew(apart, secret, t.since)
	return nil
}

// deniedWhenRefused: a login that Vault answers with 400 has the wrong credentials.
func deniedWhenRefused(err error) error {
	if outage, ok := errors.AsType[*Outage](err); ok && outage.Kind == Refused {
		return &Outage{Denied, errors.New("the login was refused")}
	}
	return err
}

// isNetwork: what a file system says has the form of a network's errors too.
func isNetwork(err error) bool {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return false
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// renew keeps the token alive for as long as Vault lets it be renewed, and logs in again when it does not.
func (t *Client) renew(c *api.Client, secret *api.Secret, login uint64) {
	if secret.Auth.LeaseDuration == 0 { // a root token, or one without an end
		return
	}
	c.SetToken(secret.Auth.ClientToken)
	watcher, err := c.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: secret, RenewBehavior: api.RenewBehaviorIgnoreErrors})
	if err != nil {
		t.config.Log.Error("vault: the token is not renewed", "error", err)
		return
	}
	t.renews.Go(func() {
		go watcher.Start()
		defer watcher.Stop()
		for {
			select {
			case <-t.done.Done():
				return
			case <-watcher.RenewCh():
			case <-watcher.DoneCh(): //nolint:errcheck // whatever ended it, a new login follows
				t.relogin(login)
				return
			}
		}
	})
}

// relogin tries until there is a token; what is asked meanwhile tries too.
func (t *Client) relogin(after uint64) {
	for {
		ctx, cancel := context.WithTimeout(t.done, loginTimeout)
		err := t.login(ctx, after)
		cancel()
		if err == nil || t.done.Err() != nil {
			return
		}
		t.config.Log.Warn("vault: no new token yet", "error", err)
		timer := time.NewTimer(restFor)
		select {
		case <-t.done.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
