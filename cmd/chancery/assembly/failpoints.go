//go:build failpoints

package assembly

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/chancery-dev/chancery/vault/connection"
)

// failpointsVariable names a folder. A process that reaches a point takes the file of the point's name away, if there is
// one, and is dead.
const failpointsVariable = "CHANCERY_FAILPOINTS"

// failpoints are those of a binary that is built to die, and never shipped.
func (s *Server) failpoints() connection.Failpoints {
	folder := os.Getenv(failpointsVariable)
	if folder == "" {
		return nil
	}
	s.Log.Warn("this binary dies where it is told to: it is for tests", "folder", folder)
	return deadly{folder, s.Log}
}

type deadly struct {
	folder string
	log    *slog.Logger
}

// Reach implements connection.Failpoints. One of all processes takes the file, and gets no further: this is kill -9.
func (d deadly) Reach(p connection.Point) error {
	if err := os.Remove(filepath.Join(d.folder, string(p))); err != nil {
		return nil //nolint:nilerr // there is none, or another took it
	}
	d.log.Warn("dies here", "failpoint", string(p))
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := self.Kill(); err != nil {
		return err
	}
	select {} // the signal is on its way
}
