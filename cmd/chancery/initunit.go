package main

import (
	"os"
	"path/filepath"
	"strings"
)

// unit is the systemd unit; deploy/systemd has it for /etc/chancery. What the service may is as little as it needs: it
// opens sockets, reads its folder and, with SQLite, writes there.
const unit = `# systemd unit for Chancery. "systemd-analyze security chancery" judges it.
[Unit]
Description=Chancery, an identity broker for AI agents
Documentation=man:chancery(1)
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User=chancery
Group=chancery
Environment=CHANCERY_CONFIG={{folder}}/chancery.yaml
# Secrets that the configuration refers to with {env: NAME}, one NAME=value a line, 0600 and root's:
EnvironmentFile=-{{folder}}/environment
ExecStart={{binary}} serve
Restart=on-failure
RestartSec=2
# It drains within 15 seconds of SIGTERM.
TimeoutStopSec=20
LimitNOFILE=65536
LimitCORE=0
UMask=0077

{{write}}
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`

// defaultBinary is where packages put it.
const defaultBinary = "/usr/bin/chancery"

// unitFor names the binary that runs now, if it is not a build that will be gone.
func unitFor(folder, database string) string {
	binary := defaultBinary
	if path, err := os.Executable(); err == nil && !strings.HasPrefix(path, os.TempDir()) && filepath.Base(path) == "chancery" && !strings.ContainsFunc(path, notUnitPath) {
		binary = path
	}
	return unitText(folder, binary, database)
}

func unitText(folder, binary, database string) string {
	write := "# The database keeps itself: nothing is written here."
	if database == "sqlite" {
		write = "# The database and its lock:\nReadWritePaths=" + folder
	}
	return strings.NewReplacer("{{folder}}", folder, "{{binary}}", binary, "{{write}}", write).Replace(unit)
}

// notUnitPath: in a unit, spaces separate, % and $ stand for something else, and quotes and backslashes escape (systemd.syntax(7)).
func notUnitPath(r rune) bool {
	return !strings.ContainsRune("/._-+@:,", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
