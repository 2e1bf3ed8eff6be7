package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

func (c *command) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the public and the admin listener",
		Long:  "Serve prints the addresses that it listens on, is ready when /readyz answers 200, and drains on SIGTERM.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := c.loadConfig()
			if err != nil {
				return err
			}
			executable, err := os.Executable()
			if err != nil {
				return err
			}
			log := c.logger(loaded.Log)
			keepNoCore()
			if bound := c.tuneCollector(os.DirFS("/")); bound > 0 {
				log.Info("the heap is kept below three quarters of this container's memory", "mib", bound>>20)
			}
			go c.keepTuned(cmd.Context())
			server, err := assembly.New(cmd.Context(), assembly.Options{Config: loaded, Log: log, Now: time.Now, Version: buildVersion(), Executable: executable})
			if err != nil {
				return err
			}
			if err := server.Start(cmd.Context()); err != nil {
				return err
			}
			go debug.FreeOSMemory() // reading the objects leaves several times of what stays of them
			_, _ = fmt.Fprintf(c.stdout, "public  %s  (issuer %s)\nadmin   %s\n", server.PublicAddress(), loaded.Server.PublicURL, server.AdminAddress())
			return server.Wait(cmd.Context())
		},
	}
}

// logger writes to standard error, so that the addresses on standard output stay readable.
func (c *command) logger(l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "text" {
		return slog.New(slog.NewTextHandler(c.stderr, options))
	}
	return slog.New(slog.NewJSONHandler(c.stderr, options))
}
