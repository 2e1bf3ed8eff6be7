package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/story"
	"github.com/chancery-dev/chancery/cmd/chancery/dev"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// world is what the demo runs on: the surroundings of `chancery dev`, in a temporary folder and on free ports.
type world struct {
	*dev.World
	folder string
}

func build(ctx context.Context, log *slog.Logger, executable string) (*world, error) {
	folder, err := os.MkdirTemp("", "chancery-demo-")
	if err != nil {
		return nil, err
	}
	running, err := dev.Start(ctx, dev.Options{
		Folder: folder, Host: "127.0.0.1", Users: idptest.People(), Log: log, Now: time.Now, Executable: executable,
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return &world{World: running, folder: folder}, nil
}

func (w *world) close() {
	w.Close()
	_ = os.RemoveAll(w.folder)
}

// nameOf says whom a request goes to.
func (w *world) nameOf(u *url.URL) string {
	at := u.Scheme + "://" + u.Host
	switch {
	case strings.HasPrefix(w.Issuer, at):
		return "chancery"
	case strings.HasPrefix(w.IdP.Issuer(), at):
		return "identity provider"
	case strings.HasPrefix(w.Resource, at):
		return "notes"
	case strings.HasPrefix(w.GitHub.URL(), at):
		return "github"
	}
	return at
}

// explain asks the admin API for the story of a request.
func (w *world) explain(ctx context.Context, trace string) ([]string, error) {
	raw, err := w.Admin.Explain(ctx, trace)
	if err != nil {
		return nil, err
	}
	var told story.Story
	if err := json.Unmarshal(raw, &told); err != nil {
		return nil, err
	}
	if told.Code != "policy_denied" {
		return nil, fmt.Errorf("the story of %s is about %q", trace, told.Code)
	}
	return told.Lines(), nil
}

// export waits until a checkpoint covers what happened, and takes the whole log and the public checkpoint keys.
func (w *world) export(ctx context.Context) (export []byte, keys []audit.PublicKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	jwks, err := w.Admin.CheckpointKeys(ctx)
	if err != nil {
		return nil, nil, err
	}
	if keys, err = audit.ParseJWKS(jwks); err != nil {
		return nil, nil, err
	}
	for {
		var out bytes.Buffer
		if err := w.Admin.ExportAudit(ctx, &out); err != nil {
			return nil, nil, err
		}
		report, err := audit.Verify(bytes.NewReader(out.Bytes()), audit.Expect{Keys: keys})
		if err == nil && report.Unproven == 0 {
			return out.Bytes(), keys, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, errors.Join(errors.New("no checkpoint covers what happened"), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}
