package doctor

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/vault/keyring"
)

const (
	fewDescriptors = 4096 // connections, and some
	diskWarn       = 1 << 30
	diskFail       = 100 << 20
	filesDo        = "raise it: LimitNOFILE of the unit, or ulimit -n"
)

// files looks at the limit of open files: each connection is one.
func (d *Doctor) files() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		d.report.skip("files", "the limit cannot be read: "+err.Error())
		return
	}
	need := uint64(2*d.Loaded.Limits.InFlight + 256) //nolint:gosec // at least 1, by validation
	status := OK
	switch {
	case limit.Cur < need/2:
		status = Fail
	case limit.Cur < max(need, fewDescriptors):
		status = Warn
	}
	d.report.judge("files", fmt.Sprintf("%d open files are allowed here; limits.in_flight is %d", limit.Cur, d.Loaded.Limits.InFlight), status, filesDo)
}

func (d *Doctor) openKeyring() {
	path := d.Loaded.Vault.Keyring.File
	k, err := keyring.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.Loaded.Profile == "dev":
		d.report.add("keyring", Warn, path+" is not there", "serve makes it in profile dev; keep a copy of it then")
	case errors.Is(err, fs.ErrNotExist):
		d.report.add("keyring", Fail, path+" is not there", "chancery init makes one; of an installation that has keys, bring back its copy")
	case errors.Is(err, keyring.ErrPermissions):
		d.report.add("keyring", Fail, err.Error(), "chmod 0600 and chown it to the user that serves, then run doctor as that user")
	case err != nil:
		d.report.add("keyring", Fail, err.Error(), "bring back its copy")
	default:
		d.keyring, d.sealer = k, k
		d.report.ok("keyring", fmt.Sprintf("%s is its owner's alone; keys in it: %d", path, len(k.Keys())))
	}
}

// disk looks at the folder of the SQLite file.
func (d *Doctor) disk(rawURL string) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "sqlite" {
		d.report.skip("disk", "the database is a server's: look there")
		return
	}
	folder := filepath.Dir(u.Host + u.Path)
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		d.report.add("disk", Fail, fmt.Sprintf("%s: %v", folder, err), "make the folder, or change database.url")
		return
	}
	free := stat.Bavail * uint64(stat.Bsize) //nolint:gosec // a block has a size
	status := OK
	switch {
	case free < diskFail:
		status = Fail
	case free < diskWarn:
		status = Warn
	}
	d.report.judge("disk", fmt.Sprintf("%d MiB are free in %s", free>>20, folder), status, "make room: without it nothing can be recorded, and no token is issued")
}

// certificate is the one that the public listener serves.
func (d *Doctor) certificate() {
	t := d.Loaded.Server.TLS
	if t.Cert == "" {
		d.report.skip("certificate", "server.tls is not set: a proxy ends TLS, or nobody does")
		return
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		d.report.add("certificate", Fail, strings.ReplaceAll(err.Error(), "\n", " "), "server.tls.cert and .key are PEM files that belong together and that the server may read")
		return
	}
	left := pair.Leaf.NotAfter.Sub(d.Now())
	seen := "ends at " + stamp(pair.Leaf.NotAfter)
	host := ""
	if u, err := url.Parse(d.Loaded.Server.PublicURL); err == nil {
		host = u.Hostname()
	}
	days, soon := diagnose.Threshold(left)
	switch {
	case left <= 0 || d.Now().Before(pair.Leaf.NotBefore):
		d.report.add("certificate", Fail, fmt.Sprintf("valid from %s to %s", stamp(pair.Leaf.NotBefore), stamp(pair.Leaf.NotAfter)), "renew it and restart")
	case pair.Leaf.VerifyHostname(host) != nil:
		d.report.add("certificate", Fail, "it is not for "+host, "get one for the host of server.public_url")
	case soon && days <= 14:
		d.report.add("certificate", Warn, seen, "renew it and restart")
	default:
		d.report.ok("certificate", seen)
	}
}

// clocks are far apart when they are this far apart; at the second, a server refuses to start.
const (
	clockWarn = 5 * time.Second
	clockFail = 30 * time.Second
)
